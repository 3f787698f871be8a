"""What goes from each shard, with the reason: the rows of `removed.parquet`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from better_ai.data.deduplicate.exact_groups import get_bits
from better_ai.data.deduplicate.ranking import Ranked
from better_ai.data.schema import write_parquet

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
    near: Path
    near_starts: tuple[int, ...]
    """First rank of each range of the decision."""

    @cached_property
    def gone(self) -> np.ndarray:
        """Near-duplicates, one bit per document."""
        return np.load(self.near / "gone.npy", mmap_mode="r").view(np.ndarray)

    def near_reason(self, rank: int) -> str:
        """Why a near-duplicate goes."""
        number = int(np.searchsorted(self.near_starts, rank, "right")) - 1
        edges = np.load(self.near / f"{number:05d}.npy", mmap_mode="r")
        edge = edges[int(np.searchsorted(edges["later"], rank))]
        assert edge["later"] == rank
        return f"similarity {edge['similarity']:.3f} to {self.ranked.source(int(edge['earlier']))}"

    def exact_reason(self, head: int) -> str:
        """Why an exact duplicate of `head` goes; `head` itself may be a near-duplicate of what stays."""
        reason = f"same as {self.ranked.source(head)}"
        return f"{reason}, {self.near_reason(head)}" if get_bits(self.gone, np.array([head]))[0] else reason


@dataclass(frozen=True)
class RemovalTask:
    """Number of a new shard -> `removed.parquet`."""

    verdicts: Verdicts

    def __call__(self, shard: int, out: Path) -> Mapping[str, Any]:
        verdicts, ranked = self.verdicts, self.verdicts.ranked
        piece = len(ranked.earlier) + shard
        signatures = ranked.pieces[piece]
        reasons: dict[int, tuple[str, str]] = {}
        for row, head in self._exact(piece):
            reasons[row] = (EXACT, verdicts.exact_reason(head))
        exact = len(reasons)
        ranks = ranked.ranks(piece, np.arange(len(signatures)))
        for row in np.flatnonzero(get_bits(verdicts.gone, ranks)).tolist():
            reasons[row] = (NEAR, verdicts.near_reason(int(ranks[row])))
        rows = [{"row": row, "step": step, "reason": reason} for row, (step, reason) in sorted(reasons.items())]
        write_parquet([pa.RecordBatch.from_pylist(rows, REMOVED_SCHEMA)], REMOVED_SCHEMA, out / REMOVED_FILE)
        return {"documents": len(signatures), EXACT: exact, NEAR: len(reasons) - exact}

    def _exact(self, piece: int) -> list[tuple[int, int]]:
        """(Row, rank of the document it equals) of the piece's exact duplicates."""
        ranked = self.verdicts.ranked
        found: list[tuple[int, int]] = []
        marks = np.load(self.verdicts.exact_marks / "marks.npy", mmap_mode="r")
        limits = [low for low, _ in self.verdicts.exact] + [1 << 64]
        for (low, folder), high in zip(self.verdicts.exact, limits[1:], strict=True):
            _, rows = ranked.pieces[piece].slice("digest", low, high)
            ranks = ranked.ranks(piece, rows)
            marked = get_bits(marks, ranks)
            pairs = np.load(folder / "pairs.npy", mmap_mode="r")
            heads = pairs[np.searchsorted(pairs[:, 0], ranks[marked]), 1]
            found += zip(rows[marked].tolist(), heads.tolist(), strict=True)
        return found
