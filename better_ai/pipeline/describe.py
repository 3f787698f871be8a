"""What a model is made of, for a preset or a folder, without building it."""

from pathlib import Path
from typing import Any

from better_ai.config import MODEL_PRESETS, ModelConfig, model_preset
from better_ai.model import load_config, sizes
