"""Recipes: inheritance, overrides, presets, and the mistakes people make in YAML."""

from pathlib import Path

import pytest

from better_ai.config import load_recipe, model_preset
from better_ai.errors import ConfigError


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text("name: base\ntokenizer: {vocab_size: 4096}\npretrain: {model: quickstart, seq_len: 128}\n")
    return path


def test_a_preset_may_be_named_or_changed(recipe: Path) -> None:
    assert load_recipe(recipe).pretrain.model == model_preset("quickstart")
    child = recipe.with_name("child.yaml")
    child.write_text("extends: base.yaml\npretrain: {model: {preset: quickstart, num_layers: 2}}\n")
    assert load_recipe(child).pretrain.model == model_preset("quickstart").model_copy(update={"num_layers": 2})


def test_a_child_overrides_its_parent_key_by_key(recipe: Path) -> None:
    child = recipe.with_name("child.yaml")
    child.write_text("extends: base.yaml\nname: child\npretrain: {train: {max_steps: 7}}\n")
    loaded = load_recipe(child)
    assert (loaded.name, loaded.pretrain.seq_len, loaded.pretrain.train.max_steps) == ("child", 128, 7)


def test_overrides_reach_every_depth_and_read_numbers_as_people_write_them(recipe: Path) -> None:
    loaded = load_recipe(recipe, ["pretrain.train.learning_rate=3e-4", "rl.sampling.top_k=5", "name=other"])
    assert loaded.pretrain.train.learning_rate == 3e-4
    assert (loaded.rl.sampling.top_k, loaded.name) == (5, "other")


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        ("name: [", [], "is not valid YAML"),
        ("- a\n- b", [], "expected keys and values"),
        ("extends: base.yaml", ["nonsense"], "expected key.key=value"),
        ("extends: base.yaml", ["name.deep=1"], "holds a value, not a section"),
        ("extends: base.yaml", ["pretrain.model=quickstrat"], "did you mean 'quickstart'?"),
        ("extends: missing.yaml", [], "missing.yaml: No such file"),
        ("extends: broken.yaml", [], "extends itself"),
        ("extends: 3", [], "extends must name one file"),
    ],
)
def test_what_cannot_be_read_is_named(recipe: Path, text: str, overrides: list[str], said: str) -> None:
    path = recipe.with_name("broken.yaml")
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_recipe(path, overrides)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_shipped_recipes_load() -> None:
    recipes = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
    assert recipes
    for path in recipes:
        load_recipe(path)
