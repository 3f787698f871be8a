"""Data recipes: settings beside a name; who executes a build is no part of what identifies it."""

from pathlib import Path

import pytest

from better_ai.config import DataConfig, load_data_recipe
from better_ai.config.data import LocalExecutorConfig, RayExecutorConfig
from better_ai.errors import ConfigError


def test_settings_stand_beside_the_name(tmp_path: Path) -> None:
    parent, child = tmp_path / "parent.yaml", tmp_path / "child.yaml"
    parent.write_text("name: parent\nsources: [{type: stdlib}]\nshuffle: true\n")
    child.write_text("extends: parent.yaml\nname: child\nvalidation_fraction: 0.2\n")
    recipe = load_data_recipe(child, ["seed=3", "deduplicate.threshold=0.8"])
    assert recipe.name == "child"
    assert (recipe.data.shuffle, recipe.data.seed, recipe.data.validation_fraction) == (True, 3, 0.2)
    assert recipe.data.deduplicate.threshold == 0.8


def test_a_recipe_without_a_name_has_that_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "machine.yaml").write_text("shuffle: true\n")
    assert load_data_recipe(tmp_path / "machine.yaml").name == "machine"


def test_who_executes_is_no_part_of_what_identifies_a_corpus(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: corpus\n")
    plain = load_data_recipe(path)
    on_ray = load_data_recipe(path, ["executor.type=ray", "executor.workers=3"])
    assert on_ray.data.executor == RayExecutorConfig(workers=3)
    assert load_data_recipe(path, ["executor.workers=3"]).data.executor == LocalExecutorConfig(workers=3)
    assert plain.identity() == on_ray.identity() and plain.data.identity() == on_ray.data.identity()
    assert plain.data.model_dump(mode="json")["executor"] == {"type": "local", "workers": 0}
    assert DataConfig.model_validate(on_ray.data.model_dump(mode="json")) == on_ray.data
    assert plain.identity() != load_data_recipe(path, ["shard_bytes=1000"]).identity()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nshufle: true\n", "did you mean 'shuffle'"),
        ("name: ../x\n", "name: String should match pattern"),
        ("name: x\nexecutor: {type: spark}\n", "executor: Input tag 'spark'"),
    ],
)
def test_what_cannot_work_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_data_recipe(path)
