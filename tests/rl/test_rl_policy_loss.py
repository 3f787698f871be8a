"""Facts about the loss that hold exactly: gradients in fp64 on small distributions."""

import math

import pytest
import torch
from torch import Tensor

from better_ai.rl.policy_loss import KLEstimator, clipped_surrogate, kl_estimate, normalizer, token_weights


def one_token_gradient(ratio: float, advantage: float) -> float:
    logprobs_N = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    surrogate = clipped_surrogate(
        logprobs_N,
        torch.zeros(1, dtype=torch.float64),
        torch.tensor([advantage]).double(),
        clip_low=0.2,
        clip_high=0.28,
    )
    (gradient_N,) = torch.autograd.grad(surrogate.loss_N.sum(), logprobs_N)
    return float(gradient_N)


@pytest.mark.parametrize(
    ("ratio", "advantage", "gradient"),
    [
        (1.0, 1.0, -1.0),
        (1.27, 1.0, -1.27),
        (1.35, 1.0, 0.0),  # already likelier than the bound allows
        (0.5, 1.0, -0.5),  # a good token that became unlikely is always pulled back
        (0.75, -1.0, 0.0),
        (0.85, -1.0, 0.85),
        (4.0, -1.0, 4.0),  # unbounded: the reason for dual clipping
        (1.0, 0.0, 0.0),
    ],
)
def test_gradient_of_the_clipped_surrogate(ratio: float, advantage: float, gradient: float) -> None:
    assert one_token_gradient(ratio, advantage) == pytest.approx(gradient, abs=1e-12)


def test_clip_flags_mark_exactly_the_tokens_without_gradient() -> None:
    ratios_N = torch.linspace(0.3, 2.0, 400, dtype=torch.float64)
    for advantage in (1.0, -1.0):
        logprobs_N = ratios_N.log().requires_grad_()
        surrogate = clipped_surrogate(
            logprobs_N, torch.zeros(400), torch.full((400,), advantage), clip_low=0.2, clip_high=0.3
        )
        (gradient_N,) = torch.autograd.grad(surrogate.loss_N.sum(), logprobs_N)
        assert torch.equal(gradient_N == 0, surrogate.clipped_low_N | surrogate.clipped_high_N)


def expected_kl_gradient(kind: KLEstimator, logits_V: Tensor, reference_V: Tensor, behaviour_V: Tensor) -> Tensor:
    """Exact expectation, over tokens of the behaviour policy, of the estimator's gradient in the logits."""
    logits_V = logits_V.clone().requires_grad_()
    logprobs_V = logits_V.log_softmax(-1)
    ratio_V = (logprobs_V - behaviour_V).exp()
    estimate_V = kl_estimate(logprobs_V, reference_V, ratio_V, kind)
    (gradient_V,) = torch.autograd.grad((behaviour_V.exp() * estimate_V).sum(), logits_V)
    return gradient_V


def kl_gradient(logits_V: Tensor, reference_V: Tensor, *, reverse: bool) -> Tensor:
    logits_V = logits_V.clone().requires_grad_()
    policy_V = logits_V.log_softmax(-1)
    left_V, right_V = (policy_V, reference_V) if reverse else (reference_V, policy_V)
    (gradient_V,) = torch.autograd.grad((left_V.exp() * (left_V - right_V)).sum(), logits_V)
    return gradient_V


def small_categoricals() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    logits_V, reference_V, behaviour_V = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    return logits_V, reference_V.log_softmax(-1), behaviour_V.log_softmax(-1)


def test_gradients_of_the_kl_estimators_on_policy() -> None:
    logits_V, reference_V, _ = small_categoricals()
    on_policy_V = logits_V.log_softmax(-1)
    reverse_V = kl_gradient(logits_V, reference_V, reverse=True)
    forward_V = kl_gradient(logits_V, reference_V, reverse=False)
    assert not torch.allclose(reverse_V, forward_V, atol=1e-3)
    exact: dict[KLEstimator, Tensor] = {
        "k1": torch.zeros_like(reverse_V),
        "k2": reverse_V,
        "k3": forward_V,
        "ratio_k3": reverse_V,
    }
    for kind, gradient_V in exact.items():
        assert torch.allclose(expected_kl_gradient(kind, logits_V, reference_V, on_policy_V), gradient_V, atol=1e-14)


def test_the_default_kl_estimator_is_unbiased_off_policy_too() -> None:
    logits_V, reference_V, behaviour_V = small_categoricals()
    policy_V = logits_V.log_softmax(-1)
    value = (behaviour_V.exp() * kl_estimate(policy_V, reference_V, (policy_V - behaviour_V).exp())).sum()
    assert torch.allclose(value, (policy_V.exp() * (policy_V - reference_V)).sum(), atol=1e-14)
    gradient_V = expected_kl_gradient("ratio_k3", logits_V, reference_V, behaviour_V)
    assert torch.allclose(gradient_V, kl_gradient(logits_V, reference_V, reverse=True), atol=1e-14)


def test_kl_to_itself_is_zero_in_value_and_gradient() -> None:
    logits_V, _, _ = small_categoricals()
    reference_V = logits_V.log_softmax(-1)
    ones_V = torch.ones(6, dtype=torch.float64)
    for kind in ("k1", "k2", "k3", "ratio_k3"):
        assert not kl_estimate(reference_V, reference_V, ones_V, kind).any()
    assert expected_kl_gradient("ratio_k3", logits_V, reference_V, reference_V).abs().max() < 1e-16


def test_aggregations_are_the_three_published_means() -> None:
    lengths_R = torch.tensor([2, 5, 1])
    loss_N = torch.arange(8, dtype=torch.float32)
    rows = loss_N.split(lengths_R.tolist())
    expected = {
        "token": loss_N.mean(),
        "sequence": torch.stack([row.mean() for row in rows]).mean(),
        "constant": loss_N.sum() / (3 * 16),
    }
    for kind, value in expected.items():
        total = (token_weights(lengths_R, kind) * loss_N).sum()  # type: ignore[arg-type]
        assert torch.allclose(total / normalizer(8, 3, 16, kind), value)  # type: ignore[arg-type]
