"""Operations on dictionaries from names to integers, and operations that make them."""

from collections.abc import Callable
from typing import Any

from better_ai.tasks import arithmetic
from better_ai.tasks.operation import KEYS, LARGE, Operation, Predicate, lift
from better_ai.tasks.task import Value


def _table(
    name: str, code: str, meaning: Callable[..., Any], *phrases: str,
    source: str = "table", target: str = "table", cost: int = 1, **parameters: tuple[Value, ...],
) -> Operation:  # fmt: skip
    return Operation(name, source, target, code, meaning, phrases, parameters, cost)


def _keep_values(question: Predicate) -> Operation:
    return lift(
        question,
        name="keep_values",
        kinds=("table", "table"),
        element="v",
        code="{{k: v for k, v in {x}.items() if {inner}}}",
        meaning=lambda table, holds: {key: table[key] for key in table if holds(table[key])},
        phrases=("keep the entries of {it} whose values {inner}", "pick out the entries of {it} whose values {inner}"),
    )


def _keys_with(question: Predicate) -> Operation:
    return lift(
        question,
        name="keys_with",
        kinds=("table", "words"),
        element="v",
        code="[k for k, v in {x}.items() if {inner}]",
        meaning=lambda table, holds: [key for key in table if holds(table[key])],
        phrases=("list the keys of {it} whose values {inner}", "collect the keys of {it} whose values {inner}"),
    )


def _each_value(operation: Operation) -> Operation:
    return lift(
        operation,
        name="each_value",
        kinds=("table", "table"),
        element="v",
        code="{{k: {inner} for k, v in {x}.items()}}",
        meaning=lambda table, function: dict(zip(table, map(function, table.values()), strict=True)),
        phrases=("{inner}",) * len(operation.phrases),
        it="each value in {it}",
    )


TABLE_OPERATIONS = (
    *(_keep_values(question) for question in arithmetic.NUMBER_PREDICATES),
    *(_keys_with(question) for question in arithmetic.NUMBER_PREDICATES),
    *(_each_value(operation) for operation in arithmetic.BASIC),
    _table(
        "get", '{x}.get("{c}", 0)', lambda x, c: sum(v for k, v in x.items() if k == c),
        'look up "{c}" in {it}, or 0 if missing,', 'get the value of "{c}" in {it}, or 0 if missing,',
        target="number", c=KEYS,
    ),
    _table(
        "set", '{x} | {{"{c}": {k}}}', lambda x, c, k: dict(x, **{c: k}),
        'set "{c}" to {k} in {it}', 'store {k} under "{c}" in {it}', c=KEYS, k=LARGE, cost=2,
    ),
    _table(
        "without_key", '{{k: v for k, v in {x}.items() if k != "{c}"}}',
        lambda x, c: dict(item for item in x.items() if item[0] != c),
        'remove "{c}" from {it}', 'drop the key "{c}" from {it}', c=KEYS, cost=2,
    ),
    _table("keys", "sorted({x})", lambda x: sorted(x.keys()), "list the sorted keys of {it}", target="words"),
    _table(
        "values", "list({x}.values())", lambda x: [x[key] for key in x],
        "list the values of {it}", "collect the values of {it}", target="numbers",
    ),
    _table(
        "total", "sum({x}.values())", lambda x: sum(x[key] for key in x),
        "add up the values of {it}", "find the sum of the values of {it}", target="number",
    ),
    _table(
        "largest_value", "max({x}.values(), default=0)", lambda x: sorted([0] if not x else x.values())[-1],
        "find the largest value in {it}, or 0 if empty,", target="number",
    ),
    _table(
        "best_key", 'max({x}, key={x}.get, default="")',
        lambda x: next((key for key in x if x[key] == max(x.values())), ""),
        'find the key of {it} with the largest value, or "" if empty,', target="text", cost=3,
    ),
    _table("entries", "len({x})", lambda x: len(x), "count the entries of {it}", target="number"),
)  # fmt: skip

TABLE_MAKERS = (
    _table(
        "tally", "{{w: {x}.count(w) for w in {x}}}", lambda x: {y: sum(y == z for z in x) for y in dict.fromkeys(x)},
        "count how often each word occurs in {it}", "map each word in {it} to its count", source="words", cost=2,
    ),
    _table(
        "word_lengths", "{{w: len(w) for w in {x}}}", lambda x: dict(zip(x, map(len, x), strict=True)),
        "map each word in {it} to its length", source="words", cost=2,
    ),
    _table(
        "character_tally", "{{c: {x}.count(c) for c in {x}}}", lambda x: {c: list(x).count(c) for c in x},
        "count how often each character occurs in {it}", "map each character of {it} to its count",
        source="text", cost=2,
    ),
)  # fmt: skip
