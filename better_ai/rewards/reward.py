"""One protocol for every reward: verifiers, learned models and combinations of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from better_ai.tasks import Task


@dataclass(frozen=True)
class Sample:
    """One answer to a task, as the model wrote it."""

    task: Task
    text: str
    id: str = ""


@dataclass(frozen=True)
class RewardResult:
    """How good a sample is, with its reasons.

    A "lost" result says nothing about the sample: its value is NaN, so that a consumer that forgets to drop it (for a
    group-relative method, with its whole group) cannot go unnoticed.
    """

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the value is made of, by name; logged, never trained on directly."""
    uncertainty: float | None = None
    """Standard deviation of the value, where the reward estimates one; a verifier does not."""
    why: str = ""
    status: Literal["ok", "lost"] = "ok"

    def __post_init__(self) -> None:
        assert math.isnan(self.value) == (self.status == "lost"), "a value is NaN if and only if it was lost"

    @classmethod
    def lost(cls, why: str) -> "RewardResult":
        return cls(math.nan, why=why, status="lost")


class Reward(Protocol):
    """Scores samples; results come in the order of the samples."""

    def score(self, samples: Sequence[Sample]) -> list[RewardResult]: ...
