"""The last phases: documents into output files of about equal size, in their order or in a random one.

A random order is the order of a hash of seed and id. `scatter` sorts each shard by it and cuts it into partitions,
one row group each; `gather` collects a partition from all shards and sorts it alone. So memory holds one output file,
whatever the size of the corpus, and neither the number of files nor that of workers bears on the order.

Left out: a second level of partitions. Each shard has one row group per output file, which gets small beyond some
thousand of them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from better_ai.artifacts import content_id
from better_ai.data.corpus.files import SPLITS
from better_ai.data.corpus.shards import check_conservation
from better_ai.data.corpus.split import SplitShard
from better_ai.data.engine import Phases, ShardResult
from better_ai.data.schema import DOCUMENT_SCHEMA, DOCUMENTS_FILE
from better_ai.data.tables import TableWriter, read_batches

SCATTER_BYTES = 64_000_000
"""Content that is sorted at once when a shard is scattered."""


@dataclass(frozen=True)
class _Run:
    """Consecutive row groups of one shard."""

    shard: SplitShard
    first: int
    stop: int


@dataclass(frozen=True)
class _Scattered:
    """Row groups of one scattered shard that belong to one partition."""

    folder: Path
    groups: tuple[int, ...]
    identity: str


def write_in_order(shards: Sequence[SplitShard], side: str, shard_bytes: int, phases: Phases) -> list[ShardResult]:
    """Output files of a side with the documents in the order of the shards."""
    files = _plan(shards, side, shard_bytes)
    results = phases.run(
        f"write-{side}",
        partial(_write, side),
        files,
        key={"side": side},
        identities=[content_id([[run.shard.identity, run.first, run.stop] for run in runs]) for runs in files],
    )
    return _checked(results, shards, side)


def write_shuffled(
    shards: Sequence[SplitShard], side: str, shard_bytes: int, seed: int, phases: Phases
) -> list[ShardResult]:
    """Output files of a side with the documents in the order of a hash of seed and id."""
    partitions = max(1, -(-sum(shard.counts[side]["bytes"] for shard in shards) // shard_bytes))
    key = {"side": side, "seed": seed, "partitions": partitions}
    scattered = phases.run(
        f"scatter-{side}",
        partial(_scatter, side, seed, partitions),
        shards,
        key=key,
        identities=[shard.identity for shard in shards],
    )
    pieces = _pieces(scattered, partitions)
    results = phases.run(
        f"gather-{side}",
        partial(_gather, seed),
        pieces,
        key=key,
        identities=[content_id([[piece.identity, piece.groups] for piece in partition]) for partition in pieces],
    )
    return _checked(results, shards, side)


def _plan(shards: Sequence[SplitShard], side: str, shard_bytes: int) -> list[tuple[_Run, ...]]:
    """Runs of row groups for each file; a file is full when it holds `shard_bytes` or more."""
    column = SPLITS.index(side)
    files: list[list[_Run]] = [[]]
    size = 0
    for shard in shards:
        first = 0
        sizes = [group[column] for group in shard.counts["row_groups"]]
        for number, num_bytes in enumerate(sizes):
            size += num_bytes
            if size >= shard_bytes:
                files[-1].append(_Run(shard, first, number + 1))
                files.append([])
                first, size = number + 1, 0
        if any(sizes[first:]):
            files[-1].append(_Run(shard, first, len(sizes)))
    return [tuple(runs) for runs in files if runs]


def _write(side: str, runs: tuple[_Run, ...], folder: Path) -> Mapping[str, Any]:
    with TableWriter(folder / DOCUMENTS_FILE, DOCUMENT_SCHEMA) as documents:
        for run in runs:
            for batch in run.shard.read(side, groups=range(run.first, run.stop)):
                documents.write(batch)
    return {"documents": documents.rows}


def _scatter(side: str, seed: int, partitions: int, shard: SplitShard, folder: Path) -> Mapping[str, Any]:
    """The side's documents in row groups of one partition each; `groups` tells which."""
    groups: list[int] = []
    pending: list[pa.RecordBatch] = []
    with TableWriter(folder / DOCUMENTS_FILE, DOCUMENT_SCHEMA) as documents:

        def flush() -> None:
            batch = pa.Table.from_batches(pending, DOCUMENT_SCHEMA).combine_chunks()
            keys = _keys(batch.column("id").to_pylist(), seed)
            belongs = _partition(keys, partitions)
            for partition in np.unique(belongs).tolist():
                rows = pa.array(np.flatnonzero(belongs == partition))
                documents.write_row_group(batch.take(rows).combine_chunks().to_batches()[0])
                groups.append(partition)
            pending.clear()

        for batch in shard.read(side):
            pending.append(batch)
            if sum(part.nbytes for part in pending) >= SCATTER_BYTES:
                flush()
        flush()
    check_conservation(
        "scatter", shard.shard.name, rows_in=shard.counts[side]["documents"], kept=documents.rows, rejected=0
    )
    return {"documents": documents.rows, "groups": groups}


def _pieces(scattered: Sequence[ShardResult], partitions: int) -> list[tuple[_Scattered, ...]]:
    """For each partition, where its rows lie, in the order of the shards."""
    pieces: list[list[_Scattered]] = [[] for _ in range(partitions)]
    for result in scattered:
        groups: dict[int, list[int]] = {}
        for number, partition in enumerate(result.counts["groups"]):
            groups.setdefault(partition, []).append(number)
        for partition, numbers in groups.items():
            pieces[partition].append(_Scattered(result.folder, tuple(numbers), result.identity))
    return [tuple(partition) for partition in pieces if partition]


def _gather(seed: int, pieces: tuple[_Scattered, ...], folder: Path) -> Mapping[str, Any]:
    """One partition, sorted."""
    batches = [
        batch
        for piece in pieces
        for batch in read_batches(piece.folder / DOCUMENTS_FILE, DOCUMENT_SCHEMA, groups=piece.groups)
    ]
    ids = [id for batch in batches for id in batch.column("id").to_pylist()]
    order = np.argsort(_keys(ids, seed), kind="stable")
    table = pa.Table.from_batches(batches, DOCUMENT_SCHEMA)
    with TableWriter(folder / DOCUMENTS_FILE, DOCUMENT_SCHEMA) as documents:
        for start in range(0, len(order), 1000):
            rows = table.take(pa.array(order[start : start + 1000])).combine_chunks()
            for batch in rows.to_batches():
                documents.write(batch)
    return {"documents": documents.rows}


def _keys(ids: Sequence[str], seed: int) -> np.ndarray:
    """Where each document stands in the random order, uint64 (N,)."""
    salt = seed.to_bytes(16, "little")
    digests = b"".join(hashlib.blake2b(id.encode(), digest_size=8, key=salt).digest() for id in ids)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def _partition(keys: np.ndarray, partitions: int) -> np.ndarray:
    """The partition of each key, in the order of the keys."""
    return ((keys >> np.uint64(32)) * np.uint64(partitions) >> np.uint64(32)).astype(np.int64)


def _checked(results: list[ShardResult], shards: Sequence[SplitShard], side: str) -> list[ShardResult]:
    expected = sum(shard.counts[side]["documents"] for shard in shards)
    written = sum(result.counts["documents"] for result in results)
    check_conservation("write", f"the {side} documents", rows_in=expected, kept=written, rejected=0)
    return results
