"""A small set out of many examples: hard enough, of every kind, or of every length."""

from collections.abc import Hashable, Sequence

import numpy as np

from better_ai.config.data.loading import SelectionConfig
from better_ai.errors import UserError


def select_examples(
    config: SelectionConfig,
    *,
    good: np.ndarray,
    pass_rates: np.ndarray,
    lengths: np.ndarray,
    domains: Sequence[Hashable],
) -> np.ndarray:
    """Numbers of `config.count` examples, in the order they were chosen: quality, then difficulty, then diversity.

    After s1 (Muennighoff et al. 2025, arXiv 2501.19393). Quality: `good` is True. Difficulty: 0 < pass rate of a model
    <= `max_pass_rate`. Diversity: domains take turns, in an order drawn anew in every round, until they are empty; in a
    domain, the example with the k-th longest answer left has weight 2**-k. The paper draws the domain at random each
    time; turns keep their counts within one. What makes an example good, how often a model solves it and to which
    domain it belongs is the caller's to say. Raises UserError when too few are left.
    """
    rates = np.asarray(pass_rates, np.float64)
    eligible = np.flatnonzero(np.asarray(good, bool) & (rates > 0) & (rates <= config.max_pass_rate))
    if len(eligible) < config.count:
        raise UserError(
            f"{len(eligible)} of {len(rates)} examples are good and solved sometimes, but at most "
            f"{config.max_pass_rate:.0%} of the time; {config.count} were asked for; ask for fewer or raise the rate"
        )
    groups: dict[Hashable, list[int]] = {}
    for number in sorted(eligible.tolist(), key=lambda number: (-lengths[number], number)):
        groups.setdefault(domains[number], []).append(number)
    generator = np.random.Generator(np.random.PCG64(config.seed))
    # Domains in the order of their first example, so that the result does not depend on how they compare or hash.
    left = sorted(groups.values(), key=min)
    chosen: list[int] = []
    while len(chosen) < config.count:
        turns = generator.permutation(len(left))[: config.count - len(chosen)]
        chosen += [left[turn].pop(_halving_rank(generator, len(left[turn]))) for turn in turns]
        left = [group for group in left if group]
    return np.array(chosen, np.int64)


def _halving_rank(generator: np.random.Generator, size: int) -> int:
    """A rank below `size` with probability proportional to 2**-rank."""
    # Inverse of the distribution function (1 - 2**-(k+1)) / (1 - 2**-size).
    point = generator.random() * (1 - 0.5**size)
    return min(int(-np.log2(1 - point)), size - 1)


def length_bins(lengths: np.ndarray, bins: int = 5) -> np.ndarray:
    """Inner edges of `bins` quantile bins of the logarithm of the lengths (at least 1); shape (bins - 1,).

    Quantiles are interpolated between logarithms, so an edge between 10 and 1,000 lies at 100. Raises UserError when
    there is no length or one is below 1.
    """
    lengths = np.asarray(lengths)
    if bins < 1 or not len(lengths) or lengths.min() < 1:
        raise UserError(f"cannot make {bins} bins of {len(lengths)} lengths; both must be at least 1")
    return np.exp(np.quantile(np.log(lengths), np.arange(1, bins) / bins))


def length_varied(lengths: np.ndarray, edges: np.ndarray, per_bin: int, *, seed: int) -> np.ndarray:
    """Numbers of `per_bin` examples of each length bin, drawn at random, in random order.

    `edges`: from `length_bins`, of the lengths that are wanted. An example on an edge belongs to the longer bin. Raises
    UserError, naming the bins, when some have too few.
    """
    bins = np.searchsorted(edges, np.asarray(lengths), side="right")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    if counts.min() < per_bin:
        short = {number: int(count) for number, count in enumerate(counts) if count < per_bin}
        raise UserError(f"{per_bin} examples of each length were asked for, but bins have only {short}; add examples")
    generator = np.random.Generator(np.random.PCG64(seed))
    chosen = [generator.choice(np.flatnonzero(bins == number), per_bin, replace=False) for number in range(len(counts))]
    return generator.permutation(np.concatenate(chosen))
