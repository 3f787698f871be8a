"""pass@k against enumeration and closed forms; intervals against the binomial distribution and by coverage."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.evaluation import mean_interval, paired_difference, pass_at_k
from better_ai.evaluation import passk as passk_module

SETTINGS = {"confidence": 0.95, "resamples": 2000, "seed": 3}


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_is_the_share_of_subsets_with_a_pass(n: int) -> None:
    for c, k in itertools.product(range(n + 1), range(1, n + 1)):
        subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
        assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-14)


@given(st.integers(1, 300), st.data())
def test_pass_at_k_equals_the_binomial_form(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    exact = 1 - math.comb(n - c, k) / math.comb(n, k)
    assert pass_at_k(n, c, k) == pytest.approx(exact, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(("p", "n", "k"), [(0.1, 20, 5), (0.1, 20, 10), (0.5, 8, 4), (0.03, 10, 10)])
def test_pass_at_k_is_unbiased(p: float, n: int, k: int) -> None:
    """Its expectation over the number of passes is the probability that one of k samples passes."""
    expectation = sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * pass_at_k(n, c, k) for c in range(n + 1))
    assert expectation == pytest.approx(1 - (1 - p) ** k, rel=1e-12)


def test_too_few_samples_give_nan_and_impossible_counts_an_error() -> None:
    assert math.isnan(pass_at_k(3, 3, 4))
    assert math.isnan(pass_at_k(0, 0, 1))
    for n, c, k in ((3, 4, 1), (3, -1, 1), (3, 1, 0)):
        with pytest.raises(ValueError, match="0 <= c <= n"):
            pass_at_k(n, c, k)


def test_the_interval_of_pass_or_fail_values_is_the_binomial_one() -> None:
    """Means of resampled 0/1 values are binomial counts over their number, whose quantiles are known."""
    n, passed = 120, 42
    interval = mean_interval([1.0] * passed + [0.0] * (n - passed), confidence=0.9, resamples=40_000, seed=1)
    cdf = np.cumsum([math.comb(n, i) * (passed / n) ** i * (1 - passed / n) ** (n - i) for i in range(n + 1)])
    exact = [np.searchsorted(cdf, level) / n for level in (0.05, 0.95)]
    assert interval.value == passed / n
    assert interval.count == n
    assert [interval.low, interval.high] == pytest.approx(exact, abs=1 / n)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(400):
        difficulty = rng.beta(0.6, 0.9, 80)
        values = rng.binomial(8, difficulty) / 8
        interval = mean_interval(values, confidence=0.9, resamples=400, seed=trial)
        covered += interval.low <= 0.4 <= interval.high
    assert 0.86 <= covered / 400 <= 0.93


def test_intervals_are_the_same_for_the_same_seed_only() -> None:
    values = np.random.default_rng(0).random(50)
    assert mean_interval(values, **SETTINGS) == mean_interval(values, **SETTINGS)
    assert mean_interval(values, **SETTINGS) != mean_interval(values, **{**SETTINGS, "seed": 4})


def test_values_that_are_nan_are_left_out_and_counted_out() -> None:
    interval = mean_interval([0.25, math.nan, 0.75, math.nan], **SETTINGS)
    assert (interval.value, interval.count) == (0.5, 2)
    nothing = mean_interval([math.nan], **SETTINGS)
    assert nothing.count == 0
    assert math.isnan(nothing.value) and math.isnan(nothing.low) and math.isnan(nothing.high)


def test_many_tasks_are_resampled_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passk_module, "_CHUNK_VALUES", 700)
    means = passk_module._resampled_means(np.arange(100.0), 1003, seed=0)
    assert means.shape == (1003,)
    assert len(np.unique(means)) > 500
    assert means.mean() == pytest.approx(49.5, abs=0.5)


def test_a_paired_difference_is_blind_to_what_both_share() -> None:
    rng = np.random.default_rng(5)
    before = rng.beta(0.3, 0.3, 100)
    after = np.clip(before + rng.normal(0.1, 0.02, 100), -1, 2)
    paired = paired_difference(list(after), list(before), **SETTINGS)
    apart = mean_interval(after, **SETTINGS)
    assert paired.value == pytest.approx(after.mean() - before.mean())
    assert paired.high - paired.low < 0.15 * (apart.high - apart.low)
    assert paired.low > 0
    same = paired_difference(list(before), list(before), **SETTINGS)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_a_paired_difference_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(400):
        before = rng.beta(1, 1, 60) * 0.8
        first, second = rng.binomial(4, before) / 4, rng.binomial(4, before + 0.15) / 4
        interval = paired_difference(list(second), list(first), confidence=0.95, resamples=400, seed=trial)
        covered += interval.low <= 0.15 <= interval.high
    assert 0.92 <= covered / 400 <= 0.975


def test_paired_values_must_match_in_number() -> None:
    with pytest.raises(ValueError, match="found 2 and 1"):
        paired_difference([1.0, 0.0], [1.0], **SETTINGS)
    assert paired_difference([1.0, math.nan, 1.0], [0.0, 0.0, math.nan], **SETTINGS).count == 1
