"""A corpus from a data recipe is a stage like any other: found when finished, with lineage and a manifest."""

import hashlib
from pathlib import Path

import pytest

from better_ai.artifacts import Manifest, lineage
from better_ai.config import DataRecipe, load_data_recipe
from better_ai.config.data import LocalExecutorConfig
from better_ai.data import SPLITS, corpus_files
from better_ai.pipeline import run_data_recipe
from better_ai.pipeline.stage import Silent


class Counting(Silent):
    """Counts the shards that phases have done."""

    def __init__(self) -> None:
        self.updates = 0

    def update(self, completed: float, total: float, **fields: str) -> None:
        self.updates += 1


@pytest.fixture
def recipe(tmp_path: Path) -> DataRecipe:
    path = tmp_path / "corpus.yaml"
    path.write_text("name: corpus\nsources: [{type: stdlib}]\nmax_documents: 30\nexecutor: {type: local, workers: 1}\n")
    return load_data_recipe(path)


def test_a_corpus_is_built_once_and_found_again(recipe: DataRecipe, tmp_path: Path) -> None:
    first, again = Counting(), Counting()
    manifest = run_data_recipe(recipe, tmp_path / "runs", progress=first)
    folder = tmp_path / "runs/corpus/data"
    assert manifest == Manifest.read(folder) and first.updates > 10
    products = {name for name, record in manifest.files.items() if record.product}
    shards = {path.relative_to(folder).as_posix() for split in SPLITS for path in corpus_files(folder, split)}
    assert products == {*shards, "rejected.parquet", "corpus.json"}
    for name in products:
        assert manifest.files[name].sha256 == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    assert "timings.json" in manifest.files
    assert [node.name for node in lineage(tmp_path / "runs/corpus")] == ["data"]

    with_two = recipe.data.model_copy(update={"executor": LocalExecutorConfig(workers=2)})
    assert run_data_recipe(DataRecipe(name=recipe.name, data=with_two), tmp_path / "runs", progress=again) == manifest
    assert again.updates == 0
