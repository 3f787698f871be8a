"""Counts from the configuration alone equal what is built."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from better_ai.config import MODEL_PRESETS, ModelConfig, MoEConfig
from better_ai.model import Transformer, count_parameters, flops_per_token


@pytest.mark.parametrize("name", MODEL_PRESETS)
def test_count_equals_the_built_model(name: str) -> None:
    config = MODEL_PRESETS[name]
    with torch.device("meta"):
        model = Transformer(config)
    experts = sum(p.numel() for n, p in model.named_parameters() if ".experts." in n)
    total = sum(p.numel() for p in model.parameters())
    idle = 0 if config.moe is None else experts - experts * config.moe.num_experts_per_token // config.moe.num_experts
    count = count_parameters(config)
    assert (count.total, count.active) == (total, total - idle)


def test_every_option_is_counted() -> None:
    config = ModelConfig(
        vocab_size=40, hidden_dim=16, num_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=6,
        ffn_dim=24, qk_norm=True, qkv_bias=True, tie_embeddings=False,
        moe=MoEConfig(num_experts=4, expert_dim=8, shared_expert_dim=16, shared_expert_gate=True, dense_layers=(1,)),
    )  # fmt: skip
    assert count_parameters(config).total == sum(p.numel() for p in Transformer(config).parameters())


def test_flops_equal_the_counted_matrix_products() -> None:
    config = ModelConfig(
        vocab_size=64, hidden_dim=32, num_layers=2, num_attention_heads=4, num_key_value_heads=2, ffn_dim=48
    )
    B, T = 2, 96
    tokens_BT = torch.zeros(B, T, dtype=torch.int64)
    model = Transformer(config)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        assert model(tokens_BT).logits.shape == (B, T, 64)
    # one block of queries computes its whole square of scores, the formula counts the causal half
    square = 4 * config.num_layers * config.hidden_dim * T // 2
    assert counter.get_total_flops() == B * T * (flops_per_token(config, T, backward=False) + square) - (
        B * T * 2 * _vectors(model)
    )
    assert flops_per_token(config, T) == 3 * flops_per_token(config, T, backward=False)


def _vectors(model: Transformer) -> int:
    return sum(p.numel() for p in model.parameters() if p.dim() == 1)
