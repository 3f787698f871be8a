"""After a takedown no copy is left, a rebuild does not bring the documents back, and descendants are named."""

from pathlib import Path

import pytest

from better_ai.artifacts import Manifest, StageFolder, lineage
from better_ai.config import DataConfig, DataRecipe
from better_ai.config.data import FolderSource, LocalExecutorConfig
from better_ai.data import REJECTED_FILE, SPLITS, corpus_texts, read_rejected
from better_ai.data.takedown import Pattern, Takedown
from better_ai.errors import UserError
from better_ai.pipeline.data_job import run_data_recipe
from better_ai.pipeline.takedown import take_down

SECRET = "the one that has to go"


def recipe(folder: Path) -> DataRecipe:
    return DataRecipe(
        name="corpus",
        data=DataConfig(
            sources=(FolderSource(path=str(folder), license="MIT"),),
            validation_fraction=0.3,
            shard_bytes=400,
            executor=LocalExecutorConfig(workers=1),
        ),
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    sources = tmp_path / "sources"
    for number in range(20):
        path = sources / f"{'mine' if number % 4 else 'theirs'}" / f"file_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        names = " + ".join(f"name_{number}_{other}" for other in range(6))
        path.write_text(
            f'"""Module {number}, {SECRET if number == 4 else "harmless"}."""\n\nvalue_{number} = {names}\n'
        )
    (sources / "mine" / "copy_of_4.py").write_text((sources / "theirs" / "file_4.py").read_text() + "\n\n")
    run_data_recipe(recipe(sources), tmp_path / "runs")
    return tmp_path / "runs" / "corpus"


def everything(run: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file())


def texts(run: Path) -> list[str]:
    return [text for split in SPLITS for text in corpus_texts(run / "data", split)]


def test_documents_go_everywhere_and_do_not_come_back(run: Path, tmp_path: Path) -> None:
    before = Manifest.read(run / "data")
    kept = texts(run)
    assert sum(SECRET in text for text in kept) == 1, "the copy went as a duplicate"
    pretrain = StageFolder(run, "pretrain", kind="pretrain", config={}, inputs={"data": before.content_id})
    (pretrain.begin() / "weights").write_text("w")
    pretrain.finish(products=["weights"], metrics={})

    source = next(text for text in kept if SECRET in text)
    taken = [text for text in kept if "value_" in text and int(text.split("value_")[1].split(" ")[0]) % 4 == 0]
    assert source in taken and len(taken) == 5
    done = take_down(run, Takedown((Pattern("path", "theirs/*"), Pattern("path", "mine/copy_of_4.py"))), run.parent)
    assert sum(done.documents.values()) == 5
    assert [folder.name for folder, _ in done.stale] == ["pretrain"]
    assert texts(run) == [text for text in kept if text not in taken]
    assert not (run / ".shards").exists() and not list((run / ".replaced").glob("data-*"))
    assert list((run / ".replaced").glob("*")) == []

    after = Manifest.read(run / "data")
    assert after.content_id != before.content_id
    corpus = after.metrics["corpus"]
    assert corpus["kept"] == len(kept) - 5 and corpus["rejected"]["takedown"] == 5
    assert corpus["collected"] == corpus["kept"] + sum(corpus["rejected"].values())
    assert read_rejected(run / "data" / REJECTED_FILE).num_rows == sum(corpus["rejected"].values())

    again = run_data_recipe(recipe(tmp_path / "sources"), run.parent)
    assert again.content_id == after.content_id, "the corpus as it is now is what the recipe asks for"
    (run / "data" / "manifest.json").unlink()
    rebuilt = run_data_recipe(recipe(tmp_path / "sources"), run.parent)
    assert sorted(texts(run)) == sorted(text for text in kept if text not in taken)
    assert rebuilt.metrics["corpus"]["rejected"] == corpus["rejected"]


def test_a_second_takedown_still_names_what_the_first_corpus_became(run: Path) -> None:
    first = Manifest.read(run / "data").content_id
    other = StageFolder(run.parent / "other", "tokenizer", kind="tokenizer", config={}, inputs={"data": first})
    (other.begin() / "model").write_text("m")
    other.finish(products=["model"], metrics={})
    for number in (1, 2):
        done = take_down(run, Takedown((Pattern("path", f"mine/file_{number}.py"),)), run.parent)
        assert [folder for folder, _ in done.stale] == [run.parent / "other" / "tokenizer"]
    assert [node.name for node in lineage(run)] == ["data"]


def test_what_names_nothing_or_everything_changes_nothing(run: Path) -> None:
    before = everything(run)
    with pytest.raises(UserError, match="no document of"):
        take_down(run, Takedown((Pattern("source", "nobody/*"),)), run.parent)
    assert everything(run) == before
    with pytest.raises(UserError, match="nothing would be left"):
        take_down(run, Takedown((Pattern("language", "python"),)), run.parent)
    assert Manifest.read(run / "data").metrics["corpus"]["kept"] == len(texts(run)) > 0


def test_an_interrupted_takedown_is_finished_by_the_same_command(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Takedown((Pattern("path", "mine/file_1.py"),))

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StageFolder, "finish", fail)
        with pytest.raises(KeyboardInterrupt):
            take_down(run, request, run.parent)
    assert any("value_1 " in text for text in texts(run))
    left = [path for path in run.glob(".partial/data-*/**/*") if path.is_file()]
    assert len(left) > 4
    for path in left:
        path.unlink()
        path.write_bytes(b"half of a copy")
    assert sum(take_down(run, request, run.parent).documents.values()) == 1
    assert not any("value_1 " in text for text in texts(run)) and b"value_1 " not in everything(run)
    Manifest.read(run / "data").verify(run / "data")
    assert b"half of a copy" not in everything(run)
