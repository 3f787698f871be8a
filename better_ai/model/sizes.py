"""Parameter counts and arithmetic of a model, from its configuration alone.

Active parameters are those one token passes through. The arithmetic counts multiply-adds of matrix products as two
operations: 2 per active matrix parameter and token, and 4·S·H·C per layer for attention over S keys. The embedding is a
look-up and costs none. A backward pass costs twice its forward pass. Norms, softmax and rotations are left out.
"""

from dataclasses import dataclass

from better_ai.config import ModelConfig


@dataclass(frozen=True)
class ParameterCount:
    """Parameters of a model.

    Attributes:
        total: all of them.
        active: those one token passes through: all but the experts not chosen.
        embedding: those of the look-up table alone, 0 where the head shares it.
    """

    total: int
    active: int
    embedding: int


def count_parameters(config: ModelConfig) -> ParameterCount:
    """Equal to summing over the parameters of `Transformer(config)`."""
    D, C = config.hidden_dim, config.head_width
    qkv_rows = (config.num_attention_heads + 2 * config.kv_heads) * C
    attention = D * qkv_rows + config.num_attention_heads * C * D
    attention += qkv_rows * config.qkv_bias + 2 * C * config.qk_norm
    table = config.vocab_size * D
    total = active = table * (1 if config.tie_embeddings else 2) + D
    for layer in range(config.num_layers):
        layer_total, layer_active = _feedforward(config, layer)
        total += attention + 2 * D + layer_total
        active += attention + 2 * D + layer_active
    return ParameterCount(total, active, 0 if config.tie_embeddings else table)


def _feedforward(config: ModelConfig, layer: int) -> tuple[int, int]:
    """Total and active parameters of one block's feed-forward."""
    D, moe = config.hidden_dim, config.moe
    if moe is None or not config.is_moe_layer(layer):
        dense = 3 * D * config.ffn_width
        return dense, dense
    expert = 3 * D * config.expert_width
    always = D * moe.num_experts + 3 * D * moe.shared_expert_dim + D * moe.shared_expert_gate
    return always + moe.num_experts * expert, always + moe.num_experts_per_token * expert


def flops_per_token(config: ModelConfig, sequence_length: int, *, backward: bool = True) -> int:
    """Operations per token of a causal pass over rows of that length; with the backward pass, as in training.

    Causal attention sees half of the row on average.
    """
    count = count_parameters(config)
    attention = 4 * config.num_layers * config.num_attention_heads * config.head_width * sequence_length // 2
    forward = 2 * (count.active - count.embedding) + attention
    return 3 * forward if backward else forward
