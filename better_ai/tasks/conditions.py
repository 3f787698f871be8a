"""Functions that choose between branches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from better_ai.tasks import arithmetic, strings
from better_ai.tasks.operation import Operation, Predicate, Step
from better_ai.tasks.structure import Meaning, Mutant, Structure
from better_ai.tasks.wording import third_person

LABELS = ("high", "low", "big", "small", "mid", "yes", "no", "ok", "hot", "cold", "warm", "fast", "slow")

_AS_IT_IS = ("leave {it} unchanged", "return {it} as it is")
UNCHANGED = {
    kind: Operation("unchanged", kind, kind, "{x}", lambda x: x, _AS_IT_IS, cost=0) for kind in ("number", "text")
}
LABEL = Operation("label", "number", "text", '"{w}"', lambda _, w: w, ('return "{w}"', 'answer "{w}"'), {"w": LABELS})


@dataclass(frozen=True, eq=False)
class Branch(Structure):
    """Questions in turn, each followed by the step to take when it holds; the last step is taken otherwise.

    Slots: question, step, question, step, ..., step.
    """

    connectives = ((", ", " and "), (", ", "; "))

    @property
    def name(self) -> str:
        return "if_" + ":".join(operation.name for operation in self.slots)

    @property
    def source(self) -> str:
        return self.slots[0].source

    def body(self, steps: Sequence[Step]) -> list[str]:
        lines = []
        for question, step in zip(steps[:-1:2], steps[1::2], strict=True):
            lines += [f"    if {question.code(self.variable)}:", f"        return {step.code(self.variable)}"]
        return [*lines, f"    return {steps[-1].code(self.variable)}"]

    def meaning(self, steps: Sequence[Step]) -> Meaning:
        cases, otherwise = list(zip(steps[:-1:2], steps[1::2], strict=True)), steps[-1]
        return lambda value: next((step for question, step in cases if question(value)), otherwise)(value)

    def clauses(self, steps: Sequence[Step], phrases: Sequence[int]) -> list[str]:
        clauses: list[str] = []
        for index in range(0, len(steps) - 1, 2):
            name = "it" if clauses else self.variable
            question = third_person(steps[index].phrase(phrases[index], name))
            clauses.append(f"{steps[index + 1].phrase(phrases[index + 1], name)} if {name} {question}")
        return [*clauses, f"otherwise {steps[-1].phrase(phrases[-1], 'it')}"]

    def structural_mutants(self, steps: Sequence[Step]) -> Iterable[Mutant]:
        for index in range(0, len(steps) - 1, 2):
            fewer = (*steps[:index], *steps[index + 2 :])
            yield Mutant(f"without the case {steps[index].operation.name}", self.meaning(fewer))
        yield Mutant("never otherwise", self.meaning((*steps[:-1], steps[-2])))
        yield Mutant("branches exchanged", self.meaning((*steps[:-2], steps[-1], steps[-2])))


def branches() -> Iterator[Structure]:
    """Two-way branches on numbers and on strings, and three-way labels of numbers."""
    yield from _two_way(arithmetic.NUMBER_PREDICATES, arithmetic.BASIC, UNCHANGED["number"])
    yield from _two_way(strings.TEXT_PREDICATES, strings.BASIC, UNCHANGED["text"])
    for first, second in permutations(arithmetic.NUMBER_PREDICATES, 2):
        yield Branch("conditions", (first, LABEL, second, LABEL, LABEL))


def _two_way(
    questions: Iterable[Predicate], operations: Sequence[Operation], unchanged: Operation
) -> Iterator[Structure]:
    for question in questions:
        for then in operations:
            for otherwise in (*operations, unchanged):
                if then is not otherwise:
                    yield Branch("conditions", (question, then, otherwise))
