"""Reading a recipe: YAML files that extend each other, and dotted overrides."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from better_ai.errors import ConfigError

RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""Names a run's folder."""


def read_values(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The keys and values of a file upon those of the one it `extends`. Raises ConfigError.

    `seen`: the files that have led here.
    """
    if path.resolve() in seen:
        raise ConfigError(f"{path} extends itself, through {' -> '.join(str(p) for p in seen)}; break the circle")
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the recipe {path}: {error.strerror}; check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {type(values).__name__}, expected keys and values such as `name: my-run`")
    parent = values.pop("extends", None)
    if parent is None:
        return values
    if not isinstance(parent, str):
        raise ConfigError(f"{path}: extends must name one file, found {parent!r}")
    return _merge(read_values(path.parent / parent, (*seen, path.resolve())), values)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def apply_override(values: dict[str, Any], text: str) -> None:
    """Change one value in place, by a text such as `a.b.c=value`. Raises ConfigError."""
    dotted, equals, raw = text.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(
            f"cannot read the override {text!r}: expected key.key=value, such as pretrain.train.max_steps=100"
        )
    at = values
    for key in keys[:-1]:
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            raise ConfigError(f"cannot apply {text!r}: {key!r} holds a value, not a section")
    at[keys[-1]] = _scalar(raw)


def _scalar(raw: str) -> Any:
    """YAML's reading of one value, with 3e-4 a number (YAML 1.1 takes it for text)."""
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise ConfigError(f"cannot read the value {raw!r}: {' '.join(str(error).split())}") from None
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
