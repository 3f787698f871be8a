"""The alphabet of generated tasks: small typed operations with a phrase, a piece of code and a meaning.

Code and meaning are written independently of each other; the tests compare them. Expected values of a task come from
the meaning, so nothing is executed to generate tasks.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from better_ai.tasks.task import Value

VARIABLES = {"number": "n", "text": "s", "numbers": "xs", "words": "words", "table": "d"}
"""The kinds of value and the one name that each has in every task: int, str, list[int], list[str], dict[str, int]."""

SMALL = tuple(range(2, 8))
MEDIUM = tuple(range(2, 13))
LARGE = tuple(range(2, 31))
LETTERS = tuple("aeioubcdlmnprst")
MARKS = ("-", "+", "!", "?", "_", "*", "#", ".", "/", ":")
KEYS = ("a", "b", "c", "x", "y", "z", "id", "age", "size", "name", "count", "total")


@dataclass(frozen=True, eq=False)
class Operation:
    """A step from a value of kind `source` to one of kind `target`.

    `code` is a Python expression with `{x}` for the value and the parameters by name; `phrases` say the same in words
    that begin with a verb, `{it}` standing for the value. `meaning(x, **parameters)` computes it.
    """

    name: str
    source: str
    target: str
    code: str
    meaning: Callable[..., Any]
    phrases: tuple[str, ...]
    parameters: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    cost: int = 1
    """Effort to write it, added up to a task's difficulty."""

    def bindings(self) -> Iterator[tuple[Value, ...]]:
        return product(*self.parameters.values())


@dataclass(frozen=True, eq=False)
class Predicate(Operation):
    """A yes-or-no question about a value. Its phrases continue "the numbers that": "are even", "start with ..."."""

    opposite: str = ""
    """The code of the negated question, as a person would write it."""


@dataclass(frozen=True)
class Step:
    """An operation with its parameters chosen."""

    operation: Operation
    values: tuple[Value, ...]

    @cached_property
    def _named(self) -> dict[str, Value]:
        return dict(zip(self.operation.parameters, self.values, strict=True))

    def code(self, variable: str) -> str:
        return self.operation.code.format(x=variable, **self._named)

    def opposite(self, variable: str) -> str:
        assert isinstance(self.operation, Predicate)
        return self.operation.opposite.format(x=variable, **self._named)

    def phrase(self, index: int, it: str) -> str:
        return self.operation.phrases[index].format(it=it, **self._named)

    def __call__(self, value: Any) -> Any:
        return self.operation.meaning(value, **self._named)

    def neighbours(self) -> Iterator["Step"]:
        """This step with one parameter changed: an integer by one, a string to the next of its choices."""
        for index, (value, choices) in enumerate(zip(self.values, self.operation.parameters.values(), strict=True)):
            if isinstance(value, int):
                others: tuple[Value, ...] = (value - 1, value + 1)
            else:
                others = (choices[(choices.index(value) + 1) % len(choices)],)
            for other in others:
                yield replace(self, values=(*self.values[:index], other, *self.values[index + 1 :]))


def lift(
    inner: Operation,
    *,
    name: str,
    kinds: tuple[str, str],
    element: str,
    code: str,
    meaning: Callable[..., Any],
    phrases: tuple[str, ...],
    it: str = "{it}",
) -> Operation:
    """An operation from `kinds[0]` to `kinds[1]` made from one on the elements, which the code calls `element`.

    In `code`, `{inner}` and `{opposite}` become the inner code; in `phrases`, `{inner}` becomes the inner phrase of
    the same index, said of `it`. `meaning(collection, function)` gets the inner operation with its parameters bound.
    """
    of_one = inner.meaning
    opposite = inner.opposite if isinstance(inner, Predicate) else ""
    for slot, replacement in (("{inner}", inner.code), ("{opposite}", opposite)):
        code = code.replace(slot, replacement.replace("{x}", element))
    return Operation(
        name=f"{name}_{inner.name}",
        source=kinds[0],
        target=kinds[1],
        code=code,
        meaning=lambda values, **parameters: meaning(values, lambda x: of_one(x, **parameters)),
        phrases=tuple(
            phrase.replace("{inner}", inner.phrases[index % len(inner.phrases)].replace("{it}", it))
            for index, phrase in enumerate(phrases)
        ),
        parameters=inner.parameters,
        cost=1 + inner.cost,
    )
