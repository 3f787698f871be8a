"""One operation after the other: single operations, and compositions of two or three."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from better_ai.tasks.operation import VARIABLES, Operation, Step
from better_ai.tasks.structure import Meaning, Mutant, Structure


@dataclass(frozen=True, eq=False)
class Pipeline(Structure):
    """Each step works on the result of the one before; one line of code each."""

    @property
    def name(self) -> str:
        return "+".join(operation.name for operation in self.slots)

    @property
    def source(self) -> str:
        return self.slots[0].source

    def body(self, steps: Sequence[Step]) -> list[str]:
        lines = []
        for step in steps[:-1]:
            kinds = step.operation
            lines.append(f"    {VARIABLES[kinds.target]} = {step.code(VARIABLES[kinds.source])}")
        return [*lines, f"    return {steps[-1].code(VARIABLES[steps[-1].operation.source])}"]

    def meaning(self, steps: Sequence[Step]) -> Meaning:
        return lambda value: reduce(lambda result, step: step(result), steps, value)

    def clauses(self, steps: Sequence[Step], phrases: Sequence[int]) -> list[str]:
        names = [self.variable, *["the result"] * (len(steps) - 1)]
        return [step.phrase(phrase, it) for step, phrase, it in zip(steps, phrases, names, strict=True)]

    def structural_mutants(self, steps: Sequence[Step]) -> Iterable[Mutant]:
        for index, step in enumerate(steps):
            if step.operation.source == step.operation.target:
                rest = (*steps[:index], *steps[index + 1 :])
                yield Mutant(f"without {step.operation.name}", self.meaning(rest))
        for index in range(len(steps) - 1):
            first, second = steps[index : index + 2]
            if len({kind for step in (first, second) for kind in (step.operation.source, step.operation.target)}) == 1:
                swapped = (*steps[:index], second, first, *steps[index + 2 :])
                yield Mutant(f"{second.operation.name} first", self.meaning(swapped), always_wrong=False)


def singles(family: str, operations: Iterable[Operation]) -> tuple[Structure, ...]:
    return tuple(Pipeline(family, (operation,)) for operation in operations)


def compositions(operations: Sequence[Operation], length: int) -> Iterator[Structure]:
    """Every chain of `length` operations whose kinds fit and in which none follows itself."""
    chains: list[tuple[Operation, ...]] = [(operation,) for operation in operations]
    for _ in range(length - 1):
        chains = [
            (*chain, operation)
            for chain in chains
            for operation in operations
            if operation.source == chain[-1].target and operation is not chain[-1]
        ]
    return (Pipeline("composition", chain) for chain in chains)
