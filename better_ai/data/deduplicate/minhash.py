"""MinHash signatures (Broder 1997) whose values agree with probability J for sets of Jaccard similarity J.

Each set is cut into eight bins by the upper bits of its hashes, and every bin is hashed with an eighth of the
permutations (one-permutation hashing, Li, Owen and Zhang 2012, arXiv 1208.1259, with 16 permutations per bin instead
of one); so a hash meets 16 multiplications, not 128. A bin without hashes takes the values of the next one that has
some (rotation densification, Shrivastava and Li 2014, arXiv 1406.4784), which keeps the estimate unbiased. The
permutations are multiplications by odd numbers modulo 2**32, of hashes that are mixed already.

From 64 hashes upwards the standard error is that of 128 independent permutations, sqrt(J (1 - J) / 128), within 10 %
or so. Smaller sets fill few bins, and the error grows to twice that at 12 hashes; their true similarity is cheap and
is computed at once. Bands are taken within a bin, so that small sets meet no less often for it.
"""

from functools import cache

import numpy as np

from better_ai.data.deduplicate.shingles import ShingleSets

BINS = 8
SKETCH_CHANCE = 1 / 256
"""How often the 8-bit values of unequal minima agree."""

_CHUNK = 8192


def minhash(sets: ShingleSets, permutations: int) -> np.ndarray:
    """Signatures, uint32 (documents, permutations); those of empty sets are all ones and say nothing."""
    factors = _factors(permutations)
    per_bin = len(factors)
    least = np.full((len(sets) * BINS, per_bin), np.iinfo(np.uint32).max, np.uint32)
    pieces, slots = _pieces(sets)
    work = np.empty((per_bin, _CHUNK), np.uint32)
    for begin in range(0, len(sets.hashes), _CHUNK):
        end = min(begin + _CHUNK, len(sets.hashes))
        first, last = np.searchsorted(pieces, (begin, end))
        if first == len(pieces) or pieces[first] != begin:
            first -= 1
        values = np.multiply(sets.hashes[None, begin:end], factors, out=work[:, : end - begin])
        found = np.minimum.reduceat(values, np.maximum(pieces[first:last] - begin, 0), axis=1)
        places = slots[first:last]
        least[places] = np.minimum(least[places], found.T)
    filled = np.zeros((len(sets), BINS), bool)
    filled.reshape(-1)[slots] = True
    _densify(least.reshape(len(sets), BINS, per_bin), filled)
    return least.reshape(len(sets), permutations)


def band_keys(signatures: np.ndarray, bands: int) -> np.ndarray:
    """One key per band of equally many signature values, uint64 (documents, bands). Different bands have different
    keys, so that all may share one table."""
    parts = signatures.reshape(len(signatures), bands, -1).astype(np.uint64)
    keys = np.broadcast_to(np.arange(1, bands + 1, dtype=np.uint64), parts.shape[:2]).copy()
    for row in range(parts.shape[2]):
        keys ^= parts[:, :, row]
        keys *= np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(32)
    keys *= np.uint64(0xC4CEB9FE1A85EC53)
    return keys ^ (keys >> np.uint64(29))


def sketch(signatures: np.ndarray) -> np.ndarray:
    """Eight bits of each value, uint8 (documents, permutations): enough to estimate a similarity."""
    return (signatures & np.uint32(0xFF)).astype(np.uint8)


def estimate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Estimated similarities of pairs of sketches, (pairs, permutations) each; standard error sqrt(J (1 - J) / n)."""
    return ((a == b).mean(1) - SKETCH_CHANCE) / (1 - SKETCH_CHANCE)


def _pieces(sets: ShingleSets) -> tuple[np.ndarray, np.ndarray]:
    """Where the runs of hashes of one bin of one document start, and the number of that bin among all bins."""
    bins = (sets.hashes >> np.uint32(29)).astype(np.uint8)
    starts = np.ones(len(bins) + 1, bool)
    np.not_equal(bins[1:], bins[:-1], out=starts[1:-1])
    starts[sets.bounds] = True
    pieces = np.flatnonzero(starts[:-1])
    documents = np.searchsorted(sets.bounds, pieces, "right") - 1
    return pieces, documents * BINS + bins[pieces]


def _densify(least: np.ndarray, filled: np.ndarray) -> None:
    """Give empty bins the values of the next bin that is not, round the circle. `least`: (documents, bins, values)."""
    for document in np.flatnonzero(~filled.all(1) & filled.any(1)):
        present = np.flatnonzero(filled[document])
        source = present[np.searchsorted(present, np.arange(BINS)) % len(present)]
        least[document] = least[document, source]


@cache
def _factors(permutations: int) -> np.ndarray:
    """Odd factors, uint32 (permutations of a bin, 1)."""
    assert permutations % BINS == 0
    generator = np.random.default_rng(1)
    return generator.integers(0, 1 << 32, (permutations // BINS, 1), dtype=np.uint32) | np.uint32(1)
