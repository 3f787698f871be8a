"""Pairs of documents that may be near-duplicates: they share a bucket, a key of some band.

The keys of all shards are cut into partitions by their first bits; each partition is sorted alone. A bucket of n
documents would give n**2 pairs, so a document meets some of its predecessors only: the best of the bucket, one of
which is kept for sure, and those next to it. Boilerplate therefore costs linear time. A pair that is not compared
costs recall, never precision.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from better_ai.data.deduplicate.exact import marked
from better_ai.data.deduplicate.ranking import Ranked

MAX_PAIRS = 4_000_000
"""Pairs that are held at once: 64 MB, and as much again for each copy that sorting takes."""


@dataclass(frozen=True)
class CandidateTask:
    """Range of keys -> `00000.npy` and so on: (later rank, earlier rank), ascending in each."""

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
        total = 0
        parts = bucket_pairs(np.concatenate(keys), np.concatenate(ranks), self.bucket_pairs, MAX_PAIRS)
        for number, pairs in enumerate(parts):
            new = pairs[pairs[:, 0] >= self.ranked.first_new]
            np.save(out / f"{number:05d}.npy", new)
            total += len(new)
        return {"pairs": total}


def bucket_pairs(keys: np.ndarray, ranks: np.ndarray, limit: int, max_pairs: int) -> Iterator[np.ndarray]:
    """Pairs (later, earlier), int64 (pairs, 2), of ranks with equal keys: each with up to `limit // 2` nearest
    predecessors and as many of the first of its bucket. In parts of at most `max_pairs`, each ascending and distinct
    in itself."""
    keys, ranks = _shared(keys, ranks)
    order = np.lexsort((ranks, keys))
    keys, ranks = keys[order], ranks[order]
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    heads = np.maximum.accumulate(np.where(new, np.arange(len(keys)), 0))
    half = limit // 2
    step = max(1, max_pairs // (2 * half))
    for start in range(0, len(keys), step):
        here = np.arange(start, min(start + step, len(keys)))
        position = here - heads[here]
        deepest = min(half, int(position.max()))
        pairs = [np.zeros((0, 2), np.int64)]
        for distance in range(1, deepest + 1):
            later = here[position >= distance]
            pairs.append(np.stack([ranks[later], ranks[later - distance]], axis=1))
        for place in range(deepest):
            later = here[position > place + half]
            pairs.append(np.stack([ranks[later], ranks[heads[later] + place]], axis=1))
        found = distinct_pairs(np.concatenate(pairs))
        yield found[found[:, 0] > found[:, 1]]


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
