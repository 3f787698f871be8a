"""Recipes: the stages of a run, from a YAML file with `extends` and dotted overrides."""

from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, model_validator

from better_ai.config.data import DataConfig
from better_ai.config.presets import model_preset
from better_ai.config.reading import RunName, apply_override, read_values
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


class Recipe(Config):
    """The main job: one model's life from source code to a report."""

    name: RunName
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
    values = read_values(path)
    for override in overrides:
        _name_preset(values)
        apply_override(values, override)
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
