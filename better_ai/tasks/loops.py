"""Functions with an explicit loop: accumulating with a guard, and shrinking a number step by step."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from better_ai.tasks import arithmetic, strings
from better_ai.tasks.operation import Operation, Predicate, Step
from better_ai.tasks.structure import Meaning, Mutant, Structure
from better_ai.tasks.wording import third_person


@dataclass(frozen=True)
class Range:
    """What a loop runs over."""

    source: str
    header: str
    element: str
    noun: str
    phrase: str
    items: Callable[[Any], Iterable[Any]]


@dataclass(frozen=True)
class Guard:
    """What a loop does about the elements for which a question holds."""

    name: str
    phrase: str
    """`{are}` stands for the question in the plural, `{is_}` in the singular."""
    chosen: str
    """How the text calls the elements that are used."""
    select: Callable[[Iterable[Any], Callable[[Any], bool]], Iterable[Any]]


@dataclass(frozen=True)
class Accumulator:
    """What a loop builds up; `{e}` in the code stands for an element, `{them}` in the phrase for all."""

    name: str
    start: str
    update: str
    phrase: str
    fold: Callable[[Iterable[Any]], Any]

    @property
    def variable(self) -> str:
        return self.start.partition(" ")[0]


LIST = Range("numbers", "for x in xs:", "x", "number", "loop over xs", lambda xs: xs)
COUNT_UP = Range("number", "for i in range(1, n + 1):", "i", "number", "loop from 1 to n", lambda n: range(1, n + 1))
CHARACTERS = Range("text", "for c in s:", "c", "character", "loop over s", lambda s: s)

KEEP = Guard("keep", "pick the {noun}s that {are}", "them", lambda items, holds: filter(holds, items))
SKIP = Guard(
    "skip", "skip the {noun}s that {are}", "the others",
    lambda items, holds: (x for x in items if not holds(x)),
)  # fmt: skip
STOP = Guard(
    "stop", "stop at the first {noun} that {is_}", "the ones before it",
    lambda items, holds: takewhile(lambda x: not holds(x), items),
)  # fmt: skip
GUARDS = (KEEP, SKIP, STOP)

TOTAL = Accumulator("total", "total = 0", "total += {e}", "add up {them}", sum)
COUNT = Accumulator("count", "count = 0", "count += 1", "count {them}", lambda items: sum(1 for _ in items))
COLLECT = Accumulator("collect", "result = []", "result.append({e})", "collect {them} in a list", list)
CONCATENATE = Accumulator("concatenate", 'result = ""', "result += {e}", "join {them}", "".join)


@dataclass(frozen=True, eq=False)
class Loop(Structure):
    """Go over a range with a guard, change each chosen element and accumulate. Slots: question[, change]."""

    over: Range
    guard: Guard
    accumulator: Accumulator

    connectives = ((", ", " and "), (", ", ", then "))

    @property
    def name(self) -> str:
        parts = (self.accumulator.name, self.over.source, self.guard.name, *(slot.name for slot in self.slots))
        return "for_" + ":".join(parts)

    @property
    def source(self) -> str:
        return self.over.source

    @property
    def cost(self) -> int:
        return super().cost + 2

    def body(self, steps: Sequence[Step]) -> list[str]:
        question = steps[0].code(self.over.element)
        element = steps[1].code(self.over.element) if len(steps) > 1 else self.over.element
        update = self.accumulator.update.format(e=element)
        if self.guard is KEEP:
            inner = [f"        if {question}:", f"            {update}"]
        else:
            leave = "continue" if self.guard is SKIP else "break"
            inner = [f"        if {question}:", f"            {leave}", f"        {update}"]
        return [
            f"    {self.accumulator.start}",
            f"    {self.over.header}",
            *inner,
            f"    return {self.accumulator.variable}",
        ]

    def meaning(self, steps: Sequence[Step]) -> Meaning:
        return self._guarded(self.guard, steps)

    def _guarded(self, guard: Guard | None, steps: Sequence[Step]) -> Meaning:
        question, *changes = steps

        def run(value: Any) -> Any:
            items = self.over.items(value)
            chosen = guard.select(items, question) if guard else items
            for change in changes:
                chosen = map(change, chosen)
            return self.accumulator.fold(chosen)

        return run

    def clauses(self, steps: Sequence[Step], phrases: Sequence[int]) -> list[str]:
        question = steps[0].phrase(phrases[0], "")
        guard = self.guard.phrase.format(noun=self.over.noun, are=question, is_=third_person(question))
        chosen = self.guard.chosen
        changes = [step.phrase(phrase, chosen) for step, phrase in zip(steps[1:], phrases[1:], strict=True)]
        them = "the results" if changes else chosen
        return [self.over.phrase, guard, *changes, self.accumulator.phrase.format(them=them)]

    def structural_mutants(self, steps: Sequence[Step]) -> Iterable[Mutant]:
        yield Mutant("without the guard", self._guarded(None, steps))
        for guard in GUARDS:
            if guard is not self.guard:
                yield Mutant(f"guard {guard.name}", self._guarded(guard, steps))
        if len(steps) > 1:
            yield Mutant("without the change", self.meaning(steps[:1]))


@dataclass(frozen=True, eq=False)
class Shrink(Structure):
    """Repeat a step while a question holds, then give the number of steps or what is left. Slots: question, step."""

    counts: bool

    connectives = ((", ", " and "), (", ", ", then "))

    @property
    def name(self) -> str:
        return f"while_{'steps' if self.counts else 'rest'}:" + ":".join(slot.name for slot in self.slots)

    @property
    def source(self) -> str:
        return "number"

    @property
    def cost(self) -> int:
        return super().cost + 2

    def body(self, steps: Sequence[Step]) -> list[str]:
        loop = [f"    while {steps[0].code('n')}:", f"        n = {steps[1].code('n')}"]
        if self.counts:
            return ["    count = 0", *loop, "        count += 1", "    return count"]
        return [*loop, "    return n"]

    def meaning(self, steps: Sequence[Step]) -> Meaning:
        question, step = steps

        def run(value: int) -> int:
            count = 0
            while question(value):
                value, count = step(value), count + 1
            return count if self.counts else value

        return run

    def clauses(self, steps: Sequence[Step], phrases: Sequence[int]) -> list[str]:
        question = third_person(steps[0].phrase(phrases[0], ""))
        repeat = f"{steps[1].phrase(phrases[1], 'n').rstrip(',')} as long as it {question}"
        return [repeat, "count the steps" if self.counts else "return what is left"]

    def structural_mutants(self, steps: Sequence[Step]) -> Iterable[Mutant]:
        question, step = steps
        yield Mutant("once instead of repeatedly", lambda n: int(question(n)) if self.counts else step(n))
        yield Mutant("the other result", Shrink(self.family, self.slots, not self.counts).meaning(steps))


def loops() -> Iterator[Structure]:
    """Loops over lists, over 1..n and over strings, and while loops."""
    numbers: Sequence[Predicate] = arithmetic.NUMBER_PREDICATES
    # From 1 to n every number is positive.
    counted = [question for question in numbers if question.name not in ("negative", "positive")]
    changes = [operation for operation in arithmetic.BASIC if operation is not arithmetic.ABSOLUTE]
    for over, questions in ((LIST, numbers), (COUNT_UP, counted)):
        for guard in GUARDS:
            yield from _accumulations(over, guard, TOTAL, questions, changes)
            yield from _accumulations(over, guard, COLLECT, questions, changes)
            yield from _accumulations(over, guard, COUNT, questions, ())
    characters = (strings.UPPER, strings.REPEAT, strings.APPEND, strings.PREPEND)
    for guard in GUARDS:
        yield from _accumulations(CHARACTERS, guard, CONCATENATE, strings.CHARACTER_PREDICATES, characters)
        yield from _accumulations(CHARACTERS, guard, COUNT, strings.CHARACTER_PREDICATES, ())
    # A divisor of at least 3, so that a mutant with one less still ends.
    divide = replace(arithmetic.FLOOR_DIVIDE, parameters={"k": tuple(range(3, 9))})
    greater = numbers[0]
    for counts in (True, False):
        for step in (divide, arithmetic.SUBTRACT):
            yield Shrink("loops", (greater, step), counts)


def _accumulations(
    over: Range, guard: Guard, accumulator: Accumulator, questions: Iterable[Predicate], changes: Iterable[Operation]
) -> Iterator[Structure]:
    for question in questions:
        yield Loop("loops", (question,), over, guard, accumulator)
        for change in changes:
            yield Loop("loops", (question, change), over, guard, accumulator)
