"""Texts cut for fill-in-the-middle come together again exactly, as text and as tokens."""

import ast
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data.processing.fim import arrange, restore
from better_ai.data.processing.gaps import LEVELS, Level, cut
from better_ai.tokenizer import SPECIAL_IDS as SPECIAL

TEXT = '''import os

def größe(path, *, unit=1):
    """Größe einer Datei, in f"{unit}"."""
    if os.path.exists(path):
        return [os.stat(each).st_size // unit for each in (path, f"{path}.é")]
    return -1

class A:
    @property
    def b(self): return "ä" + self.c[1:2]
'''


@given(level=st.sampled_from(LEVELS), seed=st.integers(0, 10_000))
def test_the_parts_are_the_text(level: Level, seed: int) -> None:
    gap = cut(TEXT, level, Random(seed))
    assert gap is not None and gap.text == TEXT
    assert gap == cut(TEXT, level, Random(seed))
    assert level == "document" or gap.middle.strip()


@given(text=st.text(max_size=60), level=st.sampled_from(LEVELS), seed=st.integers(0, 99))
def test_any_text_is_cut_or_refused(text: str, level: Level, seed: int) -> None:
    gap = cut(text, level, Random(seed))
    assert gap is None or gap.text == text


def test_function_gaps_are_functions_or_their_bodies() -> None:
    middles = {cut(TEXT, "function", Random(seed)).middle for seed in range(60)}
    lines = TEXT.split("\n")
    assert middles == {
        "\n".join(lines[2:7]),
        "\n".join(lines[4:7]).lstrip(),
        'def b(self): return "ä" + self.c[1:2]',
        'return "ä" + self.c[1:2]',
    }


def test_node_gaps_are_whole_nodes_or_runs_of_neighbours() -> None:
    path = Path(ast.__file__).with_name("textwrap.py")
    text = path.read_text()
    data = text.encode()
    starts = np.cumsum([0, *(len(line) + 1 for line in data.split(b"\n"))])
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.stmt, ast.expr))]
    begin = {int(starts[node.lineno - 1]) + node.col_offset for node in nodes}
    end = {int(starts[node.end_lineno - 1]) + node.end_col_offset for node in nodes}
    sizes = []
    for seed in range(300):
        gap = cut(text, "node", Random(seed))
        start = len(gap.prefix.encode())
        assert start in begin and start + len(gap.middle.encode()) in end
        sizes.append(len(gap.middle))
    assert len(set(sizes)) > 100 and min(sizes) < 60 and max(sizes) > len(text) / 2


@pytest.mark.parametrize("text", ["", "def f(:", "x = 1\r\n"])
def test_what_has_no_tree_has_no_nodes(text: str) -> None:
    assert cut(text, "node", Random(0)) is None and cut(text, "function", Random(0)) is None


@pytest.mark.parametrize("spm", [False, True])
def test_encoded_parts_are_restored(spm: bool) -> None:
    for seed in range(30):
        gap = cut(TEXT, "node", Random(seed))
        parts = [[byte + 1000 for byte in part.encode()] for part in (gap.prefix, gap.middle, gap.suffix)]
        tokens = restore(arrange(*parts, SPECIAL, spm=spm), SPECIAL)
        assert bytes(int(token) - 1000 for token in tokens).decode() == TEXT
