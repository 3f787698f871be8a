"""Documents as sets: the hashed n-grams (shingles) of their code tokens.

A token is a run of letters, digits, underscores and non-ASCII bytes, or any other single byte that is not white space;
so white space never tells two documents apart, and operators do. All is vectorised over the bytes of many documents at
once: a running polynomial sum gives every token's hash by one subtraction (Karp and Rabin 1987), five token hashes
give a shingle. A block of bytes is small enough for the sums to stay in the processor's cache.

Hashes have 32 bits: two of a million shingles of one document fall together by chance in about 0.01 % of the cases,
which changes a similarity by no more. The hash is fixed and public: who wants to may build texts that collide.
Of a word longer than 32 KiB only that much counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

HASH_VERSION = 1
"""Raised with every change of what a shingle hash is: stored sets and signatures of other versions do not compare."""

BLOCK_BYTES = 1 << 15
_BASE = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class ShingleSets:
    """The sets of several documents, one after the other."""

    hashes: np.ndarray
    """uint32; ascending and distinct within each set."""
    bounds: np.ndarray
    """int64 (documents + 1,): document d has `hashes[bounds[d] : bounds[d + 1]]`; short documents have none."""

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, document: int) -> np.ndarray:
        return self.hashes[self.bounds[document] : self.bounds[document + 1]]


def shingle_sets(text: bytes, bounds: np.ndarray, ngram: int) -> ShingleSets:
    """The sets of documents `text[bounds[d] : bounds[d + 1]]` (UTF-8). Fewer than `ngram` tokens make an empty set."""
    assert bounds[0] == 0 and bounds[-1] == len(text)
    tokens, starts = _tokens(text, bounds)
    ends = np.searchsorted(starts, bounds)
    grams = _mix32(_ngrams(tokens, ngram))
    usable = np.maximum(np.diff(ends) - (ngram - 1), 0)
    first = np.zeros(len(usable) + 1, np.int64)
    np.cumsum(usable, out=first[1:])
    grams = grams[_within_documents(ends, ngram)[: len(grams)]]
    limits = first.tolist()
    for start, stop in pairwise(limits):
        grams[start:stop].sort()
    distinct = np.ones(len(grams) + 1, bool)
    np.not_equal(grams[1:], grams[:-1], out=distinct[1:-1])
    distinct[first] = True
    distinct = distinct[:-1]
    counts = np.zeros(len(grams) + 1, np.int64)
    np.cumsum(distinct, out=counts[1:])
    return ShingleSets(grams[distinct], counts[first])


def shingle_set(text: bytes, ngram: int) -> np.ndarray:
    """The set of one document."""
    return shingle_sets(text, np.array([0, len(text)]), ngram)[0]


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Similarity of two sets of hashes, each ascending and distinct; 0.0 if both are empty."""
    both = np.concatenate([a, b])
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared) if len(both) else 0.0


def _tokens(text: bytes, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hash, uint32, and first byte, int64, of every token."""
    kinds = np.frombuffer(text.translate(_KINDS), np.uint8)
    previous = np.zeros(len(kinds), np.uint8)
    np.bitwise_and(kinds[:-1], 1, out=previous[1:])
    previous[bounds[:-1][np.diff(bounds) > 0]] = 0
    starts = np.flatnonzero(kinds > previous)
    values = np.frombuffer(text.translate(_VALUES), np.uint8)
    hashes = np.empty(len(starts), np.uint32)
    sums = np.zeros(BLOCK_BYTES + 1, np.uint64)
    for begin, end, first, last in _blocks(starts, len(text)):
        size = end - begin
        np.multiply(values[begin:end], _POWERS[:size], out=sums[1 : size + 1])
        np.add.accumulate(sums[1 : size + 1], out=sums[1 : size + 1])
        places = starts[first:last] - begin
        at = sums[np.append(places, size)]
        hashes[first:last] = _mix64((at[1:] - at[:-1]) * _INVERSES[places]) >> np.uint64(32)
    return hashes, starts


def _blocks(starts: np.ndarray, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Byte ranges of at most BLOCK_BYTES that begin where tokens do, and the tokens in them."""
    first = 0
    while first < len(starts):
        begin = int(starts[first])
        limit = begin + BLOCK_BYTES
        last = int(np.searchsorted(starts, limit, "right"))
        if limit < size and last - first > 1:
            last -= 1
        yield begin, min(int(starts[last]) if last < len(starts) else size, limit), first, last
        first = last


def _ngrams(tokens: np.ndarray, ngram: int) -> np.ndarray:
    """One 32-bit value per run of `ngram` tokens, across the bounds of documents too."""
    count = max(0, len(tokens) - ngram + 1)
    grams = np.zeros(count, np.uint32)
    for place in range(ngram):
        grams += tokens[place : place + count] * _FACTORS[place]
    return grams


def _within_documents(ends: np.ndarray, ngram: int) -> np.ndarray:
    """Which runs of tokens do not cross the end of their document."""
    within = np.ones(int(ends[-1]), bool)
    starts, stops = ends[:-1], ends[1:]
    for back in range(1, ngram):
        within[(stops - back)[stops - starts >= back]] = False
    return within


def _kinds() -> bytes:
    """0 white space, 1 part of a word, 2 a token of its own."""
    kinds = bytearray([2] * 256)
    for code in range(256):
        if code >= 128 or chr(code).isalnum() or code == ord("_"):
            kinds[code] = 1
    for code in b" \t\n\r\f\v":
        kinds[code] = 0
    return bytes(kinds)


def _mix32(values: np.ndarray) -> np.ndarray:
    """Spread the bits (the 32-bit finaliser of MurmurHash3)."""
    values ^= values >> np.uint32(16)
    values *= np.uint32(0x85EBCA6B)
    values ^= values >> np.uint32(13)
    values *= np.uint32(0xC2B2AE35)
    values ^= values >> np.uint32(16)
    return values


def _mix64(values: np.ndarray) -> np.ndarray:
    """Spread the bits (the first half of the 64-bit finaliser of MurmurHash3); the upper half is what is used."""
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    return values


def _powers(base: int) -> np.ndarray:
    """The first powers modulo 2**64."""
    factors = np.full(BLOCK_BYTES, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


_KINDS = _kinds()
_VALUES = bytes(0 if kind == 0 else code or ord(" ") for code, kind in enumerate(_KINDS))
"""White space adds nothing to a sum; the zero byte takes the value that the space has no use for."""
_POWERS, _INVERSES = _powers(_BASE), _powers(pow(_BASE, -1, 1 << 64))
_FACTORS = (_POWERS[1:65] >> np.uint64(31)).astype(np.uint32) | np.uint32(1)
