"""Shards cut into runs of documents, small enough that many workers share one and progress is seen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from better_ai.artifacts import content_id
from better_ai.data.schema import DOCUMENT_SCHEMA
from better_ai.data.tables import group_sizes, read_batches

RUN_BYTES = 1_000_000
"""Unpacked, about: some seconds of work."""


@dataclass(frozen=True)
class Run:
    """Consecutive documents of one row group of a shard."""

    shard: Path
    digest: str
    """SHA-256 of the shard."""
    group: int
    start: int
    stop: int

    @property
    def identity(self) -> str:
        """Differs between documents that differ, wherever the shard lies."""
        return content_id([self.digest, self.group, self.start, self.stop])

    def read(self) -> list[dict[str, Any]]:
        """The documents. Raises ArtifactError when the shard is damaged."""
        group = pa.Table.from_batches(read_batches(self.shard, DOCUMENT_SCHEMA, groups=[self.group]), DOCUMENT_SCHEMA)
        return group.slice(self.start, self.stop - self.start).to_pylist()


def cut_into_runs(shard: Path, digest: str) -> list[Run]:
    """The runs of a shard, in order: each row group in equal parts of about RUN_BYTES. Raises as `read_batches`."""
    runs: list[Run] = []
    for group, (rows, num_bytes) in enumerate(group_sizes(shard, DOCUMENT_SCHEMA)):
        count = max(1, min(rows, -(-num_bytes // RUN_BYTES)))
        bounds = [rows * number // count for number in range(count + 1)]
        runs += [Run(shard, digest, group, *bounds[number : number + 2]) for number in range(count)]
    return runs
