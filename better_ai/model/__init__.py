"""The transformer, its caches and losses, and its formats on disk."""

from better_ai.model.checkpoint import from_pretrained, read_config
from better_ai.model.cross_entropy import linear_cross_entropy
from better_ai.model.kv import KeyValues, KVCache, RecordedKV, SharedPrefix
from better_ai.model.logprobs import token_logprobs
from better_ai.model.output import ModelOutput
from better_ai.model.sizes import ParameterCount, count_parameters, flops_per_token
from better_ai.model.transformer import Transformer

__all__ = [
    "KVCache",
    "KeyValues",
    "ModelOutput",
    "ParameterCount",
    "RecordedKV",
    "SharedPrefix",
    "Transformer",
    "count_parameters",
    "flops_per_token",
    "from_pretrained",
    "linear_cross_entropy",
    "read_config",
    "token_logprobs",
]
