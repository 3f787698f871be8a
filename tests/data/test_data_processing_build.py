"""Task sets over shards: exact shares and counts, equal bytes, and a build that goes on where it broke off."""

import json
import re
from fractions import Fraction
from functools import cache
from pathlib import Path
from textwrap import indent
from typing import Any

import pyarrow.parquet as pq
import pytest
from corpus_run import digests
from documents import document
from hypothesis import given
from hypothesis import strategies as st

import better_ai.data.processing.build as build_module
from better_ai.config.data import LocalExecutorConfig
from better_ai.config.data.processing import AugmentationConfig, GitHistory, ProcessingConfig
from better_ai.data.processing import runs
from better_ai.data.processing.build import build_task_sets
from better_ai.data.processing.conversations import CONVERSATION_SCHEMA, read_conversations
from better_ai.data.processing.shares import allocate, exact_share
from better_ai.data.schema import DOCUMENT_SCHEMA, document_id
from better_ai.data.step import document_batch
from better_ai.data.tables import TableWriter, read_documents, read_rejected, write_parquet
from better_ai.errors import ArtifactError, ConfigError, UserError
from better_ai.sandbox import Sandbox

LIBRARY = Path(json.__file__).parent.parent


def module(text: str, name: str, **columns: Any) -> dict[str, Any]:
    return document(
        text, source=f"test:{name}", metadata=json.dumps({"path": name}), **({"license": "PSF-2.0"} | columns)
    )


@cache
def library(name: str) -> str:
    return (LIBRARY / name).read_text(encoding="utf-8")


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Two shards with eight documents, three of which give nothing."""
    names = ("textwrap.py", "bisect.py", "colorsys.py")
    first = [module(library(name), name) for name in names]
    first.append(module("int main() { return 0; }\n", "main.c", language="c"))
    second = [
        module(library("heapq.py").replace("\n", "\r\n"), "heapq.py"),
        module("def f(:\n", "broken.py"),
        module(library("shlex.py"), "shlex.py", license="GPL-3.0-only"),
        module(library("stat.py"), "stat.py"),
    ]
    paths = [tmp_path / f"{number}.parquet" for number in range(2)]
    for path, rows in zip(paths, (first, second), strict=True):
        write_parquet([document_batch(rows)], DOCUMENT_SCHEMA, path)
    return paths


INLINE = LocalExecutorConfig(workers=1)
CONFIG = ProcessingConfig(
    multi_turn_share=0.25,
    augmentation=AugmentationConfig(copies=1, augmenters=("quotes", "spaces")),
    executor=INLINE,
)


def test_a_build_counts_what_it_makes(shards: list[Path], tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"code_review": (GitHistory(path=str(tmp_path / "no clone"), license="MIT"),)})
    stats = build_task_sets(config, shards, tmp_path / "out", work=tmp_path / "work")
    assert stats.documents == 8
    assert sum(stats.kept.values()) == stats.single_turn + stats.multi_turn
    assert stats.single_turn == 3 * stats.multi_turn > 0 and stats.single_turn_bytes > stats.multi_turn_bytes > 0
    assert set(stats.made) == {"bug_fixing", "completion", "dialogue", "documentation", "instruction", "refactoring"}

    rejected = read_rejected(tmp_path / "out/rejected.parquet").to_pylist()
    reasons = {row["source"].removeprefix("test:"): row["reason"] for row in rejected}
    assert reasons.pop("git:no clone").startswith("git failed")
    assert reasons == {
        "main.c": "no task set is made of c",
        "broken.py": "does not parse",
        "shlex.py": "licence GPL-3.0-only is not allowed",
    }
    assert sum(stats.rejected.values()) == 4

    found = [pair for path in sorted((tmp_path / "out/conversations").iterdir()) for pair in read_conversations(path)]
    assert len(found) == stats.single_turn + stats.multi_turn
    ids = {document_id(row["content"].encode()) for path in shards for row in read_documents(path).to_pylist()}
    for conversation, row in found:
        assert row["source_id"] in ids and row["license"] == "PSF-2.0" and row["metadata"]["seed"] == 0
        assert [message.role for message in conversation.messages] == ["user", "assistant"] * row["turns"]
        assert "function" in row["metadata"] and "shlex" not in row["source"]
    assert json.loads((tmp_path / "out/processing.json").read_text())["stats"] == stats.to_dict()

    variants = [
        row for path in sorted((tmp_path / "out/augmented").iterdir()) for row in read_documents(path).to_pylist()
    ]
    assert len(variants) == stats.augmented > 3
    for row in variants:
        assert row["id"] == document_id(row["content"].encode()) not in ids
        assert json.loads(row["metadata"])["augmented_from"] in ids


def test_equal_input_gives_equal_bytes_and_another_seed_others(shards: list[Path], tmp_path: Path) -> None:
    folders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        config = CONFIG.model_copy(update={"seed": seed})
        build_task_sets(config, shards, tmp_path / name / "out", work=tmp_path / name / "work")
        folders.append(digests(tmp_path / name / "out"))
    assert folders[0] == folders[1] != folders[2]


def test_the_same_bytes_from_any_cut_and_any_workers(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twins in one shard, far apart: what they give stands there once, in whatever runs they come."""
    rows = [row for path in shards for row in read_documents(path).to_pylist()]
    twin = rows[0]["content"] + "\n\nTWIN = True\n"
    write_parquet([document_batch([*rows, module(twin, "twin.py")])], DOCUMENT_SCHEMA, shards[0])
    seen: dict[str, list[tuple[int, int]]] = {}

    def build(name: str, run_bytes: int, workers: int) -> dict[str, str]:
        seen.clear()
        monkeypatch.setattr(runs, "RUN_BYTES", run_bytes)
        build_task_sets(
            CONFIG.model_copy(update={"executor": LocalExecutorConfig(workers=workers)}),
            shards,
            tmp_path / name,
            work=tmp_path / f"{name}-work",
            on_progress=lambda phase, *counts: seen.setdefault(phase, []).append((counts[0], counts[1])),
        )
        return digests(tmp_path / name)

    whole = build("whole", 10**9, 1)
    assert seen["convert"] == [(0, 2), (1, 2), (2, 2)]
    assert json.loads((tmp_path / "whole/processing.json").read_text())["stats"]["dropped"]["said before"] >= 1
    assert build("cut", 20_000, 2) == whole
    count = len(seen["convert"]) - 1
    assert count > 5 and seen["convert"] == seen["augment"] == [(number, count) for number in range(count + 1)]
    assert len(list((tmp_path / "cut/conversations").iterdir())) == len(shards)


@given(rows=st.lists(st.integers(0, 3000), min_size=1, max_size=12), run_bytes=st.integers(1, 10_000))
def test_runs_hold_every_document_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int], run_bytes: int
) -> None:
    shard = tmp_path_factory.mktemp("shard") / "0.parquet"
    documents = [module("x" * size, f"{number}.py") for number, size in enumerate(rows)]
    with TableWriter(shard, DOCUMENT_SCHEMA) as writer:
        for start in range(0, len(documents), 3):
            writer.write_row_group(document_batch(documents[start : start + 3]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "RUN_BYTES", run_bytes)
        found = runs.cut_into_runs(shard, "digest")
    assert [row for run in found for row in run.read()] == documents
    assert len({run.identity for run in found}) == len(found) and all(run.start < run.stop for run in found)


def test_a_broken_build_goes_on(shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_task_sets(CONFIG, shards, tmp_path / "whole/out", work=tmp_path / "whole/work")
    real, seen = build_module.convert_document, []

    def failing(document: Any, config: Any, passes: Any) -> Any:
        seen.append(document["id"])
        if len(seen) == 6:
            raise KeyboardInterrupt
        return real(document, config, passes)

    monkeypatch.setattr(build_module, "convert_document", failing)
    with pytest.raises(KeyboardInterrupt):
        build_task_sets(CONFIG, shards, tmp_path / "again/out", work=tmp_path / "again/work")
    assert not (tmp_path / "again/out").exists()
    build_task_sets(CONFIG, shards, tmp_path / "again/out", work=tmp_path / "again/work")
    assert len(seen) == 6 + 4, "the first shard is not converted again"
    assert digests(tmp_path / "again/out") == digests(tmp_path / "whole/out")


def test_what_a_document_gives_depends_on_no_other(shards: list[Path], tmp_path: Path) -> None:
    config = ProcessingConfig(multi_turn_share=None, executor=INLINE)
    both = build_task_sets(config, shards, tmp_path / "both", work=tmp_path / "work1")
    alone = build_task_sets(config, shards[:1], tmp_path / "one", work=tmp_path / "work2")
    assert (
        digests(tmp_path / "both")["conversations/00000.parquet"]
        == digests(tmp_path / "one")["conversations/00000.parquet"]
    )
    assert both.documents == alone.documents + 4


def never(program: str, tests: str) -> bool:
    return False


def test_what_cannot_be_done_is_refused(shards: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nobody was given to run the tests"):
        build_task_sets(ProcessingConfig(require_verified_bugs=True), shards, tmp_path / "a", work=tmp_path / "w")
    with pytest.raises(UserError, match="no conversation came out"):
        build_task_sets(ProcessingConfig(licenses=("MIT",)), shards, tmp_path / "a", work=tmp_path / "w")
    with pytest.raises(UserError, match=r"multi_turn_share 0\.25 leaves nothing of"):
        build_task_sets(ProcessingConfig(dialogue=0), shards, tmp_path / "a", work=tmp_path / "w")
    shards[1].write_bytes(b"no parquet")
    with pytest.raises(ArtifactError):
        build_task_sets(CONFIG, shards, tmp_path / "a", work=tmp_path / "w")
    with pytest.raises(ConfigError, match="multi_turn_share"):
        ProcessingConfig.parse({"multi_turn_share": 1.5}, where="processing")
    with pytest.raises(ArtifactError, match="no conversations"):
        list(read_conversations(shards[0]))


def test_only_verified_bugs_if_asked_for(shards: list[Path], tmp_path: Path) -> None:
    config = ProcessingConfig(require_verified_bugs=True, multi_turn_share=None, executor=INLINE)
    stats = build_task_sets(config, shards, tmp_path / "out", work=tmp_path / "work", passes=never)
    assert "bug_fixing" not in stats.kept and stats.kept["completion"] > 0


CLAMP = '''
from math import inf

class Range:
    def clamp(self, value, low=-inf, high=inf):
        """Bring a value between two bounds.

        >>> Range().clamp(12, high=10)
        10
        >>> Range().clamp(-2, low=1)
        1
        >>> Range().clamp(4, 1, 5)
        4
        """
        if value < low:
            return low
        if value > high:
            return high
        return value
'''


def test_bugs_are_verified_in_the_jail(tmp_path: Path) -> None:
    shard = tmp_path / "0.parquet"
    write_parquet([document_batch([module(CLAMP, "clamp.py")])], DOCUMENT_SCHEMA, shard)
    with Sandbox(workers=1) as box:

        def passes(program: str, tests: str) -> bool:
            return box.run(program + "\n" + tests).exit_code == 0

        for seed in range(5):
            config = ProcessingConfig(seed=seed, require_verified_bugs=True, multi_turn_share=None)
            out = tmp_path / str(seed)
            build_task_sets(config, [shard], out, work=tmp_path / f"work{seed}", passes=passes)
            rows = [
                row for row in read_conversations(out / "conversations/00000.parquet") if row[1]["task"] == "bug_fixing"
            ]
            assert len(rows) == 1 and rows[0][1]["metadata"]["verified"] is True
            method = re.findall(r"```python\n(.*?)```", rows[0][0].messages[0].content, re.DOTALL)[0].split("\n", 3)[3]
            broken = "from math import inf\nclass Range:\n" + indent(method, "    ")
            assert not passes(
                broken, "assert [Range().clamp(*a) for a in ((12, 0, 10), (-2, 1), (4, 1, 5))] == [10, 1, 4]"
            )


def test_the_schema_is_what_the_files_have(shards: list[Path], tmp_path: Path) -> None:
    build_task_sets(CONFIG, shards, tmp_path / "out", work=tmp_path / "work")
    for path in (tmp_path / "out/conversations").iterdir():
        assert pq.read_schema(path).equals(CONVERSATION_SCHEMA)


@given(
    single=st.integers(0, 500), multi=st.integers(0, 500), share=st.sampled_from([0.0, 0.25, 0.3, 0.125, 1 / 3, 0.999])
)
def test_shares_are_exact(single: int, multi: int, share: float) -> None:
    a, b = exact_share(single, multi, share)
    assert 0 <= a <= single and 0 <= b <= multi
    fraction = Fraction(share).limit_denominator(1000)
    assert (a + b) * fraction == b
    one_more = fraction.denominator
    assert single - a < one_more - fraction.numerator or multi - b < fraction.numerator
    assert exact_share(single, multi, None) == (single, multi)


@given(sizes=st.lists(st.integers(0, 40), max_size=8), data=st.data())
def test_quotas_add_up_and_none_exceeds_its_shard(sizes: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(sizes)))
    quotas = allocate(total, sizes)
    assert sum(quotas) == total and all(0 <= quota <= size for quota, size in zip(quotas, sizes, strict=True))
    assert all(
        abs(quota * sum(sizes) - total * size) < sum(sizes) for quota, size in zip(quotas, sizes, strict=True) if total
    )
