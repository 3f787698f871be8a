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
from better_ai.data.deduplicate.store import load_array

MARKS_FILE = "marks.npy"


def key_partitions(count: int) -> list[tuple[int, int]]:
    """Equal ranges, each low and one above the highest, that cover all 64-bit keys."""
    limits = [(number << 64) // count for number in range(count + 1)]
    return list(pairwise(limits))


@dataclass(frozen=True)
class ExactTask:
    """Range of digests -> `pairs.npy`: rank of a document that goes and of the equal one that stays, ascending."""

    ranked: Ranked
    skipped: tuple[Path, ...]
    """Folders with marks of documents that are gone already."""

    def __call__(self, limits: tuple[int, int], out: Path) -> Mapping[str, Any]:
        keys, ranks = [np.zeros((0, 2), np.uint64)], [np.zeros(0, np.int64)]
        for part_keys, part_ranks, _, _ in self.ranked.slices("digest", *limits):
            stays = ~marked(self.skipped, part_ranks)
            keys.append(part_keys[stays])
            ranks.append(part_ranks[stays])
        return self._write(np.concatenate(keys), np.concatenate(ranks), out)

    def _write(self, keys: np.ndarray, ranks: np.ndarray, out: Path) -> Mapping[str, Any]:
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
    """Folders with `pairs.npy` -> MARKS_FILE: one bit per document, set for the first of each pair."""

    documents: int

    def __call__(self, folders: Sequence[Path], out: Path) -> Mapping[str, Any]:
        bits = np.zeros(self.documents // 8 + 1, np.uint8)
        for folder in folders:
            set_bits(bits, load_array(folder / "pairs.npy")[:, 0])
        np.save(out / MARKS_FILE, bits)
        return {"marked": int(np.bitwise_count(bits).sum(dtype=np.int64))}


def marked(folders: Sequence[Path], ranks: np.ndarray) -> np.ndarray:
    """Which documents have a mark in one of the folders."""
    found = np.zeros(len(ranks), bool)
    for folder in folders:
        found |= get_bits(load_array(folder / MARKS_FILE), ranks)
    return found


def set_bits(bits: np.ndarray, ranks: np.ndarray) -> None:
    """Set the bits of documents."""
    np.bitwise_or.at(bits, ranks >> 3, np.left_shift(1, ranks & 7).astype(np.uint8))


def get_bits(bits: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Whether the bits of documents are set."""
    return (bits[ranks >> 3] >> (ranks & 7).astype(np.uint8)) & 1 > 0
