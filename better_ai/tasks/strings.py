"""Operations on strings, and questions about them and about single characters."""

from collections.abc import Callable
from typing import Any

from better_ai.tasks.operation import LETTERS, MARKS, SMALL, Operation, Predicate
from better_ai.tasks.task import Value


def _text(
    name: str, code: str, meaning: Callable[..., Any], *phrases: str,
    target: str = "text", cost: int = 1, **parameters: tuple[Value, ...],
) -> Operation:  # fmt: skip
    return Operation(name, "text", target, code, meaning, phrases, parameters, cost)


def _question(
    name: str, code: str, opposite: str, meaning: Callable[..., bool], *phrases: str, **parameters: tuple[Value, ...]
) -> Predicate:
    return Predicate(name, "text", "flag", code, meaning, phrases, parameters, opposite=opposite)


UPPER = _text("upper", "{x}.upper()", lambda x: x.upper(), "uppercase {it}", "convert {it} to upper case")
LOWER = _text("lower", "{x}.lower()", lambda x: x.lower(), "lowercase {it}", "convert {it} to lower case")
REVERSE = _text("reverse", "{x}[::-1]", lambda x: "".join(reversed(x)), "reverse {it}", "turn {it} backwards")
CAPITALIZE = _text("capitalize", "{x}.capitalize()", lambda x: x[:1].upper() + x[1:].lower(), "capitalize {it}")
FIRST = _text(
    "first", "{x}[:{k}]", lambda x, k: x[:k],
    "take the first {k} characters of {it}", "shorten {it} to {k} characters", k=SMALL,
)  # fmt: skip
WITHOUT_FIRST = _text(
    "without_first", "{x}[{k}:]", lambda x, k: x[k:],
    "drop the first {k} characters of {it}", "remove {k} characters from the start of {it}", k=SMALL,
)  # fmt: skip
LAST = _text(
    "last", "{x}[-{k}:]", lambda x, k: x[max(len(x) - k, 0) :],
    "take the last {k} characters of {it}", "keep only the final {k} characters of {it}", k=SMALL,
)  # fmt: skip
WITHOUT_LAST = _text(
    "without_last", "{x}[:-{k}]", lambda x, k: x[: max(len(x) - k, 0)],
    "drop the last {k} characters of {it}", "remove {k} characters from the end of {it}", k=SMALL,
)  # fmt: skip
REPEAT = _text("repeat", "{x} * {k}", lambda x, k: x * k, "repeat {it} {k} times", "write {it} {k} times", k=SMALL)
APPEND = _text("append", '{x} + "{c}"', lambda x, c: f"{x}{c}", 'append "{c}" to {it}', 'put "{c}" after {it}', c=MARKS)
PREPEND = _text(
    "prepend", '"{c}" + {x}', lambda x, c: f"{c}{x}", 'prepend "{c}" to {it}', 'put "{c}" before {it}', c=MARKS
)
REMOVE = _text(
    "remove", '{x}.replace("{c}", "")', lambda x, c: "".join(y for y in x if y != c),
    'remove every "{c}" from {it}', 'delete all "{c}" in {it}', c=LETTERS,
)  # fmt: skip
REPLACE = _text(
    "replace", '{x}.replace("{a}", "{b}")', lambda x, a, b: "".join(b if y == a else y for y in x),
    'replace every "{a}" in {it} with "{b}"', 'change each "{a}" in {it} to "{b}"', a=LETTERS, b=MARKS, cost=2,
)  # fmt: skip
STRIDE = _text(
    "stride", "{x}[::{k}]", lambda x, k: "".join(y for i, y in enumerate(x) if i % k == 0),
    "take every {k}th character of {it}", k=SMALL[1:],
)  # fmt: skip
SURROUND = _text(
    "surround", '"{c}" + {x} + "{c}"', lambda x, c: f"{c}{x}{c}",
    'surround {it} with "{c}"', 'put "{c}" on both sides of {it}', c=MARKS, cost=2,
)  # fmt: skip
PAD = _text(
    "pad", '{x}.ljust({k}, "{c}")', lambda x, k, c: x + c * (k - len(x)),
    'pad {it} on the right with "{c}" to length {k}', k=tuple(range(6, 13)), c=MARKS, cost=2,
)  # fmt: skip
INITIALS = _text(
    "initials", '"".join(w[0] for w in {x}.split())', lambda x: "".join(w[:1] for w in x.split()),
    "take the first letter of each word in {it}", "join the initials of the words in {it}", cost=3,
)  # fmt: skip

LENGTH = _text(
    "length", "len({x})", lambda x: len(x), "count the characters of {it}", "find the length of {it}", target="number"
)
OCCURRENCES = _text(
    "occurrences", '{x}.count("{c}")', lambda x, c: sum(y == c for y in x),
    'count how often "{c}" occurs in {it}', 'count the "{c}" in {it}', target="number", c=LETTERS,
)  # fmt: skip
POSITION = _text(
    "position", '{x}.find("{c}")', lambda x, c: x.index(c) if c in x else -1,
    'find the index of the first "{c}" in {it}, or -1,', target="number", c=LETTERS,
)  # fmt: skip
WORD_COUNT = _text(
    "word_count", "len({x}.split())", lambda x: len(x.split()), "count the words in {it}", target="number", cost=2
)
SPLIT = _text(
    "split", "{x}.split()", lambda x: x.split(), "split {it} into words", "list the words in {it}", target="words"
)
SPLIT_AT = _text(
    "split_at", '{x}.split("{c}")', lambda x, c: x.split(c), 'split {it} at every "{c}"', target="words", c=LETTERS
)

BASIC = (UPPER, REVERSE, CAPITALIZE, FIRST, WITHOUT_FIRST, LAST, REPEAT, APPEND, PREPEND, REMOVE)
"""Short enough to stand inside comprehensions and branches."""

TEXT_OPERATIONS = (
    *BASIC, LOWER, WITHOUT_LAST, REPLACE, STRIDE, SURROUND, PAD, INITIALS,
    LENGTH, OCCURRENCES, POSITION, WORD_COUNT, SPLIT, SPLIT_AT,
)  # fmt: skip

TEXT_PREDICATES = (
    _question(
        "longer", "len({x}) > {k}", "len({x}) <= {k}", lambda x, k: len(x) > k,
        "are longer than {k} characters", "have more than {k} characters", k=SMALL,
    ),
    _question(
        "shorter", "len({x}) < {k}", "len({x}) >= {k}", lambda x, k: len(x) < k,
        "are shorter than {k} characters", "have fewer than {k} characters", k=SMALL[1:],
    ),
    _question(
        "contains", '"{c}" in {x}', '"{c}" not in {x}', lambda x, c: x.count(c) > 0,
        'contain "{c}"', 'have a "{c}"', c=LETTERS,
    ),
    _question(
        "starts", '{x}.startswith("{c}")', 'not {x}.startswith("{c}")', lambda x, c: x[:1] == c,
        'start with "{c}"', 'begin with "{c}"', c=LETTERS,
    ),
    _question(
        "ends", '{x}.endswith("{c}")', 'not {x}.endswith("{c}")', lambda x, c: x[-1:] == c,
        'end with "{c}"', c=LETTERS,
    ),
)  # fmt: skip

CHARACTER_PREDICATES = (
    _question("vowel", '{x} in "aeiou"', '{x} not in "aeiou"', lambda x: x in set("aeiou"), 'belong to "aeiou"'),
    _question("capital", "{x}.isupper()", "not {x}.isupper()", lambda x: "A" <= x <= "Z", "are upper case"),
    _question("digit", "{x}.isdigit()", "not {x}.isdigit()", lambda x: "0" <= x <= "9", "are numeric"),
    _question("space", '{x} == " "', '{x} != " "', lambda x: x.isspace(), "are blank"),
    _question("equal", '{x} == "{c}"', '{x} != "{c}"', lambda x, c: x == c, 'are equal to "{c}"', c=LETTERS),
)
"""Questions about a string of one character."""
