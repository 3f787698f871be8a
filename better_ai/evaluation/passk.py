"""pass@k and how sure it is. Pure functions on numbers of samples and on values per task.

The estimator is that of the HumanEval paper (arXiv 2107.03374). Intervals are percentile bootstraps over tasks
(Efron 1979): they say how much the figure owes to the choice of tasks, given the number of samples of each.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CHUNK_VALUES = 4_000_000
"""Resampled values held at once: 32 MB."""


@dataclass(frozen=True)
class Interval:
    """A mean over tasks with its confidence interval; NaN everywhere when there is no task."""

    value: float
    low: float
    high: float
    count: int
    """Tasks that the mean is taken over."""


def pass_at_k(n: int, c: int, k: int) -> float:
    """The unbiased estimate, from n samples of which c passed, that one of k samples passes: 1 - C(n-c, k) / C(n, k).

    NaN when n < k, where no unbiased estimate exists. In product form, so that nothing overflows.
    """
    if not 0 <= c <= n or k < 1:
        raise ValueError(f"pass@k needs 0 <= c <= n and k >= 1, found n={n}, c={c}, k={k}")
    if n < k:
        return math.nan
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def mean_interval(values: ArrayLike, *, confidence: float, resamples: int, seed: int) -> Interval:
    """The mean of the values that are not NaN, and its bootstrap interval.

    Args:
        values: one number per task, shape (tasks,).
        confidence: probability that the interval should cover the mean over the tasks' population, such as 0.95.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return Interval(math.nan, math.nan, math.nan, 0)
    means = _resampled_means(known, resamples, seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(known.mean()), float(low), float(high), len(known))


def paired_difference(
    after: Sequence[float], before: Sequence[float], *, confidence: float, resamples: int, seed: int
) -> Interval:
    """The mean of after - before over the same tasks in the same order, and its bootstrap interval.

    Tasks are resampled as pairs, so what makes a task easy for both cancels. Tasks where either is NaN are left out.
    """
    if len(after) != len(before):
        raise ValueError(f"paired values must belong to the same tasks, found {len(after)} and {len(before)}")
    differences = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    return mean_interval(differences, confidence=confidence, resamples=resamples, seed=seed)


def _resampled_means(values: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Means of `resamples` draws with replacement, each as large as `values`."""
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK_VALUES // len(values))
    chunks = [
        values[rng.integers(0, len(values), (min(rows, resamples - start), len(values)))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    return np.concatenate(chunks)
