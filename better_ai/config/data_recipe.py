"""Data recipes: a corpus of its own, such as `recipes/data/NAME.yaml`."""

from collections.abc import Sequence
from pathlib import Path

from better_ai.config.data import DataConfig
from better_ai.config.reading import RunName, apply_override, read_values
from better_ai.config.schema import Config


class DataRecipe(Config):
    """A name and what to build. In the file, the settings stand beside the name, which may be that of the file."""

    name: RunName
    data: DataConfig = DataConfig()


def load_data_recipe(path: Path | str, overrides: Sequence[str] = ()) -> DataRecipe:
    """Read a data recipe, follow `extends`, apply `key.key=value` overrides. Raises ConfigError."""
    path = Path(path)
    values = read_values(path)
    for override in overrides:
        apply_override(values, override)
    name = values.pop("name", path.stem)
    return DataRecipe.parse({"name": name, "data": DataConfig.parse(values, where=path.name)}, where=path.name)
