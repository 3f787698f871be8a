"""The sampler draws from the softmax it claims to, one uniform number per token."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from better_ai.errors import UserError
from better_ai.inference import SamplingParams
from better_ai.inference.sampler import invert_cdf, request_uniforms, sample, truncate

DRAWS = 20_000


def chi_square_99_9(degrees: int) -> float:
    """The 99.9 % quantile of the chi-square distribution (Wilson and Hilferty's approximation)."""
    return degrees * (1 - 2 / (9 * degrees) + 3.0902 * (2 / (9 * degrees)) ** 0.5) ** 3


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.6, 0, 1.0), (1.3, 7, 1.0), (1.0, 12, 0.8)]
)
def test_draws_follow_the_exact_distribution(temperature: float, top_k: int, top_p: float) -> None:
    logits_V = torch.from_numpy(np.random.default_rng(3).normal(0, 1.5, 24)).float()
    exact_V = np.exp(logits_V.double().numpy() / temperature)
    order = np.argsort(-exact_V)
    if top_k:
        exact_V[order[top_k:]] = 0
    exact_V /= exact_V.sum()
    mass_before = np.cumsum(exact_V[order]) - exact_V[order]
    exact_V[order[mass_before >= top_p]] = 0
    exact_V /= exact_V.sum()

    uniforms_B = torch.from_numpy(request_uniforms(seed=11, sample_index=0, count=DRAWS))
    draw = sample(
        logits_V.expand(DRAWS, -1),
        uniforms_B,
        torch.full((DRAWS,), temperature),
        torch.full((DRAWS,), top_k),
        torch.full((DRAWS,), top_p),
    )
    counts_V = np.bincount(draw.ids_B.numpy(), minlength=24)
    kept = exact_V > 0
    assert counts_V[~kept].sum() == 0
    statistic = ((counts_V - DRAWS * exact_V)[kept] ** 2 / (DRAWS * exact_V[kept])).sum()
    assert statistic < chi_square_99_9(kept.sum() - 1)
    assert np.allclose(draw.logprobs_B.numpy(), np.log(exact_V[draw.ids_B.numpy()]), atol=1e-5)
    assert np.allclose(draw.entropies_B.numpy(), -(exact_V[kept] * np.log(exact_V[kept])).sum(), atol=1e-5)


@given(
    probs=st.lists(st.sampled_from([0.0, 1e-30, 1e-9, 1e-3, 0.25, 1.0, 7.0]), min_size=1, max_size=40).filter(any),
    uniform=st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, 1 - 2**-24, 1 - 2**-53])),
)
def test_inversion_never_draws_what_has_no_mass(probs: list[float], uniform: float) -> None:
    probs_BV = torch.tensor([probs])
    drawn = int(invert_cdf(probs_BV, torch.tensor([uniform], dtype=torch.float64)))
    assert probs[drawn] > 0


def test_temperature_zero_is_the_lowest_of_the_most_likely_ids() -> None:
    logits_BV = torch.tensor([[0.0, 2.0, 2.0, 1.0], [5.0, 0.0, 0.0, 0.0]])
    draw = sample(logits_BV, torch.tensor([0.99, 0.99]), torch.tensor([0.0, 1.0]))
    assert draw.ids_B.tolist()[0] == 1
    assert draw.logprobs_B[0] == logits_BV[0].log_softmax(-1)[1]


@settings(max_examples=60)
@given(
    logits=st.lists(st.integers(-3, 3), min_size=2, max_size=30),
    top_k=st.integers(0, 31),
    top_p=st.floats(0.01, 1.0),
)
def test_truncation_keeps_the_smallest_set_that_reaches_p_within_the_first_k(
    logits: list[int], top_k: int, top_p: float
) -> None:
    logits_V = torch.tensor(logits, dtype=torch.float64)
    ranked = sorted(range(len(logits)), key=lambda i: (-logits[i], i))[: top_k or None]
    probs = np.exp(logits_V.numpy()[ranked])
    mass = np.cumsum(probs / probs.sum())
    if np.any(np.abs(mass - top_p) < 1e-9):
        return  # rounding decides
    needed = len(ranked) if top_p == 1 else int(np.searchsorted(mass, top_p)) + 1
    kept_V = truncate(logits_V[None], torch.tensor([top_k]), torch.tensor([top_p], dtype=torch.float64))[0]
    assert set(torch.isfinite(kept_V).nonzero().flatten().tolist()) == set(ranked[:needed])


def test_truncation_switched_off_changes_nothing() -> None:
    logits_BV = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(truncate(logits_BV, torch.zeros(3, dtype=torch.long), torch.ones(3)), logits_BV)


def test_uniforms_are_a_function_of_seed_sample_and_position() -> None:
    long, short = request_uniforms(2**64 - 1, 3, 100), request_uniforms(2**64 - 1, 3, 7)
    assert np.array_equal(long[:7], short)
    assert not np.array_equal(request_uniforms(1, 0, 7), request_uniforms(0, 1, 7))
    assert long.min() >= 0 and long.max() < 1


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("temperature", -0.5, "-0.5"),
        ("temperature", float("nan"), "nan"),
        ("top_k", -1, "-1"),
        ("top_p", 0.0, "0.0"),
        ("top_p", 1.5, "1.5"),
        ("max_new_tokens", 0, "0"),
        ("n", 0, "0"),
        ("seed", -3, "-3"),
        ("stop", ("a", ""), "''"),
        ("stop", "END", "'END'"),
    ],
)
def test_parameters_that_cannot_work_are_refused_by_name(field: str, value: object, shown: str) -> None:
    with pytest.raises(UserError, match=field) as refusal:
        SamplingParams(**{field: value})  # type: ignore[arg-type]
    assert shown in str(refusal.value)
