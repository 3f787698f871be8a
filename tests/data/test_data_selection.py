"""Small sets are of the size asked for, hard enough, and spread over domains or lengths."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data.loading import SelectionConfig
from better_ai.data.loading.selection import length_bins, length_varied, select_examples
from better_ai.errors import UserError

SIZE = 3000


@pytest.fixture(scope="module")
def pool() -> dict:
    generator, domains = np.random.default_rng(0), ["sorting", "parsing", "graphs", "strings"]
    return {
        "good": generator.random(SIZE) < 0.9,
        "pass_rates": generator.choice([0, 0.25, 0.5, 0.75, 1.0], SIZE),
        "lengths": generator.lognormal(5, 1, SIZE).astype(int) + 1,
        "domains": generator.choice(domains, SIZE, p=[0.7, 0.2, 0.09, 0.01]).tolist(),
    }


def test_exactly_as_many_are_chosen_all_good_and_hard_and_the_same_each_time(pool: dict) -> None:
    for count in (1, 7, 400):
        chosen = select_examples(SelectionConfig(count=count), **pool)
        assert len(set(chosen.tolist())) == len(chosen) == count
        assert pool["good"][chosen].all()
        assert ((pool["pass_rates"][chosen] > 0) & (pool["pass_rates"][chosen] <= 0.75)).all()
        assert select_examples(SelectionConfig(count=count), **pool).tolist() == chosen.tolist()
    other = select_examples(SelectionConfig(count=400, seed=1), **pool)
    assert other.tolist() != chosen.tolist()


def test_no_domain_runs_ahead_of_one_that_has_examples_left(pool: dict) -> None:
    chosen = select_examples(SelectionConfig(count=400), **pool)
    eligible = pool["good"] & (pool["pass_rates"] > 0) & (pool["pass_rates"] <= 0.75)
    available = Counter(domain for domain, fit in zip(pool["domains"], eligible, strict=True) if fit)
    for stop in range(1, 401):
        counts = Counter(pool["domains"][number] for number in chosen[:stop])
        for domain in available:
            assert counts[domain] == available[domain] or counts[domain] >= max(counts.values()) - 1
    assert Counter(pool["domains"][number] for number in chosen)["strings"] == available["strings"]


def test_a_random_tenth_would_not_be_as_varied(pool: dict) -> None:
    """What the selection is for: the largest domain is 70 % of the pool."""
    chosen = select_examples(SelectionConfig(count=40), **pool)
    assert sorted(Counter(pool["domains"][number] for number in chosen).values()) == [10, 10, 10, 10]
    random = np.random.default_rng(0).choice(SIZE, 40, replace=False)
    assert max(Counter(pool["domains"][number] for number in random).values()) > 20


def test_longer_answers_are_preferred_by_halves() -> None:
    """First choices of one domain: the k-th longest with weight 2**-k. Chi-squared of 3 degrees exceeds 16.3 once in
    a thousand times."""
    lengths = np.array([30, 10, 40, 20])
    counts = np.zeros(4)
    for seed in range(1500):
        (first,) = select_examples(
            SelectionConfig(count=1, seed=seed),
            good=np.ones(4, bool), pass_rates=np.full(4, 0.5), lengths=lengths, domains=["a"] * 4,
        )  # fmt: skip
        counts[first] += 1
    expected = 1500 * np.array([4, 1, 8, 2]) / 15
    assert ((counts - expected) ** 2 / expected).sum() < 16.3


def test_too_few_left_is_said(pool: dict) -> None:
    with pytest.raises(UserError, match=r"of 3000 examples are good and solved sometimes, but at most 75% of the time"):
        select_examples(SelectionConfig(count=2900), **pool)


def test_bins_are_quantiles_of_the_logarithm() -> None:
    assert length_bins(np.array([10, 1000]), 2) == pytest.approx([100])
    lengths = np.exp(np.linspace(0, 10, 1001))
    assert length_bins(lengths, 5) == pytest.approx(np.exp([2, 4, 6, 8]))
    for lengths in (np.array([]), np.array([0, 5])):
        with pytest.raises(UserError, match="cannot make 5 bins"):
            length_bins(lengths)


@given(per_bin=st.integers(1, 20), seed=st.integers(0, 9))
def test_every_bin_gives_its_quota(per_bin: int, seed: int) -> None:
    lengths = np.random.default_rng(1).lognormal(5, 1.5, 500).astype(int) + 1
    edges = length_bins(lengths)
    chosen = length_varied(lengths, edges, per_bin, seed=seed)
    assert len(set(chosen.tolist())) == 5 * per_bin
    counts = np.bincount(np.searchsorted(edges, lengths[chosen], side="right"), minlength=5)
    assert counts.tolist() == [per_bin] * 5, "chi-squared across the bins is 0"
    assert length_varied(lengths, edges, per_bin, seed=seed).tolist() == chosen.tolist()


def test_lengths_of_another_distribution_are_brought_to_the_wanted_one() -> None:
    """A generator that prefers short answers: its own draws fail the chi-squared test that the quota passes."""
    generator = np.random.default_rng(2)
    wanted, made = generator.lognormal(6, 1, 2000) + 1, generator.lognormal(5, 1, 4000) + 1
    edges = length_bins(wanted)

    def chi_squared(lengths: np.ndarray) -> float:
        counts = np.bincount(np.searchsorted(edges, lengths, side="right"), minlength=5)
        return float(((counts - 50) ** 2 / 50).sum())

    assert chi_squared(made[generator.choice(len(made), 250, replace=False)]) > 18.5
    assert chi_squared(made[length_varied(made, edges, 50, seed=0)]) == 0
    with pytest.raises(UserError, match=r"1000 examples of each length were asked for, but bins have only \{"):
        length_varied(made, edges, 1000, seed=0)
