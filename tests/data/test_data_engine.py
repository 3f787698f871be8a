"""Phases do what is missing and no more; executors survive their workers; faults end in one clear error."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_run import digests, run_build, write_modules

from better_ai.artifacts import read_json
from better_ai.config import DataConfig, FolderSource
from better_ai.config.data import (
    CleaningConfig,
    DeduplicationConfig,
    LicenseConfig,
    LocalExecutorConfig,
    QualityConfig,
    SizeConfig,
    SyntaxConfig,
)
from better_ai.data import (
    CORPUS_FILE,
    DOCUMENT_SCHEMA,
    SPLITS,
    TRAIN,
    VALIDATION,
    build_corpus,
    corpus_files,
    read_corpus,
    read_rejected,
)
from better_ai.data.collectors import COLLECTORS, Part, files
from better_ai.data.collectors.folder import FolderCollector
from better_ai.data.corpus.report import reason_class
from better_ai.data.deduplicate import INDEX_FOLDER
from better_ai.data.engine import LocalExecutor, Phases
from better_ai.data.step import Step, Stepped, rejected_batch
from better_ai.data.steps import STEPS
from better_ai.data.tables import ROW_GROUP_BYTES, ROW_GROUP_ROWS, TableWriter, read_batches
from better_ai.errors import ArtifactError, BetterAIError, UserError
from better_ai.extras import MissingExtra


def config(*folders: Path, **changes: object) -> DataConfig:
    return DataConfig(
        sources=tuple(FolderSource(path=str(folder), license="MIT") for folder in folders),
        executor=LocalExecutorConfig(workers=1),
    ).model_copy(update=changes)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ninety modules, in three parts."""
    monkeypatch.setattr(files, "PART_FILES", 30)
    write_modules(tmp_path / "sources", 90)
    return tmp_path / "sources"


# Executors


def square(number: int) -> int:
    return number * number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise UserError("three is not served")
    return number


def die_once(folder: Path, number: int) -> int:
    """The process that is given item 2 first is killed; the next one lives."""
    if number == 2 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die_always(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_worker_that_dies_is_replaced_and_its_item_done_again(tmp_path: Path) -> None:
    with LocalExecutor(2) as executor:
        assert sorted(executor.map(partial(die_once, tmp_path), range(6))) == [(n, n * n) for n in range(6)]
        assert (tmp_path / "died").exists()
        assert sorted(executor.map(square, range(4))) == [(n, n * n) for n in range(4)]
        with pytest.raises(UserError, match="three is not served") as raised:
            list(executor.map(fail_at_three, range(6)))
        assert "fail_at_three" in "".join(raised.value.__notes__), "the worker's traceback comes along"
        with pytest.raises(BetterAIError, match=r"item 2 of 3 has ended its worker process 3 times \(signal 9\)"):
            list(executor.map(die_always, range(3)))
    assert not multiprocessing.active_children()


def pandas_imported(number: int) -> tuple[bool, list[int]]:
    """Whether a worker's first array imports pandas, and what a frame holds all the same."""
    table = pa.table({"numbers": pa.array([number])})
    return "pandas" in sys.modules, table.to_pandas()["numbers"].tolist()


def test_workers_begin_without_pandas_and_may_use_it() -> None:
    pytest.importorskip("pandas")
    with LocalExecutor(2) as executor:
        found = dict(executor.map(pandas_imported, range(2)))
    assert found == {0: (False, [0]), 1: (False, [1])}


ORPHANS = """
import os, sys, time
from better_ai.data.engine import LocalExecutor

def work(number):
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    with LocalExecutor(2) as executor:
        list(executor.map(work, range(2)))
"""


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
        parent.kill()
        gone, alive = psutil.wait_procs(workers, timeout=30)
    assert len(gone) == 2 and not alive


# Phases


def test_a_phase_computes_what_is_missing_and_nothing_else(tmp_path: Path) -> None:
    calls: list[str] = []

    def task(item: str, folder: Path) -> Mapping[str, Any]:
        calls.append(item)
        (folder / "text").write_text(item * 3)
        return {"letters": len(item)}

    def run(items: str, identities: str, **key: int) -> list[str]:
        results = phases.run("triple", task, list(items), key=key, identities=list(identities))
        return [(result.folder / "text").read_text() for result in results]

    phases = Phases(tmp_path)
    assert run("abca", "1231", version=1) == ["aaa", "bbb", "ccc", "aaa"], "equal identities share a folder"
    assert run("cdb", "342", version=1) == ["ccc", "ddd", "bbb"]
    assert calls == ["a", "b", "c", "d"]
    assert run("a", "1", version=2) == ["aaa"] and calls[4:] == ["a"]

    later = Phases(tmp_path)
    later.run("triple", task, ["b"], key={"version": 1}, identities=["2"])
    later.prune()
    assert len(list(tmp_path.rglob("text"))) == 1 and calls[5:] == []


def test_the_time_of_a_phase_is_that_of_the_programs_it_runs_too(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"

    def task(item: str, folder: Path) -> Mapping[str, int]:
        subprocess.run([sys.executable, "-c", burn], check=True)
        return {}

    phases = Phases(tmp_path)
    phases.run("burn", task, ["item"], key={})
    assert phases.cpu_seconds["burn"] >= 0.28


def test_row_groups_depend_on_the_rows_alone(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sizes = [*random.integers(0, 60, 2500).tolist(), ROW_GROUP_BYTES, 5, ROW_GROUP_BYTES // 2, ROW_GROUP_BYTES // 2, 7]
    schema = pa.schema([pa.field("content", pa.string())])
    batch = pa.RecordBatch.from_arrays([pa.array(["x" * size for size in sizes])], schema=schema)
    for name, step in (("whole", len(sizes)), ("ones", 1), ("sevens", 7)):
        with TableWriter(tmp_path / name, schema) as writer:
            for start in range(0, len(sizes), step):
                writer.write(batch.slice(start, step))
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "ones").read_bytes() == (tmp_path / "sevens").read_bytes()
    groups = [part.column("content").to_pylist() for part in read_batches(tmp_path / "whole", schema)]
    assert [len(text) for group in groups for text in group] == sizes
    assert [len(group) for group in groups] == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 501, 3, 1]


# Builds


@pytest.fixture
def tagged(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many documents each step has tagged since."""
    counts: dict[str, int] = {}

    def counting(make: Any, step_config: Any) -> Step:
        step = make(step_config)
        if step.tag is None:
            return step

        def tag(batch: pa.RecordBatch) -> pa.RecordBatch:
            counts[step.name] = counts.get(step.name, 0) + batch.num_rows
            return step.tag(batch)

        return Step(step.name, step.judge, tag, step.tag_schema, step.tag_key)

    for kind, make in list(STEPS.items()):
        monkeypatch.setitem(STEPS, kind, partial(counting, make))
    return counts


def test_a_changed_policy_runs_no_tagger(sources: Path, tmp_path: Path, tagged: dict[str, int]) -> None:
    work = tmp_path / "work"
    before = build_corpus(config(sources), tmp_path / "before", work=work)
    assert tagged["syntax"] == tagged["quality"] == 90
    tagged.clear()
    middle = sorted(path.stat().st_size for path in sources.iterdir())[45]
    licenses, sizes = LicenseConfig(allowed=("MIT", "ISC")), SizeConfig(min_bytes=middle)
    steps = (licenses, sizes, SyntaxConfig(), QualityConfig(min_score=0.5))
    changed = config(sources, steps=steps, validation_fraction=0.2, shuffle=True)
    after = build_corpus(changed, tmp_path / "after", work=work)
    assert tagged == {}
    assert before.collected == after.collected == 90 and before.rejected != after.rejected
    fresh = build_corpus(changed, tmp_path / "fresh", work=tmp_path / "other")
    assert fresh == after and digests(tmp_path / "fresh") == digests(tmp_path / "after")


def test_a_new_part_is_tagged_alone_and_old_work_goes(sources: Path, tmp_path: Path, tagged: dict[str, int]) -> None:
    work = tmp_path / "work"
    build_corpus(config(sources), tmp_path / "before", work=work)
    folders = len(list(work.glob("tag-*/*")))
    tagged.clear()
    write_modules(tmp_path / "more", 25, start=500)
    build_corpus(config(sources, tmp_path / "more"), tmp_path / "after", work=work)
    assert set(tagged.values()) == {25}
    assert len(list(work.glob("tag-*/*"))) > folders
    build_corpus(config(sources), tmp_path / "again", work=work)
    assert len(list(work.glob("tag-*/*"))) == folders
    assert digests(tmp_path / "again") == digests(tmp_path / "before")


def test_new_files_are_found_and_a_source_named_twice_gives_nothing_twice(sources: Path, tmp_path: Path) -> None:
    before = build_corpus(config(sources), tmp_path / "before", work=tmp_path / "work")
    write_modules(sources, 10, start=300)
    after = build_corpus(config(sources), tmp_path / "after", work=tmp_path / "work")
    assert (before.collected, after.collected) == (90, 100)
    twice = build_corpus(config(sources, sources), tmp_path / "twice", work=tmp_path / "work")
    assert twice.collected == 200 and twice.kept == after.kept
    assert twice.rejected["exact_duplicates"] == 100 + 2 * after.rejected.get("exact_duplicates", 0)


def test_order_and_sizes_of_the_files(sources: Path, tmp_path: Path) -> None:
    build_corpus(config(sources, shard_bytes=10_000), tmp_path / "plain", work=tmp_path / "work")
    documents = pa.Table.from_batches(read_corpus(tmp_path / "plain", TRAIN))
    paths = documents.column("source").to_pylist()
    assert paths == sorted(paths) and len(corpus_files(tmp_path / "plain", TRAIN)) > 2

    def shuffled(seed: int, size: int) -> list[str]:
        out = tmp_path / f"{seed}-{size}"
        build_corpus(config(sources, shuffle=True, seed=seed, shard_bytes=size), out, work=tmp_path / "work")
        table = pa.Table.from_batches(read_corpus(out, TRAIN))
        assert table.sort_by("source").equals(documents.sort_by("source"))
        assert (len(corpus_files(out, TRAIN)) > 2) == (size == 10_000)
        return table.column("source").to_pylist()

    order = shuffled(0, 10_000)
    assert order == shuffled(0, 7_000_000), "the number of files has no bearing on a random order"
    assert order != shuffled(1, 10_000)
    assert abs(np.corrcoef([paths.index(path) for path in order], range(len(order)))[0, 1]) < 0.3


def test_the_record_adds_up(sources: Path, tmp_path: Path) -> None:
    (sources / "broken.py").write_text("def f(:\n" + "    # nothing follows it, and nothing can be made of it\n" * 2)
    stats = build_corpus(config(sources), tmp_path / "out", work=tmp_path / "work")
    record = read_json(tmp_path / "out" / CORPUS_FILE)
    documents = [record["splits"][split]["documents"] for split in SPLITS]
    assert documents == [stats.train_documents, stats.validation_documents]
    for split in SPLITS:
        batches = list(read_corpus(tmp_path / "out", split))
        assert record["splits"][split]["languages"]["python"]["bytes"] == sum(
            len(text.encode()) for batch in batches for text in batch.column("content").to_pylist()
        )
    rejected = read_rejected(tmp_path / "out/rejected.parquet")
    assert {step: sum(classes.values()) for step, classes in record["rejected"].items()} == stats.rejected
    assert sum(stats.rejected.values()) == rejected.num_rows == stats.collected - stats.kept
    assert record["steps"][0]["rows"] == record["sources"][0]["collected"] == 91
    assert record["steps"][2] == {"type": "syntax", "rows": 91, "rejected": 1}
    assert "executor" not in record["config"]


def test_documents_are_cleaned_before_anything_is_judged(sources: Path, tmp_path: Path) -> None:
    (sources / "control.py").write_text(
        '"""A module with a character that no source needs, in a string."""\n\nx = "\x01"\n'
    )
    settings = config(sources, cleaning=CleaningConfig(control_characters="reject"))
    stats = build_corpus(settings, tmp_path / "out", work=tmp_path / "work")
    assert stats.collected == 91 and stats.rejected["clean"] == 1
    assert build_corpus(config(sources), tmp_path / "kept", work=tmp_path / "work").rejected.get("clean") is None


def test_documents_of_an_earlier_build_are_not_taken_again(sources: Path, tmp_path: Path) -> None:
    first = build_corpus(config(sources, write_index=True), tmp_path / "first", work=tmp_path / "work")
    index = tmp_path / "first" / INDEX_FOLDER
    assert index.is_dir()
    write_modules(tmp_path / "more", 12, start=500)
    against = DeduplicationConfig(against=(str(index),))
    later = config(sources, tmp_path / "more", deduplicate=against)
    stats = build_corpus(later, tmp_path / "later", work=tmp_path / "later-work")
    fresh = build_corpus(config(tmp_path / "more"), tmp_path / "fresh", work=tmp_path / "fresh-work")
    assert stats.collected == 102 and stats.kept == fresh.kept
    assert first.kept > 60


def test_classes_of_reasons() -> None:
    assert reason_class("similarity 0.812 to python-stdlib:a/b.py") == "similarity # to ..."
    assert reason_class("line 12: unexpected 'foo'") == "line #: unexpected '...'"
    assert reason_class("licence GPL-3.0-only is not allowed") == "licence GPL-3.0-only is not allowed"


class Unruly(FolderCollector):
    """A collector that fails in the way its folder is named."""

    def parts(self) -> list[Part]:
        kind = Path(self.config.path).name
        if kind == "unlisted":
            raise ConnectionError("no route to host")
        if kind == "missing-package":
            raise MissingExtra("this needs the package nowhere")
        return super().parts()

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        kind = Path(self.config.path).name
        for stepped in super().read(part, max_document_bytes=max_document_bytes):
            if kind == "foreign":
                yield Stepped(stepped.kept.drop_columns(["license"]), stepped.rejected)
            yield stepped
            if kind == "lost":
                raise TimeoutError("timed out after 30 s")
            if kind == "parquet":
                pq.read_table(pa.py_buffer(b"PAR1 no more"))


def test_dead_sources_are_named_and_the_build_goes_on(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ("unlisted", "foreign", "lost", "parquet")
    for number, kind in enumerate(kinds):
        write_modules(tmp_path / kind, 10, start=1000 + 100 * number)
    settings = config(sources, *(tmp_path / kind for kind in kinds), tmp_path / "nowhere")
    with monkeypatch.context() as patched:
        patched.setitem(COLLECTORS, FolderSource, Unruly)
        stats = build_corpus(settings, tmp_path / "out", work=tmp_path / "work")
        with pytest.raises(UserError, match=r"0 documents are left.*no route to host"):
            build_corpus(config(tmp_path / "unlisted"), tmp_path / "none", work=tmp_path / "none-work")
        with pytest.raises(MissingExtra):
            build_corpus(config(sources, tmp_path / "missing-package"), tmp_path / "x", work=tmp_path / "x-work")
    problems = [source["problems"] for source in read_json(tmp_path / "out" / CORPUS_FILE)["sources"]]
    assert problems[0] == []
    for found, said in zip(problems[1:], ("no route", "expected id", "timed out", "Parquet", "nowhere"), strict=True):
        assert len(found) == 1 and said in found[0]
    rejected = read_rejected(tmp_path / "out/rejected.parquet").to_pylist()
    assert sum(row["step"] == "collect" for row in rejected) == 5
    assert stats.collected == 90 + 5 + 10 + 10, "what a source gave before it failed stays"
    # The next build tries again what failed, and only that.
    again = build_corpus(settings, tmp_path / "again", work=tmp_path / "work")
    assert again.collected == 90 + 40 + 1


def test_a_step_that_loses_rows_is_caught(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        return Stepped(batch.slice(1), rejected_batch([]))

    monkeypatch.setitem(STEPS, SizeConfig, lambda config: Step("size", judge))
    with pytest.raises(ArtifactError, match=r"phase judge \(size\) got 30 rows of files-00000, kept 29 and rejected 0"):
        build_corpus(config(sources), tmp_path / "out", work=tmp_path / "work")


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_half_written(sources: Path, tmp_path: Path) -> None:
    settings = config(sources)
    whole = run_build(settings, tmp_path / "whole", tmp_path / "whole-work")
    assert whole.returncode == 0, whole.stderr
    largest = max(path.stat().st_size for path in (tmp_path / "whole").rglob("*") if path.is_file())
    for limit in (1000, largest - 1):
        full = run_build(settings, tmp_path / "out", tmp_path / "work", file_bytes=limit)
        assert full.returncode == 1
        assert "ArtifactError: cannot write" in full.stderr and "File too large; free space" in full.stderr
    for path in (tmp_path / "work").rglob("*.parquet"):
        pq.read_metadata(path)
    assert not list(tmp_path.rglob(".*.tmp"))
    finished = run_build(settings, tmp_path / "out", tmp_path / "work")
    assert finished.returncode == 0, finished.stderr
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


@pytest.mark.parametrize("place", ["out", "work"])
def test_a_folder_that_cannot_be_written_is_named(place: str, sources: Path, tmp_path: Path) -> None:
    (tmp_path / place).write_text("a file where a folder should be")
    with pytest.raises(ArtifactError, match=f"cannot write .*{place}"):
        build_corpus(config(sources), tmp_path / "out", work=tmp_path / "work")


def test_documents_keep_their_schema(sources: Path, tmp_path: Path) -> None:
    build_corpus(config(sources), tmp_path / "out", work=tmp_path / "work")
    for split in (TRAIN, VALIDATION):
        for path in corpus_files(tmp_path / "out", split):
            assert pq.read_schema(path).equals(DOCUMENT_SCHEMA)
    with pytest.raises(UserError, match="there is no split 'test'; the splits are train, validation"):
        corpus_files(tmp_path / "out", "test")
    with pytest.raises(ArtifactError, match="holds no documents"):
        corpus_files(tmp_path, TRAIN)
