"""Initial weights, precision and gradients of the whole model."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from better_ai.config import ModelConfig, MoEConfig
from better_ai.model import KVCache, Transformer, linear_cross_entropy
from better_ai.model.feedforward import swiglu
from better_ai.model.norm import RMSNorm
from better_ai.model.rope import RotaryTable, rotate_heads

CONFIG = ModelConfig(
    vocab_size=50, hidden_dim=32, num_layers=2, num_attention_heads=4, num_key_value_heads=2, ffn_dim=48, qkv_bias=True,
    tie_embeddings=False,
)  # fmt: skip
MOE = CONFIG.model_copy(update={"moe": MoEConfig(num_experts=4), "qk_norm": True})


def tokens(B: int = 2, T: int = 9) -> Tensor:
    return torch.randint(0, 50, (B, T), generator=torch.Generator().manual_seed(0))


def test_a_seed_decides_the_weights_whatever_the_global_generator() -> None:
    torch.manual_seed(1)
    first = Transformer(MOE, seed=5)
    before = torch.get_rng_state()
    second, other = Transformer(MOE, seed=5), Transformer(MOE, seed=6)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.embedding, other.embedding)


def test_initial_weights_follow_the_table() -> None:
    config = ModelConfig(
        vocab_size=600, hidden_dim=128, num_layers=4, num_attention_heads=4, ffn_dim=256, qkv_bias=True, qk_norm=True,
        tie_embeddings=False, moe=MoEConfig(num_experts=4, shared_expert_dim=128, dense_layers=(0,)),
    )  # fmt: skip
    for name, parameter in Transformer(config).named_parameters():
        if name.endswith("norm.weight"):
            assert (parameter == 1).all(), name
        elif name.endswith("bias"):
            assert (parameter == 0).all(), name
        else:
            residual = name.endswith(("out.weight", "down", "down.weight"))
            expected = 0.02 / math.sqrt(8) if residual else 0.02
            four_sigma = 4 / math.sqrt(2 * parameter.numel())
            assert parameter.std().item() == pytest.approx(expected, rel=four_sigma), name


def test_zero_init_residual_starts_every_block_as_identity() -> None:
    model = Transformer(MOE.model_copy(update={"zero_init_residual": True}))
    with torch.no_grad():
        hidden_BTD = model(tokens()).hidden_BTD
        torch.testing.assert_close(hidden_BTD, F.rms_norm(model.embedding[tokens()], (32,), eps=1e-6))


@pytest.mark.parametrize("config", [CONFIG, MOE], ids=["dense", "moe"])
def test_bf16_follows_fp32(config: ModelConfig) -> None:
    """Loss and gradient of bf16 activations are close to those of fp32; weights and gradients stay fp32."""
    model = Transformer(config)
    results = []
    for dtype in torch.float32, torch.bfloat16:
        model.compute_dtype = dtype
        hidden_BTD = model(tokens()).hidden_BTD
        assert hidden_BTD.dtype == dtype
        loss = linear_cross_entropy(hidden_BTD.flatten(0, 1), model.head_weight_VD, tokens().flatten()) / 18
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        assert all(gradient.dtype == torch.float32 for gradient in gradients)
        results.append((loss.item(), torch.cat([gradient.flatten() for gradient in gradients])))
    (loss32, gradient32), (loss16, gradient16) = results
    assert loss16 == pytest.approx(loss32, abs=5e-3)
    assert F.cosine_similarity(gradient32, gradient16, dim=0) > 0.995


@pytest.mark.parametrize("config", [CONFIG, MOE], ids=["dense", "moe"])
def test_compute_copy_gives_the_same_bits(config: ModelConfig) -> None:
    model = Transformer(config)
    model.compute_dtype = torch.bfloat16
    copy = model.compute_copy()
    with torch.no_grad():
        assert torch.equal(model(tokens()).logits, copy(tokens()).logits)
        model.embedding.zero_()
        assert bool(copy.embedding.any()) and not any(parameter.requires_grad for parameter in copy.parameters())
        cache = KVCache(config, rows=2, capacity=9, dtype=torch.bfloat16)
        assert torch.equal(copy(tokens(), kv=cache).logits, copy(tokens()).logits)


def test_tied_head_is_the_embedding() -> None:
    model = Transformer(CONFIG.model_copy(update={"tie_embeddings": True}))
    assert model.head_weight_VD is model.embedding
    output = model(tokens())
    torch.testing.assert_close(output.logits, output.hidden_BTD @ model.embedding.t())


def test_the_future_does_not_change_the_past() -> None:
    model = Transformer(MOE)
    changed = tokens()
    changed[:, 5:] = 0
    with torch.no_grad():
        before, after = model(tokens()).hidden_BTD, model(changed).hidden_BTD
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def rotate_naively(x_BTHC: Tensor) -> Tensor:
    T, C = x_BTHC.shape[1], x_BTHC.shape[3]
    angles = torch.outer(torch.arange(T), 100.0 ** (-torch.arange(0, C, 2) / C)).repeat(1, 2)[:, None].double()
    half = torch.cat([-x_BTHC[..., C // 2 :], x_BTHC[..., : C // 2]], -1)
    return (x_BTHC * angles.cos() + half * angles.sin()).transpose(1, 2)


def rotate(x_BTHC: Tensor) -> Tensor:
    rotation = RotaryTable(x_BTHC.shape[3], 100.0, 16)(torch.zeros(x_BTHC.shape[:2]), None, torch.float64)
    return rotate_heads(x_BTHC, rotation)


def rms_norm(x: Tensor) -> Tensor:
    norm = RMSNorm(x.shape[-1], 1e-5)
    norm.weight.data = torch.linspace(0.5, 2, x.shape[-1])
    return norm(x)


@pytest.mark.parametrize(
    ("ours", "naive"),
    [
        (rotate, rotate_naively),
        (swiglu, lambda x: F.silu(x.chunk(2, -1)[0]) * x.chunk(2, -1)[1]),
        (rms_norm, lambda x: F.rms_norm(x, x.shape[-1:], torch.linspace(0.5, 2, x.shape[-1]).double(), 1e-5)),
    ],
    ids=["rotate_heads", "swiglu", "rms_norm"],
)
def test_own_backward_passes(ours: Callable[[Tensor], Tensor], naive: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(2, 5, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    torch.testing.assert_close(ours(x), naive(x), rtol=1e-6, atol=1e-6)
    assert torch.autograd.gradcheck(ours, (x,))


def test_norm_scale_gradient() -> None:
    x = torch.randn(4, 3, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    norm = RMSNorm(8, 1e-6).double()
    norm.weight.data.fill_(1.5)
    expected = torch.full((8,), 1.5, dtype=torch.float64, requires_grad=True)
    norm(x).pow(3).sum().backward()
    F.rms_norm(x, (8,), expected, 1e-6).pow(3).sum().backward()
    torch.testing.assert_close(norm.weight.grad, expected.grad)
