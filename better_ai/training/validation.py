"""How well a model predicts text it has not seen."""

import math
from collections.abc import Iterable

import torch

from better_ai.model import Transformer
from better_ai.training.batch import TokenBatch
from better_ai.training.causal_lm import CausalLMObjective


@torch.no_grad()
def bits_per_byte(model: Transformer, batches: Iterable[TokenBatch], num_bytes: int) -> float:
    """Bits the model needs for each byte of a text: comparable across tokenizers, lower is better.

    `batches` must mark every token of the text as a target once, and `num_bytes` be the size of that text in UTF-8.
    Computed in the model's compute dtype, summed in fp64.
    """
    objective = CausalLMObjective()
    device = next(model.parameters()).device
    nats = sum(objective(model, batch.to(device)).metrics["train/cross_entropy_nats"].item() for batch in batches)
    return nats / math.log(2) / num_bytes
