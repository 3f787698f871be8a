"""Documents that hold part of a benchmark go, and the reason names it; files are of the benchmarks' own schemas."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from documents import document, run_step
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data import BenchmarkFile, DecontaminationConfig
from better_ai.data.step import document_batch
from better_ai.data.steps import decontamination
from better_ai.data.steps.decontamination import NgramIndex, _words
from better_ai.errors import UserError

PROMPT = '''from typing import List


def rainfall(levels: List[float], limit: float) -> bool:
    """Say whether two neighbouring levels of rain differ by more than the limit given.
    >>> rainfall([1.0, 2.0, 9.0], 3.5)
    True
    """
'''
SOLUTION = """    for first, second in zip(levels, levels[1:]):
        if abs(first - second) > limit:
            return True
    return False
"""
SUM = "Write a function to add the squares of all odd numbers below a bound."
SUM_CODE = "def odd_squares(bound):\r\n  return sum(n * n for n in range(bound) if n % 2)"
SHORT = "def clamp_value(value, low, high): pass"


@pytest.fixture
def config(tmp_path: Path) -> DecontaminationConfig:
    human = tmp_path / "HumanEval.jsonl.gz"
    record = {
        "task_id": "HumanEval/0",
        "prompt": PROMPT,
        "canonical_solution": SOLUTION,
        "test": "",
        "entry_point": "r",
    }
    human.write_bytes(gzip.compress((json.dumps(record) + "\n").encode()))
    mbpp = tmp_path / "mbpp.jsonl"
    records = [
        {"task_id": 7, "text": SUM, "code": SUM_CODE, "test_list": ["assert odd_squares(4) == 10"]},
        {"task_id": 8, "text": "Clamp.", "code": SHORT, "test_list": ["assert [1, 2, 3, 4, 5, 6, 7] == x"]},
    ]
    mbpp.write_text("".join(json.dumps(record) + "\n" for record in records))
    own = tmp_path / "own.parquet"
    question = "How many ways are there to seat seven quarrelsome ministers at a table with nine chairs?"
    pq.write_table(pa.table({"key": ["a"], "question": [question]}), own)
    return DecontaminationConfig(
        benchmarks=(
            BenchmarkFile(
                name="HumanEval", path=str(human), id_field="task_id", fields=("prompt", "canonical_solution")
            ),
            BenchmarkFile(name="MBPP", path=str(mbpp), id_field="task_id", fields=("text", "code", "test_list")),
            BenchmarkFile(name="Own", path=str(own), id_field="key", fields=("question",)),
        )
    )


@pytest.mark.parametrize(
    ("text", "item"),
    [
        (PROMPT + SOLUTION, "HumanEval HumanEval/0"),
        (f"# tasks\n{PROMPT.replace('rain', 'RAIN')}    pass\n", "HumanEval HumanEval/0"),
        (
            "x = 1\n" * 500 + SOLUTION.replace("    ", "\t").replace("(", " ( ") + "y = 2\n" * 500,
            "HumanEval HumanEval/0",
        ),
        (f'"""{SUM}"""\n', "MBPP 7"),
        (SUM_CODE.replace("\r\n", "\n"), "MBPP 7"),
        (f"a = 1\n{SHORT}\n", "MBPP 8"),
        ("Q: How many ways are there to seat seven quarrelsome ministers at a table\nwith nine", "Own a"),
    ],
)
def test_hits_name_benchmark_and_item(config: DecontaminationConfig, text: str, item: str) -> None:
    rejected = run_step(decontamination(config), _rows(text)).rejected.column("reason").to_pylist()
    assert len(rejected) == 1 and rejected[0].endswith(f"runs of words of {item}")


@pytest.mark.parametrize(
    "text",
    [
        "def rainfall(levels, limit):\n    return max(levels) > limit\n",
        "for first, second in zip(levels, levels[1:]):\n    print(first, second)\n",
        "x = [1, 2, 3, 4, 5, 6, 7]\n",
        "Clamp.",
        "Write a function to add numbers.",
        "",
    ],
)
def test_what_is_merely_alike_stays(config: DecontaminationConfig, text: str) -> None:
    rows = _rows(text)
    assert run_step(decontamination(config), rows).kept.equals(rows)


def test_the_number_of_hits_is_a_policy(config: DecontaminationConfig) -> None:
    rows = _rows(" ".join(PROMPT.split()[:16]), PROMPT, SHORT)
    step = decontamination(config)
    assert step.tag is not None
    tags = step.tag(rows)
    some, all_of_it, short = tags.column("hits").to_pylist()
    assert 0 < some < all_of_it and short == 1
    stricter = decontamination(config.model_copy(update={"min_hits": some + 1}))
    assert stricter.tag_key == step.tag_key
    assert [row["id"] for row in stricter.judge(rows, tags).kept.to_pylist()] == rows.column("id").to_pylist()[:1]


def test_a_changed_benchmark_changes_the_key(config: DecontaminationConfig) -> None:
    before = decontamination(config).tag_key
    path = Path(config.benchmarks[1].path)
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert decontamination(config).tag_key != before


@pytest.mark.parametrize(
    ("content", "fields", "problem"),
    [
        (None, ("text",), "does not exist"),
        (b'{"task_id": 1}\n', ("text",), "no field 'text'"),
        (b"[1]\n", ("text",), "no field 'task_id'"),
        (b"\x80 not json\n", ("text",), "cannot be read"),
        (b'{"task_id": 1, "text": "too short"}\n', ("text",), "no text in the fields"),
    ],
)
def test_benchmarks_that_cannot_be_used_are_refused(
    tmp_path: Path, content: bytes | None, fields: tuple[str, ...], problem: str
) -> None:
    path = tmp_path / "b.jsonl"
    if content is not None:
        path.write_bytes(content)
    benchmark = BenchmarkFile(name="b", path=str(path), id_field="task_id", fields=fields)
    with pytest.raises(UserError, match=problem):
        run_step(decontamination(DecontaminationConfig(benchmarks=(benchmark,))), _rows("x"))


_TEXTS = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "1", "x", "new"]), max_size=30).map(" ".join)


@given(items=st.lists(_TEXTS, max_size=4), text=_TEXTS)
def test_hits_are_those_of_a_plain_search(items: list[str], text: str) -> None:
    """The index against comparing every run of the text with every run of every item."""
    index = NgramIndex(6)
    for number, item in enumerate(items):
        index.add("b", str(number), [item])
    index.finish()
    words = _words(text)
    for (_, name), runs in zip(index.items, index.runs_of, strict=True):
        expected = {run for run in runs if _holds(words, [_word(index, number) for number in run])}
        benchmark, item, hits, total = index.find(text)
        if expected:
            assert benchmark is not None and hits > 0
        if item == name:
            assert (hits, total) == (len(expected), len(runs))


def _word(index: NgramIndex, number: int) -> str:
    return next(word for word, known in index.vocabulary.items() if known == number)


def _holds(words: list[str], run: list[str]) -> bool:
    return any(words[start : start + len(run)] == run for start in range(len(words) - len(run) + 1))


def _rows(*texts: str) -> pa.RecordBatch:
    return document_batch([document(text) for text in texts])
