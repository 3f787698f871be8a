"""Operations on lists of integers and of words, many of them lifted from operations on one element."""

from collections.abc import Callable
from itertools import accumulate
from typing import Any

from better_ai.tasks import arithmetic, strings
from better_ai.tasks.operation import LARGE, MARKS, SMALL, Operation, Predicate, lift
from better_ai.tasks.task import Value

_ELEMENTS = {"numbers": ("x", "number"), "words": ("w", "word")}
"""What code and phrases call the elements of each kind of list."""


def keep(question: Predicate, kind: str) -> Operation:
    element, noun = _ELEMENTS[kind]
    return lift(
        question,
        name="keep",
        kinds=(kind, kind),
        element=element,
        code=f"[{element} for {element} in {{x}} if {{inner}}]",
        meaning=lambda values, holds: list(filter(holds, values)),
        phrases=(f"keep the {noun}s in {{it}} that {{inner}}", f"pick out the {noun}s in {{it}} that {{inner}}"),
    )


def remove(question: Predicate, kind: str) -> Operation:
    element, noun = _ELEMENTS[kind]
    return lift(
        question,
        name="remove",
        kinds=(kind, kind),
        element=element,
        code=f"[{element} for {element} in {{x}} if {{opposite}}]",
        meaning=lambda values, holds: [value for value in values if not holds(value)],
        phrases=(f"remove the {noun}s in {{it}} that {{inner}}", f"drop the {noun}s in {{it}} that {{inner}}"),
    )


def number_of(question: Predicate, kind: str) -> Operation:
    element, noun = _ELEMENTS[kind]
    return lift(
        question,
        name="number_of",
        kinds=(kind, "number"),
        element=element,
        code=f"sum(1 for {element} in {{x}} if {{inner}})",
        meaning=lambda values, holds: len(list(filter(holds, values))),
        phrases=(f"count the {noun}s in {{it}} that {{inner}}", f"find how many {noun}s in {{it}} {{inner}}"),
    )


def each(operation: Operation, kind: str) -> Operation:
    element, noun = _ELEMENTS[kind]
    return lift(
        operation,
        name="each",
        kinds=(kind, kind),
        element=element,
        code=f"[{{inner}} for {element} in {{x}}]",
        meaning=lambda values, function: list(map(function, values)),
        phrases=("{inner}",) * len(operation.phrases),
        it=f"each {noun} in {{it}}",
    )


def _list(
    name: str, kinds: tuple[str, str], code: str, meaning: Callable[..., Any], *phrases: str,
    cost: int = 1, **parameters: tuple[Value, ...],
) -> Operation:  # fmt: skip
    return Operation(name, *kinds, code, meaning, phrases, parameters, cost)


def _rearrangements(kind: str, noun: str) -> tuple[Operation, ...]:
    """Operations that look at places and order, not at what the elements are."""
    same = (kind, kind)
    return (
        _list(
            f"sort_{kind}", same, "sorted({x})", lambda x: sorted(x),
            "sort {it}", "put {it} in ascending order",
        ),
        _list(
            f"sort_{kind}_down", same, "sorted({x}, reverse=True)", lambda x: sorted(x)[::-1],
            "sort {it} in descending order", "put {it} in descending order",
        ),
        _list(f"reverse_{kind}", same, "{x}[::-1]", lambda x: list(reversed(x)), "reverse {it}", "turn {it} around"),
        _list(
            f"unique_{kind}", same, "list(dict.fromkeys({x}))",
            lambda x: [y for i, y in enumerate(x) if y not in x[:i]],
            "remove duplicates from {it}", "drop repeated " + noun + "s from {it}", cost=2,
        ),
        _list(
            f"first_{kind}", same, "{x}[:{k}]", lambda x, k: x[:k],
            f"take the first {{k}} {noun}s of {{it}}", f"keep only the first {{k}} {noun}s of {{it}}", k=SMALL,
        ),
        _list(
            f"without_first_{kind}", same, "{x}[{k}:]", lambda x, k: x[k:],
            f"drop the first {{k}} {noun}s of {{it}}", f"skip the first {{k}} {noun}s of {{it}}", k=SMALL,
        ),
        _list(
            f"last_{kind}", same, "{x}[-{k}:]", lambda x, k: x[max(len(x) - k, 0) :],
            f"take the last {{k}} {noun}s of {{it}}", f"keep only the last {{k}} {noun}s of {{it}}", k=SMALL,
        ),
    )  # fmt: skip


_TO_NUMBER = (
    _list(
        "sum", ("numbers", "number"), "sum({x})", lambda x: [0, *accumulate(x)][-1],
        "add up the numbers in {it}", "find the sum of {it}", "compute the total of {it}",
    ),
    _list(
        "largest", ("numbers", "number"), "max({x}, default=0)", lambda x: sorted(x)[-1] if x else 0,
        "find the largest number in {it}, or 0 if empty,", "take the maximum of {it}, or 0 if empty,",
    ),
    _list(
        "smallest", ("numbers", "number"), "min({x}, default=0)", lambda x: sorted(x)[0] if x else 0,
        "find the smallest number in {it}, or 0 if empty,", "take the minimum of {it}, or 0 if empty,",
    ),
    _list(
        "size", ("numbers", "number"), "len({x})", lambda x: len(x),
        "count the numbers in {it}", "find the length of {it}",
    ),
    _list(
        "times", ("numbers", "number"), "{x}.count({k})", lambda x, k: len([y for y in x if y == k]),
        "count how often {k} occurs in {it}", "count the {k}s in {it}", k=SMALL,
    ),
)  # fmt: skip

NUMBERS_OPERATIONS = (
    *(keep(question, "numbers") for question in arithmetic.NUMBER_PREDICATES),
    *(remove(question, "numbers") for question in arithmetic.NUMBER_PREDICATES),
    *(number_of(question, "numbers") for question in arithmetic.NUMBER_PREDICATES),
    *(each(operation, "numbers") for operation in arithmetic.BASIC),
    *_rearrangements("numbers", "number"),
    _list(
        "append_number", ("numbers", "numbers"), "{x} + [{k}]", lambda x, k: [*x, k],
        "append {k} to {it}", "put {k} at the end of {it}", k=LARGE,
    ),
    _list(
        "prepend_number", ("numbers", "numbers"), "[{k}] + {x}", lambda x, k: [k, *x],
        "prepend {k} to {it}", "put {k} at the start of {it}", k=LARGE,
    ),
    *_TO_NUMBER,
)  # fmt: skip

WORDS_OPERATIONS = (
    *(keep(question, "words") for question in strings.TEXT_PREDICATES),
    *(remove(question, "words") for question in strings.TEXT_PREDICATES),
    *(number_of(question, "words") for question in strings.TEXT_PREDICATES),
    *(each(operation, "words") for operation in strings.BASIC),
    *_rearrangements("words", "word"),
    _list(
        "sort_by_length", ("words", "words"), "sorted({x}, key=len)",
        lambda x: [y for _, _, y in sorted((len(y), i, y) for i, y in enumerate(x))],
        "sort {it} by length", "put {it} in order of length",
    ),
    _list("join", ("words", "text"), '"{c}".join({x})', lambda x, c: "".join(c + y for y in x)[1:],
        'join {it} with "{c}"', 'connect {it} with "{c}"', c=MARKS,
    ),
    _list(
        "lengths", ("words", "numbers"), "[len(w) for w in {x}]", lambda x: list(map(len, x)),
        "find the length of each word in {it}", "list the lengths of {it}",
    ),
    _list(
        "longest", ("words", "text"), 'max({x}, key=len, default="")',
        lambda x: next((y for y in x if all(len(y) >= len(z) for z in x)), ""),
        'find the longest word in {it}, or "" if empty,', cost=2,
    ),
    _list(
        "letters", ("words", "number"), "sum(len(w) for w in {x})", lambda x: len("".join(x)),
        "count the letters in {it}", "find the total length of {it}", cost=2,
    ),
)  # fmt: skip
