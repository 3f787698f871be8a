"""SimHash fingerprints (Charikar 2002): 64 bits that differ in few places for sets that share most of their hashes.

The expected share of unequal bits is the angle between the sets over pi: at Jaccard similarity 0.95 it is 0.07 (4.6
bits), at 0.7 it is 0.19 (12 bits). So SimHash is for close copies: of the pairs of 40,000 Python files and functions at
similarity 0.98 or more it found 98.6 % (distance 3), at 0.95 or more 91 %. A fingerprint takes 8 bytes where a MinHash
sketch takes 128.
"""

from itertools import combinations, pairwise

import numpy as np

from better_ai.data.deduplicate.shingles import ShingleSets

BITS = 64
_CHUNK = 4096


def simhash(sets: ShingleSets) -> np.ndarray:
    """Fingerprints, uint64 (documents,): each bit is the majority of that bit over the set's hashes, each with weight
    one. Those of empty sets are zero and say nothing."""
    votes = np.zeros((len(sets), BITS), np.int64)
    for begin in range(0, len(sets.hashes), _CHUNK):
        end = min(begin + _CHUNK, len(sets.hashes))
        bits = np.unpackbits(_widen(sets.hashes[begin:end]).view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        first, last = np.searchsorted(sets.bounds, (begin, end - 1), "right") - 1
        starts = np.maximum(sets.bounds[first : last + 1], begin)
        present = np.flatnonzero(sets.bounds[first + 1 : last + 2] > starts)
        votes[first + present] += np.add.reduceat(bits, starts[present] - begin, axis=0, dtype=np.int64)
    majority = votes * 2 > np.diff(sets.bounds)[:, None]
    return np.packbits(majority, axis=1, bitorder="little").view(np.uint64).reshape(-1)


def block_keys(fingerprints: np.ndarray, blocks: int, distance: int) -> np.ndarray:
    """The keys under which fingerprints at up to this Hamming distance meet, uint64 (documents, keys).

    As in Manku, Jain and Sarma 2007: the bits are cut into blocks; when at most `distance` bits differ, some choice of
    `blocks - distance` blocks is equal, and each choice is a key of its own.
    """
    limits = np.linspace(0, BITS, blocks + 1).astype(int)
    masks = [((1 << int(stop)) - 1) ^ ((1 << int(start)) - 1) for start, stop in pairwise(limits)]
    keys = []
    for number, chosen in enumerate(combinations(masks, blocks - distance), start=1):
        keys.append(_mix((fingerprints & np.uint64(sum(chosen))) ^ np.uint64(number * _ODD % (1 << 64))))
    return np.stack(keys, axis=1)


def hamming(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many bits of pairs of fingerprints, uint8 (pairs, 8) each, differ."""
    return np.bitwise_count(a ^ b).sum(1, dtype=np.int64)


_ODD = 0x9E3779B97F4A7C15


def _widen(hashes: np.ndarray) -> np.ndarray:
    """32-bit hashes as 64-bit ones."""
    return _mix(hashes.astype(np.uint64) * np.uint64(_ODD))


def _mix(values: np.ndarray) -> np.ndarray:
    """Spread the bits (the finaliser of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))
