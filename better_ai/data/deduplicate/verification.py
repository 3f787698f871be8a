"""Which candidates are near-duplicates (the true Jaccard similarity of their shingle sets says), and who goes.

Peers that remove all but one of each connected component drop one in eight documents although nothing that stays is
similar to them: A ~ B ~ C says little of A and C. Here documents are decided from the best down, and one is removed
only against a document that stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from better_ai.data.deduplicate.candidates import MAX_PAIRS, distinct_pairs
from better_ai.data.deduplicate.minhash import BINS, estimate
from better_ai.data.deduplicate.ranking import Ranked
from better_ai.data.deduplicate.shingles import jaccard
from better_ai.data.deduplicate.simhash import hamming
from better_ai.data.deduplicate.store import load_array, load_raw

SKETCH_DEVIATIONS = 4.0
"""How many standard errors below the threshold an estimate may lie before a pair is discarded unread."""
_SMALL_SET = 8 * BINS
"""Sets of fewer hashes leave bins empty, which makes their estimates worse; they are compared at once."""
_CHUNK = 16384

EDGES = np.dtype([("later", np.int64), ("earlier", np.int64), ("similarity", np.float64)])
"""Ranks of two documents, and their Jaccard similarity."""
EDGES_FILE = "edges.raw"


@dataclass(frozen=True)
class VerifyTask:
    """Range of ranks -> EDGES_FILE: EDGES of true near-duplicates, ascending."""

    ranked: Ranked
    candidates: tuple[Path, ...]
    threshold: float
    simhash_distance: int | None
    """None: the sketches are those of MinHash."""

    def __call__(self, limits: tuple[int, int], out: Path) -> Mapping[str, Any]:
        candidates = [load_array(path) for folder in self.candidates for path in sorted(folder.glob("*.npy"))]
        total = compared = near = 0
        with (out / EDGES_FILE).open("wb") as file:
            for low, high in _ranges(candidates, limits):
                pairs = distinct_pairs(np.concatenate([np.zeros((0, 2), np.int64), *_between(candidates, low, high)]))
                for start in range(0, len(pairs), _CHUNK):
                    edges, in_full = self._verify(pairs[start : start + _CHUNK])
                    file.write(edges.tobytes())
                    compared, near = compared + in_full, near + len(edges)
                total += len(pairs)
        return {"pairs": total, "compared": compared, "near_duplicates": near}

    def _verify(self, pairs: np.ndarray) -> tuple[np.ndarray, int]:
        """The pairs that reach the threshold, and how many were compared in full."""
        ranks, columns = np.unique(pairs, return_inverse=True)
        columns = columns.reshape(pairs.shape)
        pieces, rows = self.ranked.places(ranks)
        sketches = np.empty((len(ranks), self.ranked.pieces[0].sketches.shape[1]), np.uint8)
        bounds = np.empty((len(ranks), 2), np.int64)
        for number in np.unique(pieces):
            chosen = pieces == number
            piece = self.ranked.pieces[number]
            sketches[chosen] = piece.sketches[rows[chosen]]
            limits = piece.shingles.bounds
            bounds[chosen] = np.stack([limits[rows[chosen]], limits[rows[chosen] + 1]], axis=1)
        likely = np.flatnonzero(self._likely(columns, sketches, bounds[:, 1] - bounds[:, 0]))
        later, earlier = columns[likely].T.tolist()
        spans = bounds.tolist()
        hashes = [self.ranked.pieces[piece].shingles.hashes for piece in pieces.tolist()]
        similarities = np.array(
            [
                jaccard(hashes[a][spans[a][0] : spans[a][1]], hashes[b][spans[b][0] : spans[b][1]])
                for a, b in zip(later, earlier, strict=True)
            ],
            np.float64,
        )
        near = similarities >= self.threshold
        edges = np.empty(int(near.sum()), EDGES)
        edges["later"], edges["earlier"] = pairs[likely[near]].T
        edges["similarity"] = similarities[near]
        return edges, len(likely)

    def _likely(self, columns: np.ndarray, sketches: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Which pairs may reach the threshold by the sizes of their sets and by their sketches."""
        a, b = columns.T
        small, large = np.minimum(sizes[a], sizes[b]), np.maximum(sizes[a], sizes[b])
        possible = small >= self.threshold * large
        if self.simhash_distance is not None:
            return possible & (hamming(sketches[a], sketches[b]) <= self.simhash_distance)
        error = np.sqrt(self.threshold * (1 - self.threshold) / sketches.shape[1])
        close = estimate(sketches[a], sketches[b]) >= self.threshold - SKETCH_DEVIATIONS * error
        return possible & (close | (small < _SMALL_SET))


def _between(candidates: Sequence[np.ndarray], low: int, high: int) -> Iterator[np.ndarray]:
    """The pairs whose later rank lies in low..high - 1."""
    for pairs in candidates:
        start, stop = np.searchsorted(pairs[:, 0], (low, high))
        yield pairs[start:stop]


def _ranges(candidates: Sequence[np.ndarray], limits: tuple[int, int]) -> list[tuple[int, int]]:
    """The range, halved until no part has more than MAX_PAIRS candidates."""
    low, high = limits
    if high - low < 2 or sum(map(len, _between(candidates, low, high))) <= MAX_PAIRS:
        return [limits]
    middle = (low + high) // 2
    return [*_ranges(candidates, (low, middle)), *_ranges(candidates, (middle, high))]


@dataclass(frozen=True)
class DecideTask:
    """Folders with EDGES_FILE, by ascending ranks -> per folder, `00000.npy` and so on: the edges that removed a
    document, one each; and `gone.npy`, one bit per document, which is all the state there is.

    A document goes for the kept one it resembles most, the better one of two that it resembles equally.
    """

    documents: int

    def __call__(self, folders: Sequence[Path], out: Path) -> Mapping[str, Any]:
        gone, removed = np.zeros(self.documents // 8 + 1, np.uint8), 0
        for number, folder in enumerate(folders):
            edges = load_raw(folder / EDGES_FILE, EDGES)
            chosen = edges[_decide(edges, gone.data)]
            np.save(out / f"{number:05d}.npy", chosen)
            removed += len(chosen)
        np.save(out / "gone.npy", gone)
        return {"near_duplicates": removed}


def _decide(edges: np.ndarray, gone: memoryview) -> list[int]:
    """Positions of the edges that remove a document, whose bits are set. All earlier documents are decided."""
    chosen: list[int] = []
    current, best = -1, 0.0
    for start in range(0, len(edges), _CHUNK):
        for position, (later, earlier, similarity) in enumerate(edges[start : start + _CHUNK].tolist(), start):
            if gone[earlier >> 3] >> (earlier & 7) & 1:
                continue
            if later != current:
                current, best = later, similarity
                gone[later >> 3] |= 1 << (later & 7)
                chosen.append(position)
            elif similarity > best:
                chosen[-1], best = position, similarity
    return chosen
