"""A structure: operations put together into the body of one function, before their parameters are chosen."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from better_ai.tasks.operation import VARIABLES, Operation, Step

Meaning = Callable[[Any], Any]

HARDEST_COST = 8
"""The cost at which difficulty reaches 1."""


@dataclass(frozen=True)
class Mutant:
    """A program that is wrong in one place."""

    change: str
    meaning: Meaning
    always_wrong: bool = True
    """Whether a task on which this program is right is no task: one of its parts has no effect."""


@dataclass(frozen=True, eq=False)
class Structure(ABC):
    """Operations in a fixed arrangement. Each method gets one Step for each of `slots`."""

    family: str
    slots: tuple[Operation, ...]

    connectives: ClassVar[tuple[tuple[str, str], ...]] = ((", then ", ", then "), (", then ", " and then "))
    """Ways to join the clauses: what stands between them, and before the last."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def source(self) -> str:
        """The kind of the argument."""

    @abstractmethod
    def body(self, steps: Sequence[Step]) -> list[str]:
        """The lines of the reference below its `def`, indented by four spaces."""

    @abstractmethod
    def meaning(self, steps: Sequence[Step]) -> Meaning: ...

    @abstractmethod
    def clauses(self, steps: Sequence[Step], phrases: Sequence[int]) -> list[str]:
        """What the function does, as verb phrases in the base form; `phrases` picks one phrase for each slot."""

    @abstractmethod
    def structural_mutants(self, steps: Sequence[Step]) -> Iterable[Mutant]:
        """Programs with a part left out or two parts exchanged."""

    @property
    def cost(self) -> int:
        return sum(operation.cost for operation in self.slots)

    @property
    def difficulty(self) -> float:
        return min(1.0, self.cost / HARDEST_COST)

    @property
    def variable(self) -> str:
        """The name of the argument."""
        return VARIABLES[self.source]

    def parameter_mutants(self, steps: Sequence[Step]) -> Iterable[Mutant]:
        """Programs with one parameter off: an integer by one, a string exchanged."""
        for index, step in enumerate(steps):
            for other in step.neighbours():
                changed = (*steps[:index], other, *steps[index + 1 :])
                change = f"{step.operation.name} with {other.values} for {step.values}"
                yield Mutant(change, self.meaning(changed), always_wrong=False)
