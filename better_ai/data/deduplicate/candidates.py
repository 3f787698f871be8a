"""Pairs of documents that may be near-duplicates: they share a bucket, a key of some band.

The keys of all shards are cut into partitions by their first bits; each partition is sorted alone. A bucket of n
documents would give n**2 pairs, so a document meets some of its predecessors only: the best of the bucket, one of
which is kept for sure, and those next to it. Boilerplate therefore costs linear time. A pair that is not compared
costs recall, never precision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from better_ai.data.deduplicate.exact import marked
from better_ai.data.deduplicate.ranking import Ranked


@dataclass(frozen=True)
class CandidateTask:
    """Range of keys -> `pairs.npy`: distinct (later rank, earlier rank), ascending."""

    ranked: Ranked
    skipped: tuple[Path, ...]
    """Folders with marks of documents that are gone already."""
    bucket_pairs: int

    def __call__(self, limits: tuple[int, int], out: Path) -> Mapping[str, Any]:
        keys, ranks = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for part_keys, part_ranks, _, _ in self.ranked.slices("band", *limits):
            stays = ~marked(self.skipped, part_ranks)
            keys.append(part_keys[stays])
            ranks.append(part_ranks[stays])
        pairs = bucket_pairs(np.concatenate(keys), np.concatenate(ranks), self.bucket_pairs)
        pairs = pairs[pairs[:, 0] >= self.ranked.first_new]
        np.save(out / "pairs.npy", pairs)
        return {"pairs": len(pairs)}


def bucket_pairs(keys: np.ndarray, ranks: np.ndarray, limit: int) -> np.ndarray:
    """Distinct pairs (later, earlier), int64 (pairs, 2), ascending, of ranks with equal keys: each with up to
    `limit // 2` nearest predecessors and as many of the first of its bucket."""
    keys, ranks = _shared(keys, ranks)
    order = np.lexsort((ranks, keys))
    keys, ranks = keys[order], ranks[order]
    here = np.arange(len(keys))
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    heads = np.maximum.accumulate(np.where(new, here, 0))
    position = here - heads
    deepest = int(position.max(initial=0))
    pairs = [np.zeros((0, 2), np.int64)]
    for distance in range(1, min(limit // 2, deepest) + 1):
        later = here[position >= distance]
        pairs.append(np.stack([ranks[later], ranks[later - distance]], axis=1))
    for place in range(min(limit // 2, deepest)):
        later = here[position > place + limit // 2]
        pairs.append(np.stack([ranks[later], ranks[heads[later] + place]], axis=1))
    found = distinct_pairs(np.concatenate(pairs))
    return found[found[:, 0] > found[:, 1]]


def distinct_pairs(pairs: np.ndarray) -> np.ndarray:
    """The pairs in ascending order, each once."""
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    new = np.ones(len(pairs), bool)
    new[1:] = (pairs[1:] != pairs[:-1]).any(1)
    return pairs[new]


def _shared(keys: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without the records whose key occurs once: most of them."""
    order = np.argsort(keys)
    keys, ranks = keys[order], ranks[order]
    equal = keys[1:] == keys[:-1]
    shared = np.zeros(len(keys), bool)
    shared[1:] |= equal
    shared[:-1] |= equal
    return keys[shared], ranks[shared]
