"""The phase `split`: for each document that passed the steps, whether it is for training, for validation, or goes.

The split goes by what documents are and not by where they stand. A document's id, a hash of its content, names a point
in 0..1; validation takes those below the fraction. So a document never changes sides when others come or go, and as
near-duplicates are removed before, none has a twin on the other.

No document is copied here. Each shard gets a column of sides, counts, and the sizes by which output files are planned.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from better_ai.artifacts import content_id
from better_ai.data.corpus.files import SPLITS, TRAIN, VALIDATION
from better_ai.data.corpus.shards import Shard, check_conservation
from better_ai.data.deduplicate import REMOVED_FILE, REMOVED_SCHEMA
from better_ai.data.engine import Phases, ShardResult
from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_FILE, REJECTED_SCHEMA
from better_ai.data.step import rejected_batch
from better_ai.data.tables import TableWriter, read_batches
from better_ai.data.takedown import Takedown
from better_ai.errors import UserError

GONE = "gone"

SIDES = "sides.parquet"
SIDES_SCHEMA = pa.schema([pa.field("side", pa.string(), nullable=False)])
"""Row by row, and row group by row group, like the documents: a split, or GONE."""


@dataclass(frozen=True)
class SplitShard:
    """A shard and the sides of its documents."""

    shard: Shard
    result: ShardResult

    @property
    def identity(self) -> str:
        return content_id([self.shard.result.identity, self.result.identity])

    @property
    def counts(self) -> dict[str, Any]:
        return self.result.counts

    def read(self, side: str, *, groups: Sequence[int] | None = None) -> Iterator[pa.RecordBatch]:
        """The documents of one side, in order, of all row groups or of those given."""
        documents = read_batches(self.shard.documents, DOCUMENT_SCHEMA, groups=groups)
        sides = read_batches(self.result.folder / SIDES, SIDES_SCHEMA, groups=groups)
        for batch, batch_sides in zip(documents, sides, strict=True):
            yield batch.filter(pc.equal(batch_sides.column("side"), side))


@dataclass(frozen=True)
class _Item:
    shard: Shard
    removed: ShardResult
    """Of `deduplicate`: the rows that are duplicates."""
    takedown: Takedown
    validation_id: str | None = None
    """A document that is for validation in any case."""


def split_shards(
    shards: Sequence[Shard], removed: Sequence[ShardResult], takedown: Takedown, fraction: float, phases: Phases
) -> list[SplitShard]:
    """The sides of each shard's documents. If none is for validation, the one with the lowest id is.

    What is taken down goes here, after the duplicates of it have gone: they do not come back in its place.
    """
    items = [_Item(shard, result, takedown) for shard, result in zip(shards, removed, strict=True)]
    split = _run(items, fraction, phases)
    lowest = min((part.counts["lowest_id"] for part in split if part.counts["lowest_id"]), default=None)
    if lowest is not None and not sum(part.counts[VALIDATION]["documents"] for part in split):
        items = [
            replace(item, validation_id=lowest if part.counts["lowest_id"] == lowest else None)
            for item, part in zip(items, split, strict=True)
        ]
        split = _run(items, fraction, phases)
    for part in split:
        kept, rejected = part.counts["documents"], part.counts["rejected"]
        check_conservation("split", part.shard.name, rows_in=part.shard.rows, kept=kept, rejected=rejected)
    return split


def check_both_sides(train: int, validation: int, fraction: float, problems: Sequence[str]) -> None:
    """Raises UserError when fewer than two documents are left or all of them fall to validation."""
    if train + validation < 2:
        dead = "".join(f"; {problem}" for problem in problems)
        raise UserError(
            f"{train + validation} documents are left, too few for training and validation; "
            f"the rejected documents say why; add sources or loosen the limits{dead}"
        )
    if not train:
        raise UserError(f"all {validation} documents fall to validation at validation_fraction={fraction}; lower it")


def _run(items: Sequence[_Item], fraction: float, phases: Phases) -> list[SplitShard]:
    results = phases.run(
        "split",
        partial(_split, fraction),
        items,
        key={"validation_fraction": fraction, **items[0].takedown.identity()} if items else {},
        identities=[
            content_id([item.shard.result.identity, item.removed.identity, item.validation_id]) for item in items
        ],
    )
    return [SplitShard(item.shard, result) for item, result in zip(items, results, strict=True)]


def _split(fraction: float, item: _Item, folder: Path) -> Mapping[str, Any]:
    removed = _Removed(item.removed.folder / REMOVED_FILE)
    counts: dict[str, Any] = {side: {"documents": 0, "bytes": 0, "languages": {}, "licenses": {}} for side in SPLITS}
    row_groups: list[list[int]] = []
    lowest: str | None = None
    rows = 0
    with (
        TableWriter(folder / SIDES, SIDES_SCHEMA) as sides_file,
        TableWriter(folder / REJECTED_FILE, REJECTED_SCHEMA) as rejected,
    ):
        for batch in read_batches(item.shard.documents, DOCUMENT_SCHEMA):
            gone, rejects = removed.of(batch, rows)
            taken = item.takedown.apply(batch.filter(pa.array(~gone)))
            assert taken.keep is not None, "reject_rows says which rows stay"
            gone[~gone] = ~taken.keep.to_numpy(zero_copy_only=False)
            ids = batch.column("id").to_pylist()
            validation = in_validation(ids, fraction) | np.array([id == item.validation_id for id in ids])
            sides = np.where(gone, GONE, np.where(validation, VALIDATION, TRAIN))
            sides_file.write_row_group(pa.RecordBatch.from_arrays([pa.array(sides, pa.string())], schema=SIDES_SCHEMA))
            rejected.write(rejects)
            rejected.write(taken.rejected)
            row_groups.append([_count(counts[side], batch.filter(pa.array(sides == side))) for side in SPLITS])
            left = [id for id, goes in zip(ids, gone, strict=True) if not goes]
            lowest = min([*left, *([lowest] if lowest else [])], default=None)
            rows += batch.num_rows
    kept = sum(counts[side]["documents"] for side in SPLITS)
    return {
        **counts,
        "documents": kept,
        "rejected": rejected.rows,
        "lowest_id": lowest,
        "row_groups": row_groups,
    }


def in_validation(ids: Sequence[str], fraction: float) -> np.ndarray:
    """Which documents fall to validation, bool (N,)."""
    points = np.array([int(id[:16], 16) / 2**64 for id in ids], np.float64)
    return points < fraction


class _Removed:
    """The removed rows of a shard, by row number."""

    def __init__(self, path: Path) -> None:
        table = pa.Table.from_batches(read_batches(path, REMOVED_SCHEMA), REMOVED_SCHEMA)
        self.rows = table.column("row").to_numpy()
        self.steps, self.reasons = table.column("step").to_pylist(), table.column("reason").to_pylist()

    def of(self, batch: pa.RecordBatch, start: int) -> tuple[np.ndarray, pa.RecordBatch]:
        """Which rows of a batch that begins at row `start` are removed, bool (N,), and their rejected rows."""
        numbers = np.flatnonzero((self.rows >= start) & (self.rows < start + batch.num_rows))
        gone = np.zeros(batch.num_rows, bool)
        gone[self.rows[numbers] - start] = True
        ids, sources = batch.column("id"), batch.column("source")
        rejects = [
            (ids[row].as_py(), sources[row].as_py(), self.steps[number], self.reasons[number])
            for number, row in zip(numbers.tolist(), (self.rows[numbers] - start).tolist(), strict=True)
        ]
        return gone, rejected_batch(rejects)


def _count(counts: dict[str, Any], batch: pa.RecordBatch) -> int:
    """Add a side's documents of one row group to its counts; returns their bytes."""
    sizes = pc.binary_length(batch.column("content")).to_pylist()
    counts["documents"] += batch.num_rows
    counts["bytes"] += sum(sizes)
    for group, column in (("languages", "language"), ("licenses", "license")):
        for value, size in zip(batch.column(column).to_pylist(), sizes, strict=True):
            entry = counts[group].setdefault(value, [0, 0])
            entry[0] += 1
            entry[1] += size
    return int(sum(sizes))
