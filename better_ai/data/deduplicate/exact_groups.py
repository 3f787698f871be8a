"""Documents with the same normalised content: all but the first of each group go.

The digests of all shards are cut into partitions by their first bits; each partition is sorted alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from better_ai.data.deduplicate.ranking import Ranked


def key_partitions(count: int) -> list[tuple[int, int]]:
    """Equal ranges, each low and one above the highest, that cover all 64-bit keys."""
    limits = [(number << 64) // count for number in range(count + 1)]
    return list(pairwise(limits))


@dataclass(frozen=True)
class ExactTask:
    """Range of digests -> `pairs.npy`: rank of a document that goes and of the equal one that stays, ascending."""

    ranked: Ranked

    def __call__(self, limits: tuple[int, int], out: Path) -> Mapping[str, Any]:
        found = list(self.ranked.slices("digest", *limits))
        keys = np.concatenate([np.zeros((0, 2), np.uint64), *(part[0] for part in found)])
        ranks = np.concatenate([np.zeros(0, np.int64), *(part[1] for part in found)])
        order = np.lexsort((ranks, keys[:, 1], keys[:, 0]))
        keys, ranks = keys[order], ranks[order]
        new = np.ones(len(ranks), bool)
        new[1:] = (keys[1:] != keys[:-1]).any(1)
        heads = ranks[np.maximum.accumulate(np.where(new, np.arange(len(ranks)), 0))]
        extra = ~new & (ranks >= self.ranked.first_new)
        pairs = np.stack([ranks[extra], heads[extra]], axis=1)
        np.save(out / "pairs.npy", pairs[np.argsort(pairs[:, 0])])
        return {"documents": len(ranks), "duplicates": len(pairs)}


@dataclass(frozen=True)
class MarkTask:
    """Folders with `pairs.npy` -> `marks.npy`: one bit per document, set for the first of each pair."""

    documents: int

    def __call__(self, folders: Sequence[Path], out: Path) -> Mapping[str, Any]:
        bits = np.zeros(self.documents // 8 + 1, np.uint8)
        for folder in folders:
            set_bits(bits, np.load(folder / "pairs.npy", mmap_mode="r")[:, 0])
        np.save(out / "marks.npy", bits)
        return {"marked": int(np.bitwise_count(bits).sum(dtype=np.int64))}


def set_bits(bits: np.ndarray, ranks: np.ndarray) -> None:
    np.bitwise_or.at(bits, ranks >> 3, np.left_shift(1, ranks & 7).astype(np.uint8))


def get_bits(bits: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    return (bits[ranks >> 3] >> (ranks & 7).astype(np.uint8)) & 1 > 0
