"""A build is reproducible to the byte, loses nothing, names what it turns away, and leaks nothing into validation."""

import errno
import inspect
import json
import os
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from collected import collected

from better_ai.config import DataConfig, FolderSource, StdlibSource
from better_ai.config.data import LicenseConfig, LocalExecutorConfig
from better_ai.data import (
    CORPUS_FILE,
    REJECTED_FILE,
    SPLITS,
    TRAIN,
    VALIDATION,
    CorpusStats,
    read_corpus,
    read_documents,
    read_rejected,
)
from better_ai.data import build_corpus as build_in
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.folder import FolderCollector
from better_ai.data.corpus.split import in_validation
from better_ai.data.deduplicate.shingles import jaccard, shingle_set
from better_ai.data.schema import document_id
from better_ai.data.step import Stepped
from better_ai.errors import ArtifactError, UserError

LICENSE = "MIT"


def config(folder: Path, **changes: object) -> DataConfig:
    return DataConfig(
        sources=(FolderSource(path=str(folder), license=LICENSE),),
        validation_fraction=0.3,
        executor=LocalExecutorConfig(workers=1),
    ).model_copy(update=changes)


def build_corpus(config: DataConfig, out: Path) -> CorpusStats:
    """Build with a work folder of its own."""
    return build_in(config, out, work=out.with_name(f"{out.name}-work"))


def read(out: Path, split: str) -> pa.Table:
    return pa.Table.from_batches(read_corpus(out, split))


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Functions of three modules as files, with one near-copy of each, and all that can be wrong with a file."""
    folder = tmp_path / "sources"
    for module in (textwrap, inspect, sysconfig):
        for name, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == module.__name__:
                text = textwrap.dedent(inspect.getsource(value))
                path = folder / module.__name__ / f"{name}.py"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                path.with_name(f"{name}_copy.py").write_text(text.replace("return", "return  ", 1) + "# a copy\n")
    odd = folder / "odd"
    odd.mkdir()
    (odd / "latin.py").write_bytes(
        "s = 'caf\xe9 and many other places to drink coffee in the long afternoon'\n".encode("latin-1")
    )
    (odd / "broken.py").write_text("def f(:\n" + "    # nothing to see here, and nothing follows it either\n" * 2)
    (odd / "short.py").write_text("x = 1\n")
    (odd / "large.py").write_text("y = 0\n" * 100_000)
    (odd / "dangling.py").symlink_to(odd / "nowhere")
    (odd / "ring.py").symlink_to(odd / "ring.py")
    (odd / "loop").symlink_to(folder)
    os.mkfifo(odd / "pipe.py")
    (odd / "folder.py").mkdir()
    (odd / "readme.txt").write_text("no Python")
    (odd / "bom.py").write_text(
        "\ufeff" + "# The byte order mark in front of this line is no part of the code.\nz = 1\n"
    )
    Path(os.fsdecode(os.fsencode(odd) + b"/\xff.py")).write_text(
        "# A file whose name is no UTF-8, which file systems allow.\nname = 1\n"
    )
    return folder


def test_counts_add_up_and_reasons_are_named(sources: Path, tmp_path: Path) -> None:
    stats = build_corpus(config(sources), tmp_path / "out")
    train, validation = (read(tmp_path / "out", split) for split in SPLITS)
    rejected = read_rejected(tmp_path / "out" / REJECTED_FILE).to_pylist()
    files = [path for path in sources.rglob("*.py") if not path.is_dir() or path.is_symlink()]
    assert stats.collected == len(files) == train.num_rows + validation.num_rows + len(rejected)
    assert (stats.train_documents, stats.validation_documents) == (train.num_rows, validation.num_rows)
    assert stats.train_bytes == sum(len(text.encode()) for text in train.column("content").to_pylist())
    assert sum(stats.rejected.values()) == len(rejected) and stats.kept + len(rejected) == stats.collected
    reasons = {Path(row["source"]).name: (row["step"], row["reason"]) for row in rejected}
    expected = {
        "latin.py": ("collect", "not UTF-8 at byte 8"),
        "broken.py": ("syntax", "line 1"),
        "short.py": ("size", "6 bytes"),
        "large.py": ("collect", "600000 bytes, more than 400000"),
        "dangling.py": ("collect", "No such file"),
        "ring.py": ("collect", "symbolic links"),
        "pipe.py": ("collect", "not a regular file"),
    }
    for name, (step, words) in expected.items():
        assert reasons[name][0] == step and words in reasons[name][1]
    for row in rejected:
        assert (row["id"] is None) == (row["step"] == "collect" and "UTF-8" not in row["reason"])
    assert set(stats.rejected) == {"collect", "size", "syntax", "near_duplicates"}


def test_a_folder_that_cannot_be_listed_is_named(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("odd"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    build_corpus(config(sources), tmp_path / "out")
    rejected = read_rejected(tmp_path / "out" / REJECTED_FILE).to_pylist()
    assert rejected[0] == {
        "id": None,
        "source": f"{sources}:odd",
        "step": "collect",
        "reason": "cannot be listed: Permission denied",
    }


def test_documents_carry_their_origin(sources: Path, tmp_path: Path) -> None:
    build_corpus(config(sources), tmp_path / "out")
    rows = [row for split in SPLITS for row in read(tmp_path / "out", split).to_pylist()]
    for row in rows:
        metadata = json.loads(row["metadata"])
        assert row["source"] == f"{sources}:{metadata['path']}"
        assert row["id"] == document_id(row["content"].encode())
        assert (row["license"], row["language"]) == (LICENSE, "python")
        assert 0 <= row["quality_score"] <= 1 and metadata["quality"]
        if "\\xff" in metadata["path"]:
            continue
        raw = (sources / metadata["path"]).read_bytes()
        assert metadata["sha256"] == document_id(raw)
        assert row["content"] == raw.decode().removeprefix("\ufeff")
    assert {"odd/bom.py", "odd/\\xff.py"} <= {json.loads(row["metadata"])["path"] for row in rows}


def test_the_same_input_gives_the_same_bytes(sources: Path, tmp_path: Path) -> None:
    first, second = (build_corpus(config(sources), tmp_path / name) for name in ("a", "b"))
    assert first == second
    for name in (f"{TRAIN}/00000.parquet", f"{VALIDATION}/00000.parquet", REJECTED_FILE, CORPUS_FILE):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_no_twin_of_a_training_document_in_validation(sources: Path, tmp_path: Path) -> None:
    build_corpus(config(sources), tmp_path / "out")
    train, validation = (
        [shingle_set(text.encode(), 5) for text in read(tmp_path / "out", split).column("content").to_pylist()]
        for split in SPLITS
    )
    assert len(validation) > 5
    assert max(jaccard(a, b) for a in train for b in validation) < 0.7


def test_a_document_stays_on_its_side_when_others_come(sources: Path, tmp_path: Path) -> None:
    build_corpus(config(sources), tmp_path / "before")
    (sources / "new.py").write_text('"""Something that was not there before."""\n\nanswer = 42\nquestion = None\n')
    build_corpus(config(sources), tmp_path / "after")
    sides = [
        {id: split for split in SPLITS for id in read(tmp_path / run, split).column("id").to_pylist()}
        for run in ("before", "after")
    ]
    assert len(sides[1]) == len(sides[0]) + 1
    assert sides[0].items() <= sides[1].items()


def test_max_documents_keeps_the_first_by_path(sources: Path, tmp_path: Path) -> None:
    stats = build_corpus(config(sources, max_documents=70), tmp_path / "out")
    whole = build_corpus(config(sources), tmp_path / "whole")
    assert stats.collected < whole.collected
    kept = [path for split in SPLITS for path in read(tmp_path / "out", split).column("source").to_pylist()]
    first = sorted(str(path.relative_to(sources)) for path in sources.rglob("*.py"))[:71]
    assert {path.split(":", 1)[1] for path in kept} <= set(first)


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_a_source_without_files_is_refused(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / kind
    if kind == "empty":
        folder.mkdir()
    if kind == "file":
        folder.write_text("x = 1\n")
    with pytest.raises(UserError, match=str(folder)):
        build_corpus(config(folder), tmp_path / "out")


def test_too_little_left_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "one.py").write_text("# One file is not enough to train on and to validate with.\nx = 1\n")
    with pytest.raises(UserError, match="1 documents are left"):
        build_corpus(config(folder), tmp_path / "out")
    with pytest.raises(UserError, match="0 documents are left"):
        build_corpus(config(folder, steps=(LicenseConfig(allowed=("PSF-2.0",)),)), tmp_path / "out")
    assert read_rejected(tmp_path / "out" / REJECTED_FILE).column("reason").to_pylist() == [
        "licence MIT is not allowed"
    ]


def test_split_gives_validation_its_share() -> None:
    ids = [document_id(str(number).encode()) for number in range(4000)]
    chosen = in_validation(ids, 0.05)
    assert 150 < chosen.sum() < 250
    assert not (chosen & ~in_validation(ids, 0.06)).any(), "a larger share takes none back"


def test_one_document_at_least_is_for_validation_and_one_for_training(sources: Path, tmp_path: Path) -> None:
    stats = build_corpus(config(sources, validation_fraction=1e-9), tmp_path / "low")
    assert stats.validation_documents == 1
    ids = {split: read(tmp_path / "low", split).column("id").to_pylist() for split in SPLITS}
    assert ids[VALIDATION] == [min(ids[TRAIN] + ids[VALIDATION])]
    with pytest.raises(UserError, match=f"all {stats.kept} documents fall to validation"):
        build_corpus(config(sources, validation_fraction=1 - 1e-9), tmp_path / "high")


def test_the_standard_library_without_packages_and_tests() -> None:
    plain, tested = (collected(StdlibSource(include_tests=tests), 20_000)[0] for tests in (False, True))
    sources = [row["source"] for row in plain]
    assert sources == sorted(sources) and "python-stdlib:json/decoder.py" in sources
    assert not [source for source in sources if "site-packages" in source or "/test/" in source]
    assert {row["license"] for row in plain} == {"PSF-2.0"}
    assert {row["source"] for row in tested} > set(sources)
    evidence = json.loads(plain[0]["metadata"])
    assert evidence["revision"].startswith(("CPython", "PyPy")) and "PSF" in evidence["license_evidence"]


def test_foreign_and_damaged_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "documents.parquet"
    with pytest.raises(ArtifactError, match="cannot read"):
        read_documents(path)
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(ArtifactError, match="cannot read"):
        read_documents(path)
    pq.write_table(pa.table({"id": ["x"], "text": ["y"]}), path)
    with pytest.raises(ArtifactError, match=r"has the columns id: string, text: string; expected id: string, content"):
        read_documents(path)


def test_an_error_nobody_foresaw_costs_its_source_and_not_the_build(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = FolderCollector.read

    def read_and_fail(self: FolderCollector, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        yield from real(self, part, max_document_bytes=max_document_bytes)
        if "broken" in self.config.path:
            raise ZeroDivisionError("a parser's own mistake")

    monkeypatch.setattr(FolderCollector, "read", read_and_fail)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "x.py").write_text("value_of_the_last_file = 'long enough to be a document of its own, by far'\n")
    both = config(sources).model_copy(
        update={"sources": (*config(sources).sources, FolderSource(path=str(broken), license=LICENSE))}
    )
    stats = build_corpus(both, tmp_path / "out")
    assert [problem for problem in stats.problems if "ZeroDivisionError: a parser's own mistake" in problem]
    texts = [text for split in SPLITS for text in read(tmp_path / "out", split)["content"].to_pylist()]
    assert any("value_of_the_last_file" in text for text in texts), "what came before the error stays"
    reasons = read_rejected(tmp_path / "out" / REJECTED_FILE).column("reason").to_pylist()
    assert sum("ZeroDivisionError" in reason for reason in reasons) == 1
