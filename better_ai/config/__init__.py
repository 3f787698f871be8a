"""Configuration: schemas, presets, recipes and overrides."""

from better_ai.config.data import DataConfig, DataSource, FolderSource, StdlibSource
from better_ai.config.data_recipe import DataRecipe, load_data_recipe
from better_ai.config.model import ModelConfig, MoEConfig
from better_ai.config.presets import MODEL_PRESETS, model_preset
from better_ai.config.recipe import Recipe, load_recipe
from better_ai.config.schema import Config
from better_ai.config.stages import (
    EvaluateConfig,
    GRPOConfig,
    PretrainConfig,
    SamplingConfig,
    SandboxConfig,
    SFTConfig,
    TasksConfig,
    TokenizerConfig,
)
from better_ai.config.training import AdamWConfig, MuonConfig, OptimizerConfig, TrainingConfig

__all__ = [
    "MODEL_PRESETS",
    "AdamWConfig",
    "Config",
    "DataConfig",
    "DataRecipe",
    "DataSource",
    "EvaluateConfig",
    "FolderSource",
    "GRPOConfig",
    "MoEConfig",
    "ModelConfig",
    "MuonConfig",
    "OptimizerConfig",
    "PretrainConfig",
    "Recipe",
    "SFTConfig",
    "SamplingConfig",
    "SandboxConfig",
    "StdlibSource",
    "TasksConfig",
    "TokenizerConfig",
    "TrainingConfig",
    "load_data_recipe",
    "load_recipe",
    "model_preset",
]
