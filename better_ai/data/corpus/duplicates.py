"""The phase `duplicates`: for each shard, which of its documents go because a better one stays somewhere."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.config.data import DeduplicationConfig
from better_ai.data.corpus.shards import Shard
from better_ai.data.deduplicate import exact_duplicates, near_duplicates
from better_ai.data.engine import Phases
from better_ai.data.schema import DOCUMENT_SCHEMA
from better_ai.data.tables import read_batches

REMOVED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("step", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)


def find_duplicates(shards: Sequence[Shard], config: DeduplicationConfig, phases: Phases) -> list[Path]:
    """One file per shard with the removed rows, in `REMOVED_SCHEMA`."""
    key = {"config": config.identity(), "shards": [shard.result.identity for shard in shards]}
    [result] = phases.run("duplicates", partial(_find, config), [tuple(shards)], key=key)
    return [result.folder / f"{number:05d}.parquet" for number in range(len(shards))]


def _find(config: DeduplicationConfig, shards: tuple[Shard, ...], folder: Path) -> Mapping[str, Any]:
    batches = [batch for shard in shards for batch in read_batches(shard.documents, DOCUMENT_SCHEMA)]
    table = pa.Table.from_batches(batches, DOCUMENT_SCHEMA).combine_chunks()
    batch = table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], DOCUMENT_SCHEMA)
    rows = np.arange(batch.num_rows)
    found: dict[int, tuple[str, str]] = {}
    for step in (exact_duplicates, partial(near_duplicates, threshold=config.threshold)):
        stepped = step(batch)
        assert stepped.keep is not None, "both steps say which rows they keep"
        keep = stepped.keep.to_numpy(zero_copy_only=False)
        rejects = stepped.rejected.to_pylist()
        found |= {
            row: (reject["step"], reject["reason"]) for row, reject in zip(rows[~keep].tolist(), rejects, strict=True)
        }
        batch, rows = stepped.kept, rows[keep]
    start = 0
    for number, shard in enumerate(shards):
        removed = [
            {"row": row - start, "step": found[row][0], "reason": found[row][1]}
            for row in range(start, start + shard.rows)
            if row in found
        ]
        pq.write_table(pa.Table.from_pylist(removed, REMOVED_SCHEMA), folder / f"{number:05d}.parquet")
        start += shard.rows
    return {"removed": len(found)}
