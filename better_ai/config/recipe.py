"""Recipes: YAML files with `extends`, dotted overrides, and the stages of a run."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, NonNegativeInt, model_validator

from better_ai.config.data import DataConfig
from better_ai.config.presets import model_preset
from better_ai.config.schema import Config
from better_ai.config.stages import (
    EvaluateConfig,
    GRPOConfig,
    PretrainConfig,
    SandboxConfig,
    SFTConfig,
    TasksConfig,
    TokenizerConfig,
)
from better_ai.errors import ConfigError


class Recipe(Config):
    """The main job: one model's life from source code to a report."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: NonNegativeInt = 0
    """Every stage that draws random numbers adds this to its own seed."""
    data: DataConfig = DataConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    pretrain: PretrainConfig = PretrainConfig()
    tasks: TasksConfig = TasksConfig()
    sft: SFTConfig = SFTConfig()
    rl: GRPOConfig = GRPOConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    sandbox: SandboxConfig = SandboxConfig()

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        if self.pretrain.model.vocab_size != self.tokenizer.vocab_size:
            raise ValueError(
                f"pretrain.model.vocab_size={self.pretrain.model.vocab_size} does not match "
                f"tokenizer.vocab_size={self.tokenizer.vocab_size}; make them equal"
            )
        longest = self.sft.max_seq_len
        if longest > self.pretrain.model.max_seq_len:
            raise ValueError(f"sft.max_seq_len={longest} exceeds model.max_seq_len={self.pretrain.model.max_seq_len}")
        return self


def load_recipe(path: Path | str, overrides: list[str] | tuple[str, ...] = ()) -> Recipe:
    """Read a recipe, follow `extends`, apply `a.b.c=value` overrides. Raises ConfigError."""
    path = Path(path)
    values = _read(path, seen=())
    for override in overrides:
        _name_preset(values)
        _override(values, override)
    _name_preset(values)
    _resolve_preset(values)
    return Recipe.parse(values, where=path.name)


def _name_preset(values: dict[str, Any]) -> None:
    """`model: name` is short for `model: {preset: name}`, whose other keys may be set as well."""
    pretrain = values.get("pretrain")
    if isinstance(pretrain, dict) and isinstance(pretrain.get("model"), str):
        pretrain["model"] = {"preset": pretrain["model"]}


def _resolve_preset(values: dict[str, Any]) -> None:
    pretrain = values.get("pretrain")
    model = pretrain.get("model") if isinstance(pretrain, dict) else None
    if isinstance(pretrain, dict) and isinstance(model, dict) and "preset" in model:
        changes = {key: value for key, value in model.items() if key != "preset"}
        pretrain["model"] = model_preset(model["preset"]).model_dump() | changes


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
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
    return _merge(_read(path.parent / parent, (*seen, path.resolve())), values)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _override(values: dict[str, Any], text: str) -> None:
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
