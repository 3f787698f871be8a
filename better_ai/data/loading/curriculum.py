"""From easy rows to hard ones: how much is available when, what is drawn, and what came of it.

Difficulty is an array of one number per row, larger is harder: its length, a feature of quality, or the loss of a small
model. Only its order counts, except for self-paced learning, which compares losses with a threshold.
The cosine schedule of *rewards* (from form to content) is another thing and belongs to reinforcement learning.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from better_ai.config.data.loading import ScheduledPacing, SelfPacedConfig
from better_ai.data.loading.packing import PackedRows
from better_ai.data.loading.stream import IdentifiedRows, ShuffledRows, check_identity
from better_ai.errors import UserError


def share_available(pacing: ScheduledPacing, row: int) -> float:
    """The share of the rows, easiest first, that may be drawn at the `row`-th draw; 1 from `pacing.rows` on.

    With t = row / rows and c0 = start. linear: c0 + (1 - c0) t. cosine: c0 + (1 - c0) (1 - cos(pi t)) / 2.
    competence: (c0**p + (1 - c0**p) t) ** (1/p), the root-p competence of Platanios et al. 2019 (arXiv 1903.09848).
    """
    t = min(1.0, row / pacing.rows)
    if pacing.type == "linear":
        return pacing.start + (1 - pacing.start) * t
    if pacing.type == "cosine":
        return pacing.start + (1 - pacing.start) * (1 - math.cos(math.pi * t)) / 2
    first = pacing.start**pacing.power
    return (first + (1 - first) * t) ** (1 / pacing.power)


def difficulty_ranks(values: np.ndarray) -> np.ndarray:
    """For each value, the share of values not above it: the empirical distribution function, in (0, 1].

    Raises UserError when a value is not a number.
    """
    values = np.asarray(values, np.float64)
    if np.isnan(values).any():
        raise UserError(f"{int(np.isnan(values).sum())} difficulties are not a number; score every row")
    return np.searchsorted(np.sort(values), values, side="right") / len(values)


def combine_difficulties(values: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """One difficulty from several measures, each first turned into ranks so that their units do not count.

    Raises UserError when measures and weights differ.
    """
    if set(values) != set(weights) or not sum(weights.values()) > 0:
        raise UserError(f"positive weights are needed for {sorted(values)}, found {dict(weights)}")
    ranks = np.stack([difficulty_ranks(values[name]) for name in sorted(values)])
    return np.average(ranks, axis=0, weights=[weights[name] for name in sorted(values)])


class CurriculumRows:
    """A `RowStream` that begins with easy rows.

    For the first `pacing.rows` draws, each is uniform among the easiest rows available then, as in the paper, so rows
    may repeat; after that, rows come in ordinary epochs. Every draw is computed alone: the state is the position.
    Memory is 24 bytes per row, for difficulties and their order.
    """

    def __init__(self, rows: IdentifiedRows, difficulty: np.ndarray, pacing: ScheduledPacing, *, seed: int) -> None:
        """Raises UserError when there is not one difficulty for each row."""
        if len(difficulty) != len(rows):
            raise UserError(f"there are {len(difficulty)} difficulties for {len(rows)} rows; one is needed for each")
        self.rows, self.pacing, self.seed = rows, pacing, seed
        self._ranks = difficulty_ranks(difficulty)
        self._easiest_first = np.argsort(self._ranks, kind="stable")
        self._sorted_ranks = self._ranks[self._easiest_first]
        self._after = ShuffledRows(rows, seed=seed)
        self._difficulty_id = hashlib.sha256(np.asarray(difficulty, "<f8").tobytes()).hexdigest()
        self._mean_rank = 0.0
        self.position = 0
        """Rows passed since the start."""

    def next_rows(self, count: int, mine: slice) -> PackedRows:
        places = np.arange(self.position + mine.start, self.position + mine.stop)
        numbers = np.array([self._number(place) for place in places.tolist()], np.int64)
        self.position += count
        if len(numbers):
            self._mean_rank = float(self._ranks[numbers].mean())
        return self.rows.take(numbers)

    def _number(self, place: int) -> int:
        if place >= self.pacing.rows:
            after = place - self.pacing.rows
            return int(self._after.numbers(after, after + 1)[0])
        # Available are rows whose rank does not exceed the share, and at least the easiest.
        share = max(share_available(self.pacing, place), self._sorted_ranks[0])
        available = np.searchsorted(self._sorted_ranks, share, side="right")
        drawn = np.random.SeedSequence((self.seed, place)).generate_state(1, np.uint64)[0]
        return int(self._easiest_first[int(drawn) % int(available)])

    def metrics(self) -> dict[str, float]:
        """The share available now, and the mean difficulty (as a rank, 0..1) of the rows made last."""
        return {
            "curriculum/available_share": share_available(self.pacing, self.position),
            "curriculum/difficulty_rank": self._mean_rank,
        }

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "curriculum",
            "rows": self.rows.content_id,
            "difficulty": self._difficulty_id,
            "pacing": self.pacing.model_dump(mode="json"),
            "seed": self.seed,
        }

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position, "identity": self.identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_identity(state, self.identity())
        self.position = state["position"]


class SelfPaced:
    """Self-paced learning: rounds of the examples that the model finds easy now (Kumar, Packer and Koller 2010).

    The paper minimises sum(v_i loss_i) - (1/K) sum(v_i) over v in {0, 1}: v_i = 1 exactly where loss_i < 1/K, and
    divides K by a factor in every round. `threshold` is 1/K, `growth` that factor.
    """

    def __init__(self, config: SelfPacedConfig) -> None:
        self.config = config
        self.round = 0

    @property
    def threshold(self) -> float:
        """Losses below it are taken in this round."""
        return self.config.threshold * self.config.growth**self.round

    def select(self, losses: np.ndarray) -> np.ndarray:
        """Numbers of the examples of this round, ascending; the next call is the next round.

        Where the threshold lets through less than `min_share`, the easiest ones make it up (ties by number). Raises
        UserError when a loss is not a number.
        """
        losses = np.asarray(losses, np.float64)
        if not len(losses) or np.isnan(losses).any():
            raise UserError(f"self-paced selection needs a loss for each example; found {losses.tolist()[:8]}...")
        chosen = losses < self.threshold
        least = math.ceil(self.config.min_share * len(losses))
        if chosen.sum() < least:
            chosen[np.argsort(losses, kind="stable")[:least]] = True
        self.round += 1
        return np.flatnonzero(chosen)

    def state_dict(self) -> dict[str, Any]:
        return {"round": self.round}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.round = state["round"]


def bucket_losses(difficulty: np.ndarray, losses: np.ndarray, edges: Sequence[float]) -> dict[str, float]:
    """Mean loss by difficulty: bucket 0 is below `edges[0]`, the last from `edges[-1]` on; empty ones are left out."""
    buckets = np.searchsorted(np.asarray(edges), difficulty, side="right")
    return {
        f"curriculum/bucket_{bucket}_loss": float(np.asarray(losses)[buckets == bucket].mean())
        for bucket in np.unique(buckets).tolist()
    }
