"""Cutting off headers that very many documents share, such as licence texts.

A header is counted once per document, whatever white space ends its lines; the counts of all shards are merged in
partitions of their hashes. What is cut is comments only (see `headers.py`), so programs mean what they meant; a
document that would be empty without its header keeps it. The licence of a document stands in its columns and stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from better_ai.artifacts import content_id
from better_ai.config.data.deduplication import DeduplicationConfig
from better_ai.data.deduplicate.exact import key_partitions
from better_ai.data.deduplicate.headers import split_header
from better_ai.data.deduplicate.normalize import normalized
from better_ai.data.deduplicate.store import key_range, load_array
from better_ai.data.engine import Phases, ShardResult
from better_ai.data.schema import DOCUMENT_SCHEMA, DOCUMENTS_FILE, document_id
from better_ai.data.step import replace_columns
from better_ai.data.tables import TableWriter, read_batches

HEADERS_VERSION = 1
"""Raised with every change of what a header is."""


def strip_headers(
    shards: Sequence[Path], config: DeduplicationConfig, phases: Phases, *, identities: Sequence[str]
) -> list[ShardResult]:
    """Cut the headers that open at least `config.header_documents` documents off all of them.

    Returns one result per shard: DOCUMENTS_FILE holds the same rows, with new content and id where something was cut;
    its counts are `documents` and `stripped`. `identities` tell the shards' contents apart; what a former build had
    too is not computed again. Raises ArtifactError when a shard cannot be read.
    """
    key: dict[str, Any] = {"headers": HEADERS_VERSION}
    counted = phases.run("headers", CountTask(), list(shards), key=key, identities=identities)
    folders = tuple(result.folder for result in counted)
    total = sum(result.counts["headers"] for result in counted)
    partitions = key_partitions(-(-max(1, total) // config.partition_rows))
    common = phases.run(
        "common_headers",
        CommonTask(folders, config.header_documents),
        partitions,
        key={
            **key,
            "shards": content_id(list(identities)),
            "header_documents": config.header_documents,
            "partition_rows": config.partition_rows,
        },
    )
    strip = StripTask(tuple(result.folder for result in common))
    key["common"] = [result.identity for result in common]
    return phases.run("stripped", strip, list(shards), key=key, identities=identities)


@dataclass(frozen=True)
class CountTask:
    """Parquet file of documents -> `hashes.npy`, those of its headers, ascending, and `counts.npy`."""

    def __call__(self, shard: Path, out: Path) -> Mapping[str, Any]:
        hashes: list[int] = []
        for batch in read_batches(shard, DOCUMENT_SCHEMA, ["content", "language"]):
            hashes += [_hash(header) for _, header, _ in _split(batch) if header]
        values, counts = np.unique(np.array(hashes, np.uint64), return_counts=True)
        np.save(out / "hashes.npy", values)
        np.save(out / "counts.npy", counts)
        return {"headers": len(hashes)}


@dataclass(frozen=True)
class CommonTask:
    """Range of hashes -> `hashes.npy`, those of headers that enough documents have, ascending."""

    folders: tuple[Path, ...]
    documents: int

    def __call__(self, limits: tuple[int, int], out: Path) -> Mapping[str, Any]:
        hashes, counts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for folder in self.folders:
            values = load_array(folder / "hashes.npy")
            start, stop = key_range(values, *limits)
            hashes.append(values[start:stop])
            counts.append(load_array(folder / "counts.npy")[start:stop])
        found, inverse = np.unique(np.concatenate(hashes), return_inverse=True)
        totals = np.zeros(len(found), np.int64)
        np.add.at(totals, inverse, np.concatenate(counts))
        common = found[totals >= self.documents]
        np.save(out / "hashes.npy", common)
        return {"headers": len(common)}


@dataclass(frozen=True)
class StripTask:
    """Parquet file of documents -> the same without the common headers."""

    common: tuple[Path, ...]

    def __call__(self, shard: Path, out: Path) -> Mapping[str, Any]:
        common = np.concatenate([load_array(folder / "hashes.npy") for folder in self.common])
        documents = stripped = 0
        with TableWriter(out / DOCUMENTS_FILE, DOCUMENT_SCHEMA) as writer:
            for batch in read_batches(shard, DOCUMENT_SCHEMA):
                parts = list(_split(batch))
                hashes = [_hash(header) if header and rest.strip() else 0 for _, header, rest in parts]
                chosen = np.isin(np.array(hashes, np.uint64), common)
                writer.write(_without(batch, parts, chosen))
                documents, stripped = documents + batch.num_rows, stripped + int(chosen.sum())
        return {"documents": documents, "stripped": stripped}


def _without(batch: pa.RecordBatch, parts: list[tuple[str, str, str]], chosen: np.ndarray) -> pa.RecordBatch:
    """The documents, the chosen ones less their headers."""
    if not chosen.any():
        return batch
    ids, contents = batch.column("id").to_pylist(), batch.column("content").to_pylist()
    for row in np.flatnonzero(chosen).tolist():
        before, _, rest = parts[row]
        contents[row] = before + rest.lstrip("\n")
        ids[row] = document_id(contents[row].encode())
    return replace_columns(batch, {"id": pa.array(ids, pa.string()), "content": pa.array(contents, pa.string())})


def _split(batch: pa.RecordBatch) -> Iterator[tuple[str, str, str]]:
    contents, languages = batch.column("content").to_pylist(), batch.column("language").to_pylist()
    for content, language in zip(contents, languages, strict=True):
        yield split_header(content, language)


def _hash(header: str) -> int:
    """Never 0, which stands for no header."""
    return xxhash.xxh3_64_intdigest(normalized(header.encode())) or 1
