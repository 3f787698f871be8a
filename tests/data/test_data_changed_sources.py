"""A build sees what has changed in its sources since the one before, and reads that and no more."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_run import digests, write_modules

from better_ai.config import DataConfig, DataRecipe, FolderSource
from better_ai.config.data import (
    ArchiveSource,
    DataSource,
    DocumentationSource,
    GitSource,
    HuggingFaceSource,
    LocalExecutorConfig,
    RecordsSource,
    StackExchangeSource,
    TemplatesSource,
    WarcSource,
)
from better_ai.data import SPLITS, build_corpus, corpus_texts
from better_ai.data.collectors import files, make_collector
from better_ai.pipeline import run_data_recipe
from better_ai.pipeline.data_job import forget_sources

NEW = "def edited(x):\n    return x + 1  # in place, with as many bytes as before\n"
LATER_NS = 10**9


def edit(path: Path, text: str) -> None:
    """Write a file whose time differs from the former, however coarse the clock of the file system is."""
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + LATER_NS, before + LATER_NS))


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty modules, in three parts."""
    monkeypatch.setattr(files, "PART_FILES", 20)
    write_modules(tmp_path / "sources", 60)
    return tmp_path / "sources"


@pytest.fixture
def config(sources: Path) -> DataConfig:
    return DataConfig(
        sources=(FolderSource(path=str(sources), license="MIT"),),
        validation_fraction=0.3,
        executor=LocalExecutorConfig(workers=1),
    )


def test_an_edit_in_place_is_seen_and_only_its_part_is_read_again(
    sources: Path, config: DataConfig, tmp_path: Path
) -> None:
    done: dict[str, list[tuple[int, int]]] = {}

    def build(name: str, work: str = "work") -> None:
        done.clear()
        build_corpus(
            config,
            tmp_path / name,
            work=tmp_path / work,
            on_progress=lambda phase, *counts: done.setdefault(phase, []).append((counts[0], counts[1])),
        )

    build("before")
    assert done["collect"] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    edit(sources / "module_00030.py", NEW)
    build("after")
    assert done["collect"] == [(2, 3), (3, 3)] and done["tag"] == [(2, 3), (3, 3)]
    assert NEW in {text for split in SPLITS for text in corpus_texts(tmp_path / "after", split)}
    build("fresh", "other")
    assert digests(tmp_path / "after") == digests(tmp_path / "fresh")
    edit(sources / "module_00030.py", NEW)
    build("touched")
    assert done["collect"] == [(2, 3), (3, 3)], "its time has changed"
    assert done["tag"] == [(3, 3)], "but what was read has not"
    assert digests(tmp_path / "touched") == digests(tmp_path / "fresh")


def test_a_finished_corpus_is_found_until_its_sources_are_forgotten(
    sources: Path, config: DataConfig, tmp_path: Path
) -> None:
    recipe, runs = DataRecipe(name="corpus", data=config), tmp_path / "runs"
    first = run_data_recipe(recipe, runs)
    edit(sources / "module_00030.py", NEW)
    assert run_data_recipe(recipe, runs) == first
    shards = {path: path.stat().st_mtime_ns for path in (runs / "corpus/.shards").glob("collect-*/*")}
    forget_sources(runs / "corpus")
    assert run_data_recipe(recipe, runs).content_id != first.content_id
    kept = {path: path.stat().st_mtime_ns for path in (runs / "corpus/.shards").glob("collect-*/*")}
    assert len(kept) == len(shards) == 3 and len(kept.items() & shards.items()) == 2


def test_an_interrupted_build_goes_on_with_its_parts_unless_they_are_forgotten(
    sources: Path, config: DataConfig, tmp_path: Path
) -> None:
    recipe, runs = DataRecipe(name="corpus", data=config), tmp_path / "runs"

    def stop(phase: str, *_: object) -> None:
        if phase == "tag":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_corpus(config, tmp_path / "out", work=runs / "corpus/.shards", on_progress=stop)
    edit(sources / "module_00030.py", NEW)
    forget_sources(runs / "corpus")
    run_data_recipe(recipe, runs)
    assert NEW in {text for split in SPLITS for text in corpus_texts(runs / "corpus/data", split)}


def archive(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a.py", text)
    return packed.getvalue()


def lines(text: str) -> bytes:
    return json.dumps({"text": text}).encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "content", "config"),
    [
        ("a.zip", archive, lambda path: ArchiveSource(paths=(path,))),
        ("a.md", str.encode, lambda path: DocumentationSource(path=str(Path(path).parent))),
        ("a.jsonl", lines, lambda path: RecordsSource(path=path, kind="text")),
        ("b.jsonl", lines, lambda path: HuggingFaceSource(id="someone/data", path=path, text="text")),
        ("a.warc", str.encode, lambda path: WarcSource(paths=(path,))),
        ("Posts.xml", lambda text: f"<posts>{text}".encode(), lambda path: StackExchangeSource(path=path)),
        (
            "t.yaml",
            lambda text: f"templates: [{{turns: [{{user: {text}}}, {{assistant: b}}]}}]".encode(),
            lambda path: TemplatesSource(path=path),
        ),
    ],
)
def test_every_source_on_disk_tells_an_edit(
    name: str, content: Callable[[str], bytes], config: Callable[[str], DataSource], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content("before"))
    collector = make_collector(config(str(path)))
    parts = collector.parts()
    assert collector.parts() == parts and len(parts) == 1
    before = path.stat().st_mtime_ns
    path.write_bytes(content("behind"))
    os.utime(path, ns=(before + LATER_NS, before + LATER_NS))
    (edited,) = collector.parts()
    assert edited != parts[0] and (edited.name, edited.payload) == (parts[0].name, parts[0].payload)


def test_repositories_are_read_again_when_owners_ask_for_removal(tmp_path: Path) -> None:
    requests = tmp_path / "requests.txt"
    requests.write_text("# nobody yet\n")
    source = GitSource(repositories=(str(tmp_path / "none"),), removal_requests=str(requests))
    (before,) = make_collector(source).parts()
    requests.write_text("0123456789abcdef0123456789abcdef01234567  # a document\n")
    (after,) = make_collector(source).parts()
    assert before.payload == after.payload and before != after
