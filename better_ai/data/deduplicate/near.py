"""The step that removes near-duplicates: MinHash (Broder 1997) finds candidates, the true Jaccard similarity decides.

A document is removed only if a document *that is kept* shares at least `threshold` of its 5-grams of code tokens
(Jaccard similarity of the sets). So chains never merge strangers: if A ~ B ~ C but A and C differ, B goes and C stays.
Documents are looked at from the best down, hence the best of a family stays. Documents shorter than one 5-gram are
left alone: only equal ones are duplicates, and the exact step has removed those.

All is vectorised over the bytes: tokens are hashed by one running polynomial sum, shingles from five token hashes.
128 permutations in 32 bands of 4 find a pair of similarity 0.7 with probability 0.9998 (16 bands of 8: 0.61);
the false candidates this brings are discarded by the signatures at almost no cost.
"""

from collections import defaultdict
from functools import cache

import numpy as np
import pyarrow as pa

from better_ai.data.deduplicate.exact import keep_order
from better_ai.data.step import Stepped, reject_rows

NGRAM = 5
PERMUTATIONS = 128
BANDS = 32
SKETCH_SLACK = 0.15
"""How far the estimate from 128 permutations may fall below the threshold: 3.4 standard deviations or more."""

_BASE = 0x9E3779B97F4A7C15
_PERMUTATION_CHUNK = 2048


def near_duplicates(batch: pa.RecordBatch, threshold: float) -> Stepped:
    """Turn away documents that are near-duplicates of a kept one, naming it and the similarity."""

    sources = batch.column("source").to_pylist()
    shingles = [shingle_hashes(text.encode()) for text in batch.column("content").to_pylist()]
    reasons: list[str | None] = [None] * batch.num_rows
    for row, (twin, similarity) in _find(shingles, keep_order(batch), threshold).items():
        reasons[row] = f"similarity {similarity:.3f} to {sources[twin]}"
    return reject_rows(batch, "near_duplicates", reasons)


def shingle_hashes(text: bytes) -> np.ndarray:
    """Sorted distinct 64-bit hashes of the 5-grams of code tokens: words, and single other characters. May be empty."""
    codes = np.frombuffer(text, np.uint8)
    starts, stops = _token_bounds(codes)
    if len(starts) < NGRAM:
        return np.empty(0, np.uint64)
    power, inverse = _powers(1 << max(16, len(codes).bit_length()))
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum((codes.astype(np.uint64) + np.uint64(1)) * power[: len(codes)], out=sums[1:])
    tokens = _mix((sums[stops] - sums[starts]) * inverse[starts])
    count = len(tokens) - NGRAM + 1
    shingles = sum(tokens[place : place + count] * power[place + 1] for place in range(NGRAM))
    return np.unique(_mix(np.asarray(shingles, np.uint64)))


def minhash(hashes: np.ndarray) -> np.ndarray:
    """Signature, uint32 (PERMUTATIONS,): the least value over the hashes under each multiply-shift permutation."""
    factors, offsets = _permutations()
    least = np.full(PERMUTATIONS, np.iinfo(np.uint64).max, np.uint64)
    for start in range(0, len(hashes), _PERMUTATION_CHUNK):
        values = hashes[start : start + _PERMUTATION_CHUNK, None] * factors + offsets
        np.minimum(least, values.min(0), out=least)
    return (least >> np.uint64(32)).astype(np.uint32)


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Similarity of two sets of hashes, each sorted and distinct."""
    both = np.concatenate([a, b])
    both.sort(kind="stable")
    shared = int((both[1:] == both[:-1]).sum())
    return shared / (len(both) - shared) if len(both) else 0.0


def _find(shingles: list[np.ndarray], order: list[int], threshold: float) -> dict[int, tuple[int, float]]:
    """Removed row -> the kept row it resembles most, and how much. Rows are decided in `order`."""
    signatures = np.zeros((len(shingles), PERMUTATIONS), np.uint32)
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    removed: dict[int, tuple[int, float]] = {}
    for row in order:
        if not len(shingles[row]):
            continue
        signature = signatures[row] = minhash(shingles[row])
        keys = [(band, part.tobytes()) for band, part in enumerate(signature.reshape(BANDS, -1))]
        kept = sorted({twin for key in keys for twin in buckets.get(key, ())})
        estimates = (signatures[kept] == signature).mean(1) if kept else ()
        near = [twin for twin, estimate in zip(kept, estimates, strict=True) if estimate >= threshold - SKETCH_SLACK]
        similarities = [jaccard(shingles[row], shingles[twin]) for twin in near]
        if max(similarities, default=0.0) >= threshold:
            most = max(similarities)
            removed[row] = (near[similarities.index(most)], most)
        else:
            for key in keys:
                buckets[key].append(row)
    return removed


def _token_bounds(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each token starts and stops: runs of letters, digits, underscores and non-ASCII; other bytes one by one."""
    kind = _BYTE_KINDS[codes]
    joins_previous = np.zeros(len(codes), bool)
    joins_previous[1:] = (kind[1:] == 1) & (kind[:-1] == 1)
    starts = np.flatnonzero((kind > 0) & ~joins_previous)
    joins_next = np.append(joins_previous[1:], False)
    stops = np.flatnonzero((kind > 0) & ~joins_next) + 1
    return starts, stops


def _byte_kinds() -> np.ndarray:
    """0 white space, 1 part of a word, 2 a token of its own."""
    kinds = np.full(256, 2, np.uint8)
    kinds[[code for code in range(256) if code >= 128 or chr(code).isalnum() or code == ord("_")]] = 1
    kinds[list(b" \t\n\r\f\v")] = 0
    return kinds


_BYTE_KINDS = _byte_kinds()


def _mix(values: np.ndarray) -> np.ndarray:
    """Spread the bits (the finaliser of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


@cache
def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first powers of the base and of its inverse, modulo 2**64."""
    powers = []
    for base in (_BASE, pow(_BASE, -1, 1 << 64)):
        factors = np.full(count, base, np.uint64)
        factors[0] = 1
        powers.append(np.multiply.accumulate(factors))
    return powers[0], powers[1]


@cache
def _permutations() -> tuple[np.ndarray, np.ndarray]:
    """Odd factors and offsets, each of shape (1, PERMUTATIONS)."""
    generator = np.random.default_rng(1)
    factors, offsets = generator.integers(0, 1 << 64, (2, 1, PERMUTATIONS), dtype=np.uint64)
    return factors | np.uint64(1), offsets
