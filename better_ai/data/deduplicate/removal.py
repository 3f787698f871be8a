"""What goes from each shard, with the reason: the rows of `removed.parquet`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from better_ai.data.deduplicate.exact import get_bits, marked
from better_ai.data.deduplicate.ranking import Ranked
from better_ai.data.deduplicate.store import load_array
from better_ai.data.deduplicate.verification import EDGES
from better_ai.data.tables import write_parquet

REMOVED_FILE = "removed.parquet"
REMOVED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("step", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""Rows of the shard, ascending; `step` as in the rejected documents."""

EXACT, NEAR, REPOSITORIES = "exact_duplicates", "near_duplicates", "repositories"


@dataclass(frozen=True)
class Verdicts:
    """Everything that was decided, as files."""

    ranked: Ranked
    exact: tuple[tuple[int, Path], ...]
    """Lowest digest key and folder of each partition of exact duplicates."""
    exact_marks: Path
    forks: tuple[Path, ...]
    """Per new shard, folder with its rows in forks; empty if forks are not looked for."""
    near: Path
    near_starts: tuple[int, ...]
    """First rank of each range of the decision."""

    @cached_property
    def gone(self) -> np.ndarray:
        """Near-duplicates, one bit per document."""
        return load_array(self.near / "gone.npy")

    def near_edges(self, ranks: np.ndarray) -> np.ndarray:
        """Why near-duplicates go: EDGES, one per rank."""
        edges = np.empty(len(ranks), EDGES)
        numbers = np.searchsorted(self.near_starts, ranks, "right") - 1
        for number in np.unique(numbers).tolist():
            chosen = numbers == number
            decided = load_array(self.near / f"{number:05d}.npy")
            edges[chosen] = decided[np.searchsorted(decided["later"], ranks[chosen])]
        assert (edges["later"] == ranks).all(), "a document is gone for no reason"
        return edges

    def near_reasons(self, ranks: np.ndarray) -> list[str]:
        """The same in words."""
        edges = self.near_edges(ranks)
        sources = self.ranked.sources(edges["earlier"])
        similarities = edges["similarity"].tolist()
        return [f"similarity {value:.3f} to {source}" for value, source in zip(similarities, sources, strict=True)]

    def exact_reasons(self, heads: np.ndarray) -> list[str]:
        """Why exact duplicates of `heads` go; a head itself may be a near-duplicate of what stays."""
        reasons = [f"same as {source}" for source in self.ranked.sources(heads)]
        gone = np.flatnonzero(get_bits(self.gone, heads))
        for place, reason in zip(gone.tolist(), self.near_reasons(heads[gone]), strict=True):
            reasons[place] += f", {reason}"
        return reasons


@dataclass(frozen=True)
class RemovalTask:
    """Number of a new shard -> `removed.parquet`."""

    verdicts: Verdicts

    def __call__(self, shard: int, out: Path) -> Mapping[str, Any]:
        verdicts, ranked = self.verdicts, self.verdicts.ranked
        piece = len(ranked.earlier) + shard
        signatures = ranked.pieces[piece]
        ranks = ranked.ranks(piece, np.arange(len(signatures)))
        rows, heads = self._exact(piece)
        near = np.flatnonzero(get_bits(verdicts.gone, ranks))
        rows_in_forks, fork_reasons = self._forks(shard)
        removed = [
            *zip(rows_in_forks, [REPOSITORIES] * len(rows_in_forks), fork_reasons, strict=True),
            *zip(rows.tolist(), [EXACT] * len(rows), verdicts.exact_reasons(heads), strict=True),
            *zip(near.tolist(), [NEAR] * len(near), verdicts.near_reasons(ranks[near]), strict=True),
        ]
        columns = list(zip(*sorted(removed), strict=True)) or [(), (), ()]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, REMOVED_SCHEMA, strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, schema=REMOVED_SCHEMA)
        write_parquet([batch], REMOVED_SCHEMA, out / REMOVED_FILE)
        return {"documents": len(signatures), EXACT: len(rows), NEAR: len(near), REPOSITORIES: len(rows_in_forks)}

    def _forks(self, shard: int) -> tuple[list[int], list[str]]:
        """Rows that belong to forks, and why they go."""
        if not self.verdicts.forks:
            return [], []
        folder = self.verdicts.forks[shard]
        forks = load_array(folder / "forks.npy")
        sources = self.verdicts.ranked.sources(forks["kept"])
        reasons = [
            f"{share:.0%} of the files of its repository are in that of {source}"
            for share, source in zip(forks["share"].tolist(), sources, strict=True)
        ]
        return load_array(folder / "rows.npy").tolist(), reasons

    def _exact(self, piece: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the piece's exact duplicates, and the ranks of the documents that they equal."""
        ranked = self.verdicts.ranked
        rows, heads = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        limits = [*(low for low, _ in self.verdicts.exact), 1 << 64]
        for (_, folder), (low, high) in zip(self.verdicts.exact, pairwise(limits), strict=True):
            found = ranked.pieces[piece].slice("digest", low, high)[1]
            ranks = ranked.ranks(piece, found)
            equal = marked([self.verdicts.exact_marks], ranks)
            pairs = load_array(folder / "pairs.npy")
            rows.append(found[equal])
            heads.append(pairs[np.searchsorted(pairs[:, 0], ranks[equal]), 1])
        return np.concatenate(rows), np.concatenate(heads)
