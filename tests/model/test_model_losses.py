"""The chunked losses against PyTorch's, values and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from better_ai.model import chunked_softmax, linear_cross_entropy, logprobs, token_logprobs


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 16 tokens, so that a few dozen tokens make several and a ragged last one."""
    monkeypatch.setattr(chunked_softmax, "LOGITS_PER_CHUNK", 1)


def sample(
    N: int, V: int, dtype: torch.dtype, seed: int = 0, scale: float = 1.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """hidden_ND, weight_VD, ids_N, weights_N."""
    generator = torch.Generator().manual_seed(seed)
    hidden = (scale * torch.randn(N, 8, generator=generator, dtype=torch.float64)).to(dtype).requires_grad_()
    weight = torch.randn(V, 8, generator=generator, dtype=torch.float64)
    weight = weight.to(torch.float64 if dtype == torch.float64 else torch.float32).requires_grad_()
    weights = torch.rand(N, generator=generator, dtype=torch.float64) * (torch.rand(N, generator=generator) < 0.7)
    return hidden, weight, torch.randint(0, V, (N,), generator=generator), weights


TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.mark.parametrize("dtype", TOLERANCE)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(N=st.integers(0, 50), V=st.integers(1, 70), weighted=st.booleans(), seed=st.integers(0, 99))
def test_cross_entropy_equals_pytorchs(dtype: torch.dtype, N: int, V: int, weighted: bool, seed: int) -> None:
    hidden_ND, weight_VD, targets_N, weights_N = sample(N, V, dtype, seed)
    weights_N = weights_N if weighted else torch.ones(N, dtype=torch.float64)
    ours = linear_cross_entropy(hidden_ND, weight_VD, targets_N, weights_N if weighted else None)
    nll_N = F.cross_entropy(hidden_ND @ weight_VD.t(), targets_N, reduction="none")
    theirs = (nll_N * weights_N.to(dtype)).sum()
    assert ours.dtype == dtype
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    inputs = (hidden_ND, weight_VD)
    for mine, reference in zip(
        torch.autograd.grad(3 * ours, inputs), torch.autograd.grad(3 * theirs, inputs), strict=True
    ):
        torch.testing.assert_close(mine, reference, rtol=tolerance, atol=tolerance)
    with torch.no_grad():
        torch.testing.assert_close(
            linear_cross_entropy(*inputs, targets_N, weights_N), theirs, rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kept", [0, 1 << 25], ids=["recomputed", "kept"])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    N=st.integers(0, 50), V=st.integers(1, 70), temperature=st.sampled_from([0.3, 1.0, 2.0]), seed=st.integers(0, 99)
)
def test_token_logprobs_equal_log_softmax(
    dtype: torch.dtype, kept: int, N: int, V: int, temperature: float, seed: int
) -> None:
    hidden_ND, weight_VD, ids_N, weights_N = sample(N, V, dtype, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logprobs, "KEPT_PROBABILITIES", kept)
        ours_N, entropies_N = token_logprobs(hidden_ND, weight_VD, ids_N, temperature=temperature)
    all_NV = (hidden_ND @ weight_VD.t() / temperature).log_softmax(-1)
    theirs_N = all_NV.gather(1, ids_N[:, None]).squeeze(1)
    tolerance = 3 * TOLERANCE[dtype]
    torch.testing.assert_close(ours_N, theirs_N, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(entropies_N, -(all_NV.exp() * all_NV).sum(-1).detach(), rtol=tolerance, atol=tolerance)
    assert not entropies_N.requires_grad
    upstream_N, inputs = weights_N.to(dtype), (hidden_ND, weight_VD)
    gradients = torch.autograd.grad(ours_N @ upstream_N, inputs), torch.autograd.grad(theirs_N @ upstream_N, inputs)
    for mine, reference in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, reference, rtol=tolerance, atol=tolerance)


def test_gradients_pass_gradcheck() -> None:
    hidden_ND, weight_VD, ids_N, weights_N = sample(20, 7, torch.float64)
    assert torch.autograd.gradcheck(lambda h, w: linear_cross_entropy(h, w, ids_N, weights_N), (hidden_ND, weight_VD))
    assert torch.autograd.gradcheck(lambda h, w: token_logprobs(h, w, ids_N)[0], (hidden_ND, weight_VD))


def test_bf16_products_keep_an_fp32_loss() -> None:
    """The loss of bf16 hidden states is that of the fp32 softmax over bf16 logits, not a bf16 number."""
    hidden_ND, weight_VD, targets_N, _ = sample(50, 60, torch.bfloat16)
    loss = linear_cross_entropy(hidden_ND, weight_VD, targets_N)
    exact = F.cross_entropy((hidden_ND @ weight_VD.bfloat16().t()).float(), targets_N, reduction="sum")
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=1e-6, atol=0)
    gradients = [torch.autograd.grad(value, (hidden_ND, weight_VD)) for value in (loss, exact)]
    for mine, reference in zip(*gradients, strict=True):
        assert (mine.float() - reference.float()).norm() < 1e-2 * reference.float().norm()


def test_unlikely_targets_keep_their_loss() -> None:
    """A probability that underflows still has an exact logarithm."""
    hidden_ND, weight_VD, targets_N, _ = sample(20, 30, torch.float32, scale=200)
    with torch.no_grad():
        theirs_N = F.cross_entropy(hidden_ND @ weight_VD.t(), targets_N, reduction="none")
        assert theirs_N.max() > 200
        torch.testing.assert_close(linear_cross_entropy(hidden_ND, weight_VD, targets_N), theirs_N.sum())
        torch.testing.assert_close(token_logprobs(hidden_ND, weight_VD, targets_N)[0], -theirs_N)


def test_only_what_needs_a_gradient_gets_one() -> None:
    hidden_ND, weight_VD, ids_N, _ = sample(20, 7, torch.float32)
    for frozen in (hidden_ND.detach(), weight_VD), (hidden_ND, weight_VD.detach()):
        for loss in linear_cross_entropy(*frozen, ids_N), token_logprobs(*frozen, ids_N)[0].sum():
            loss.backward()
    assert hidden_ND.grad is not None and weight_VD.grad is not None
