"""Where private things stand in a text, and how placeholders take their places.

There is one kind of span for secrets and for personal data, found on the same text and replaced in one go, so that no
replacement shifts what another one refers to. A span never carries what it covers.
"""

import bisect
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)")
_LONGEST_ESCAPE = 10


class Span(NamedTuple):
    """`text[start:end]`, in characters, is of this kind, with a confidence from 0 to 1."""

    start: int
    end: int
    kind: str
    confidence: float


def resolve(text: str, spans: Iterable[Span]) -> list[Span]:
    """The spans in order of place, none overlapping: of those that do, the surest, then the longest, then the first.

    A span that would begin inside an escape sequence of a string literal, as an address does in "\\nann@...", begins
    after it: half an escape sequence would not parse.
    """
    taken: list[Span] = []
    for span in sorted(spans, key=lambda span: (-span.confidence, span.start - span.end, span)):
        span = span._replace(start=_after_escape(text, span.start))
        place = bisect.bisect(taken, span)
        free_before = place == 0 or taken[place - 1].end <= span.start
        free_after = place == len(taken) or span.end <= taken[place].start
        if span.start < span.end and free_before and free_after:
            taken.insert(place, span)
    return taken


def mask(text: str, spans: Sequence[Span]) -> str:
    """Put the placeholder of its kind in the place of each span; the spans are in order and do not overlap."""
    parts, done = [], 0
    for span in spans:
        assert done <= span.start < span.end <= len(text), f"{span} is out of order"
        parts += [text[done : span.start], placeholder(span.kind)]
        done = span.end
    return "".join([*parts, text[done:]])


def placeholder(kind: str) -> str:
    """What stands for a thing of this kind: an identifier, so that code parses inside and outside of strings."""
    return f"REDACTED_{kind.upper()}"


def _after_escape(text: str, start: int) -> int:
    """The first place from `start` on that is not inside an escape sequence."""
    backslash = text.rfind("\\", max(0, start - _LONGEST_ESCAPE), start)
    if backslash < 0:
        return start
    first = backslash
    while first > 0 and text[first - 1] == "\\":
        first -= 1
    escaped_itself = (backslash - first) % 2 == 1
    escape = None if escaped_itself else _ESCAPE.match(text, backslash)
    return max(start, escape.end()) if escape else start
