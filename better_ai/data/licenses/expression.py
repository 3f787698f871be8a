"""SPDX licence expressions: `MIT`, `Apache-2.0 OR GPL-2.0-only`, `(MIT AND BSD-3-Clause) OR Zlib`.

The grammar is Annex D of the SPDX specification 2.3, in which WITH binds tighter than AND, and AND tighter than OR.
Identifiers are compared without regard to case. Which identifiers exist is not asked here: an allow-list decides.
"""

import re
from collections.abc import Callable, Set
from dataclasses import dataclass

UNKNOWN_LICENSE = "unknown"

MAX_CHARACTERS = 2000

_OPERATORS = ("AND", "OR", "WITH")
_TOKEN = re.compile(r"\s*(?:([()])|([A-Za-z0-9.\-:]+\+?))")


class ExpressionError(ValueError):
    """Not a licence expression."""


@dataclass(frozen=True)
class Simple:
    """One licence, perhaps with an exception, which only ever permits more."""

    name: str
    exception: str | None = None

    def __str__(self) -> str:
        return self.name if self.exception is None else f"{self.name} WITH {self.exception}"


@dataclass(frozen=True)
class Compound:
    """Several: all of them hold (AND), or the receiver chooses (OR)."""

    operator: str
    parts: tuple["Expression", ...]

    def __str__(self) -> str:
        shown = (f"({part})" if isinstance(part, Compound) else str(part) for part in self.parts)
        return f" {self.operator} ".join(shown)


Expression = Simple | Compound


def parse_expression(text: str) -> Expression:
    """Raises ExpressionError when it is none, or longer than 2000 characters."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"{len(text)} characters, more than {MAX_CHARACTERS}")
    tokens, end = [], 0
    while match := _TOKEN.match(text, end):
        tokens.append(match.group(1) or match.group(2))
        end = match.end()
    if text[end:].strip() or not tokens:
        raise ExpressionError(f"{text[:80]!r} is no licence expression")
    try:
        expression = _parse_any(tokens)
    except (IndexError, RecursionError):
        raise ExpressionError(f"{text[:80]!r} ends too early or is nested too deeply") from None
    if tokens:
        raise ExpressionError(f"{text[:80]!r} has {tokens[0]!r} where AND or OR was expected")
    return expression


def allows(expression: Expression, allowed: Set[str]) -> bool:
    """Whether the licences in `allowed` (lower case) suffice: all parts of an AND, one part of an OR.

    A licence with an exception is allowed with its licence, as an exception only adds permissions; one "or later"
    (`Apache-2.0+`) with the version named.
    """
    if isinstance(expression, Compound):
        return (all if expression.operator == "AND" else any)(allows(part, allowed) for part in expression.parts)
    name = expression.name.lower()
    return str(expression).lower() in allowed or name in allowed or name.removesuffix("+") in allowed


def _parse_any(tokens: list[str]) -> Expression:
    """Takes the tokens of one expression off the front of the list."""
    return _joined("OR", tokens, lambda tokens: _joined("AND", tokens, _parse_one))


def _joined(operator: str, tokens: list[str], parse_part: Callable[[list[str]], Expression]) -> Expression:
    parts = [parse_part(tokens)]
    while tokens and tokens[0].upper() == operator:
        tokens.pop(0)
        parts.append(parse_part(tokens))
    return parts[0] if len(parts) == 1 else Compound(operator, tuple(parts))


def _parse_one(tokens: list[str]) -> Expression:
    token = tokens.pop(0)
    if token == "(":
        inner = _parse_any(tokens)
        if tokens.pop(0) != ")":
            raise ExpressionError("a parenthesis is not closed")
        return inner
    if token == ")" or token.upper() in _OPERATORS:
        raise ExpressionError(f"{token!r} stands where a licence was expected")
    if tokens and tokens[0].upper() == "WITH":
        tokens.pop(0)
        exception = tokens.pop(0)
        if exception in "()" or exception.upper() in _OPERATORS:
            raise ExpressionError(f"{exception!r} stands where an exception was expected")
        return Simple(token, exception)
    return Simple(token)
