"""What a stage is: a name, the part of the recipe it obeys, the stages it reads, and the function that works."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from better_ai.config import Config, Recipe


class Progress(Protocol):
    """Where a run tells how far it is; the command line draws it."""

    def begin(self, stage: str, position: int, count: int) -> None:
        """A stage starts: the `position`-th (from 1) of `count`."""

    def update(self, completed: float, total: float, **fields: str) -> None:
        """How far the current stage is, with short texts by name such as loss="2.31"."""

    def note(self, text: str) -> None:
        """One line worth reading, such as an example or a warning."""

    def end(self, stage: str, *, skipped: bool, seconds: float) -> None:
        """The stage is finished, or was found finished."""


class Silent:
    """Progress for those who want none."""

    def begin(self, stage: str, position: int, count: int) -> None: ...
    def update(self, completed: float, total: float, **fields: str) -> None: ...
    def note(self, text: str) -> None: ...
    def end(self, stage: str, *, skipped: bool, seconds: float) -> None: ...


@dataclass(frozen=True)
class StageContext:
    """What a stage's function is given."""

    recipe: Recipe
    run: Path
    """The folder of the whole run."""
    folder: Path
    """Where to write; an interrupted run's files may still be there."""
    inputs: Mapping[str, Path]
    """The finished folders of the stages it reads, by name."""
    progress: Progress


@dataclass(frozen=True)
class StageResult:
    """What a stage made."""

    products: list[str]
    """Files, relative to the folder, that make up the artifact's identity."""
    metrics: dict[str, Any] = field(default_factory=dict)
    discard: tuple[str, ...] = ()
    """Top-level names not worth keeping, such as checkpoints."""


@dataclass(frozen=True)
class Stage:
    """One step of the main job."""

    name: str
    config: Callable[[Recipe], Mapping[str, Config]]
    """The sections of the recipe it obeys; a change in any of them runs it again."""
    inputs: tuple[str, ...]
    work: Callable[[StageContext], StageResult]
    seeded: bool = True
    """Whether the recipe's seed bears on it."""
    remembers: Callable[[Path], Mapping[str, Any]] = lambda run: {}
    """What the run's folder remembers that bears on it besides the recipe, by name; usually nothing."""


class Throttle:
    """Lets a callback through at most once in `seconds`, and always when asked to."""

    def __init__(self, seconds: float = 0.1) -> None:
        self.seconds, self.last = seconds, 0.0

    def ready(self, *, always: bool = False) -> bool:
        now = time.monotonic()
        if not always and now - self.last < self.seconds:
            return False
        self.last = now
        return True
