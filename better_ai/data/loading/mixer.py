"""In which order sources take turns, so that each has its share at every moment and not only on average.

Drawing sources at random with weights 70/20/10 leaves a deviation that grows with the square root of the rows drawn.
Tijdeman's rule ("The chairman assignment problem", Discrete Mathematics 32, 1980, doi 10.1016/0012-365X(80)90269-1)
keeps every source within 1 - 1/(2S - 2) rows of its share, for any number S of sources and every prefix, which is the
best possible; drawing the largest deficit instead lets sources of weights 290, 290, 5 and 20 stray by more than 1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from better_ai.errors import UserError


class Mixer:
    """Draws sources, numbered from 0, by weights that may change at any time.

    What a source is owed when the weights change is carried over, so nobody gains from frequent changes; the bound
    holds from one change to the next for what is drawn between them, up to the deviation carried.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        """Raises UserError when a weight is negative or not finite, or none is above 0."""
        self.counts = [0] * len(weights)
        """Draws of each source since the start."""
        self._carried = [0.0] * len(weights)
        self._set(weights)

    @property
    def weights(self) -> list[float]:
        """The present shares; they sum to 1."""
        return list(self._weights)

    def draw(self, count: int) -> np.ndarray:
        """The next `count` sources, int64."""
        return np.array([self.next() for _ in range(count)], np.int64)

    def next(self) -> int:
        """The next source: of those owed enough, the one that would soonest be owed too much."""
        self._drawn += 1
        owed = {
            source: self._carried[source] + self._weights[source] * self._drawn - self._taken[source]
            for source in self._active
        }
        # What is owed sums to 1, so somebody is owed enough; but for rounding, where exactly enough is owed.
        enough = min(self._slack, max(owed.values()))
        waits = {
            source: (1 - self._slack - debt) / self._weights[source] for source, debt in owed.items() if debt >= enough
        }
        chosen = min(waits, key=waits.__getitem__)
        self._taken[chosen] += 1
        self.counts[chosen] += 1
        return chosen

    def set_weights(self, weights: Sequence[float]) -> None:
        """From the next draw on, draw by other weights. Raises UserError as the constructor does."""
        self._carried = [
            carried + weight * self._drawn - taken
            for carried, weight, taken in zip(self._carried, self._weights, self._taken, strict=True)
        ]
        self._set(weights)

    def _set(self, weights: Sequence[float]) -> None:
        total = float(sum(weights))
        if len(weights) != len(self.counts) or min(weights, default=0) < 0 or not 0 < total < np.inf:
            raise UserError(
                f"cannot mix {len(self.counts)} sources by the weights {list(weights)}; one finite weight of at least "
                "0 is needed for each, and one above 0"
            )
        self._weights = [weight / total for weight in weights]
        self._active = [source for source, weight in enumerate(self._weights) if weight > 0]
        self._slack = 1 / (2 * len(self._active) - 2) if len(self._active) > 1 else 0.0
        # What inactive sources are owed goes to the others: they will never be drawn to settle it.
        unsettled = sum(carried for carried, weight in zip(self._carried, self._weights, strict=True) if not weight)
        self._carried = [
            carried + unsettled * weight if weight else 0.0
            for carried, weight in zip(self._carried, self._weights, strict=True)
        ]
        self._drawn, self._taken = 0, [0] * len(self.counts)

    def state_dict(self) -> dict[str, Any]:
        return {
            "weights": self.weights,
            "counts": list(self.counts),
            "carried": list(self._carried),
            "drawn": self._drawn,
            "taken": list(self._taken),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._set(state["weights"])
        self._weights = list(state["weights"])
        self.counts, self._carried = list(state["counts"]), list(state["carried"])
        self._drawn, self._taken = state["drawn"], list(state["taken"])


def temperature_weights(sizes: Mapping[str, int], alpha: float) -> dict[str, float]:
    """Shares proportional to n**alpha (Conneau and Lample 2019, arXiv 1901.07291): 1 follows the sizes, 0 is uniform.

    Raises UserError when a size is not positive.
    """
    if not sizes or min(sizes.values()) < 1:
        raise UserError(f"temperature sampling needs sources of at least one row, found {dict(sizes)}")
    logarithms = {name: alpha * np.log(size) for name, size in sizes.items()}
    top = max(logarithms.values())
    scaled = {name: float(np.exp(value - top)) for name, value in logarithms.items()}
    return {name: value / sum(scaled.values()) for name, value in scaled.items()}


class ExcessLossWeights:
    """Weights that follow the losses of the sources: those still far above their reference get more.

    The multiplicative update of DoReMi (Xie et al. 2023, arXiv 2305.10429, algorithm 1): weights times
    exp(step_size * excess), normalised, then mixed with the uniform weights by `smoothing`. Without reference losses
    it is the group DRO of Sagawa et al. 2019 (arXiv 1911.08731). Where DoReMi clips the excess at 0 for every token,
    this clips the mean of a source: pass means of clipped excesses and a reference of 0 for the original.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        reference: Mapping[str, float] | None = None,
        *,
        step_size: float = 1.0,
        smoothing: float = 1e-3,
    ) -> None:
        """Raises UserError when reference losses are given for other sources."""
        if reference is not None and set(reference) != set(weights):
            raise UserError(f"reference losses are needed for {sorted(weights)}, found {sorted(reference)}")
        total = sum(weights.values())
        self.weights = {name: weight / total for name, weight in weights.items()}
        self.reference = dict(reference) if reference else dict.fromkeys(weights, 0.0)
        self.step_size, self.smoothing = step_size, smoothing
        self._sums, self._updates = dict.fromkeys(weights, 0.0), 0

    def update(self, losses: Mapping[str, float]) -> dict[str, float]:
        """The weights after seeing the mean loss per token of each source; the excess of one not seen is 0.

        Raises UserError when a loss is not finite.
        """
        if not np.isfinite(list(losses.values())).all():
            raise UserError(f"the weights cannot follow losses that are not finite: {dict(losses)}")
        excess = {name: max(losses.get(name, -np.inf) - self.reference[name], 0.0) for name in self.weights}
        top = max(excess.values())
        raised = {
            name: weight * float(np.exp(self.step_size * (excess[name] - top))) for name, weight in self.weights.items()
        }
        total, uniform = sum(raised.values()), 1 / len(raised)
        self.weights = {
            name: (1 - self.smoothing) * value / total + self.smoothing * uniform for name, value in raised.items()
        }
        self._updates += 1
        for name, weight in self.weights.items():
            self._sums[name] += weight
        return dict(self.weights)

    @property
    def average(self) -> dict[str, float]:
        """The mean of the weights over all updates: DoReMi's answer for a longer training."""
        if not self._updates:
            return dict(self.weights)
        return {name: total / self._updates for name, total in self._sums.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"weights": dict(self.weights), "sums": dict(self._sums), "updates": self._updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights, self._sums = dict(state["weights"]), dict(state["sums"])
        self._updates = state["updates"]
