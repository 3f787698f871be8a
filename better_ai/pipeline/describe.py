"""What a model is made of, for a preset or a folder, without building it."""

from pathlib import Path
from typing import Any

from better_ai.config import MODEL_PRESETS, model_preset
from better_ai.model import count_parameters, flops_per_token, read_config

BF16_BYTES = 2


def describe_model(name: str) -> dict[str, Any]:
    """Counts and costs of a preset or of a model's folder. Raises ConfigError for a name that is neither."""
    config = read_config(Path(name)) if name not in MODEL_PRESETS and Path(name).is_dir() else model_preset(name)
    count = count_parameters(config)
    return {
        "name": name,
        "parameters": count.total,
        "active_parameters": count.active,
        "embedding_parameters": count.embedding,
        "training_flops_per_token": flops_per_token(config, config.max_seq_len),
        "kv_cache_bytes_per_token": 2 * BF16_BYTES * config.num_layers * config.kv_heads * config.head_width,
        "config": config.model_dump(mode="json"),
    }
