"""The phase that reads every document once and keeps what the search for duplicates needs to know of it.

What it writes per shard stands in `store.py`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from better_ai.config.data.deduplication import DeduplicationConfig
from better_ai.data.deduplicate import simhash
from better_ai.data.deduplicate.headers import without_header
from better_ai.data.deduplicate.minhash import band_keys, minhash, sketch
from better_ai.data.deduplicate.normalize import normalized
from better_ai.data.deduplicate.shingles import HASH_VERSION, shingle_sets
from better_ai.data.deduplicate.store import DOCUMENTS, write_documents, write_keys
from better_ai.data.schema import DOCUMENT_SCHEMA
from better_ai.data.tables import read_batches

FORMAT = 1
"""Raised with every change of the files or of what stands in them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNDATED = int(np.iinfo(np.int64).max)
GROUP_BYTES = 1 << 19
"""Documents are hashed together up to this size, so that short ones cost no call each."""
_COLUMNS = ["id", "content", "language", "source", "quality_score", "metadata"]


@dataclass(frozen=True)
class SignatureTask:
    """Parquet file of documents -> a signature folder. Memory: one row group, and about a kilobyte per document."""

    config: DeduplicationConfig

    def __call__(self, shard: Path, out: Path) -> Mapping[str, Any]:
        writer = _Writer(out, self.config)
        for batch in read_batches(shard, DOCUMENT_SCHEMA, _COLUMNS):
            writer.add(batch)
        return writer.finish()


def signature_settings(config: DeduplicationConfig) -> dict[str, Any]:
    """What signatures depend on, as plain values: only equal settings can be compared."""
    settings: dict[str, Any] = {"format": FORMAT, "hash": HASH_VERSION, "method": config.method}
    if config.method != "exact":
        settings |= {"ngram": config.ngram, "ignore_header": config.ignore_header}
    if config.method == "minhash":
        settings |= {"permutations": config.permutations, "bands": config.bands}
    if config.method == "simhash":
        settings |= {"simhash_blocks": config.simhash_blocks, "simhash_distance": config.simhash_distance}
    return settings


class _Writer:
    """Collects what is known of a shard, batch by batch; shingle sets go to the disk at once."""

    def __init__(self, folder: Path, config: DeduplicationConfig) -> None:
        self.folder, self.config = folder, config
        self.documents: list[pa.RecordBatch] = []
        self.origins: list[np.ndarray] = []
        self.digests: list[np.ndarray] = []
        self.counts: list[np.ndarray] = []
        self.sketches: list[np.ndarray] = []
        self.keys: list[np.ndarray] = []
        self.bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        text, bounds = _utf8(batch.column("content"))
        metadata = [_metadata(text) for text in batch.column("metadata").to_pylist()]
        scores = batch.column("quality_score")
        quality = pc.fill_null(pc.if_else(pc.is_nan(scores), 0.0, scores), 0.0)
        dates = pa.array([document_date(value) for value in metadata], pa.int64())
        columns = [quality, dates, batch.column("source"), batch.column("id")]
        self.documents.append(pa.RecordBatch.from_arrays(columns, schema=DOCUMENTS))
        self.origins.append(np.array([_origin_hash(value) for value in metadata], np.uint64))
        self.digests.append(_digests(text, bounds))
        self.bytes += len(text)
        if self.config.method == "exact":
            return
        if self.config.ignore_header:
            pairs = zip(batch.column("content").to_pylist(), batch.column("language").to_pylist(), strict=True)
            text, bounds = _utf8(pa.array([without_header(content, language) for content, language in pairs]))
        for first, last in _groups(bounds):
            start, stop = bounds[first], bounds[last]
            self._add_sets(bytes(text[start:stop]), bounds[first : last + 1] - start)

    def _add_sets(self, text: bytes, bounds: np.ndarray) -> None:
        sets = shingle_sets(text, bounds, self.config.ngram)
        with (self.folder / "shingles.u32").open("ab") as file:
            file.write(sets.hashes.data)
        self.counts.append(np.diff(sets.bounds))
        if self.config.method == "minhash":
            signatures = minhash(sets, self.config.permutations)
            self.sketches.append(sketch(signatures))
            self.keys.append(band_keys(signatures, self.config.bands))
        else:
            fingerprints = simhash.simhash(sets)
            self.sketches.append(fingerprints.view(np.uint8).reshape(-1, 8))
            self.keys.append(simhash.block_keys(fingerprints, self.config.simhash_blocks, self.config.simhash_distance))

    def finish(self) -> dict[str, Any]:
        documents = pa.Table.from_batches(self.documents, DOCUMENTS)
        write_documents(documents, self.folder)
        np.save(self.folder / "origins.npy", np.concatenate([*self.origins, np.zeros(0, np.uint64)]))
        digests = np.concatenate([*self.digests, np.zeros((0, 2), np.uint64)])
        write_keys("digest", digests, np.arange(len(digests)), self.folder)
        if self.config.method != "exact":
            self._finish_sets()
        return {"documents": documents.num_rows, "bytes": self.bytes}

    def _finish_sets(self) -> None:
        (self.folder / "shingles.u32").touch()
        counts = np.concatenate([*self.counts, np.zeros(0, np.int64)])
        bounds = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=bounds[1:])
        np.save(self.folder / "shingle_bounds.npy", bounds)
        width = self.config.permutations if self.config.method == "minhash" else 8
        np.save(self.folder / "sketches.npy", np.concatenate([*self.sketches, np.zeros((0, width), np.uint8)]))
        keys = np.concatenate(self.keys) if self.keys else np.zeros((0, 1), np.uint64)
        rows = np.flatnonzero(counts)
        write_keys("band", keys[rows].reshape(-1), np.repeat(rows, keys.shape[1]), self.folder)


def _utf8(texts: pa.Array) -> tuple[memoryview, np.ndarray]:
    """The bytes of an array of strings, one after the other, and their bounds, without a copy."""
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    whole = memoryview(data) if data is not None else memoryview(b"")
    return whole[bounds[0] : bounds[-1]], bounds - bounds[0]


def _groups(bounds: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of documents of up to GROUP_BYTES, or single ones."""
    first, count = 0, len(bounds) - 1
    while first < count:
        last = int(np.searchsorted(bounds, bounds[first] + GROUP_BYTES, "right")) - 1
        last = min(max(last, first + 1), count)
        yield first, last
        first = last


def _digests(text: memoryview, bounds: np.ndarray) -> np.ndarray:
    """xxh3-128 of each document's normalised bytes, uint64 (documents, 2), the upper half first. It is no protection
    against those who construct collisions; an `id` is."""
    limits = bounds.tolist()
    digests = [xxhash.xxh3_128_digest(normalized(bytes(text[start:stop]))) for start, stop in pairwise(limits)]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64).reshape(-1, 2)


def _metadata(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def document_date(metadata: Mapping[str, Any]) -> int:
    """Microseconds since 1970 of the document's `date`, else of `fetched_at` (ISO 8601; UTC where no zone is given);
    UNDATED where neither can be read."""
    for name in ("date", "fetched_at"):
        try:
            moment = datetime.fromisoformat(metadata[name])
        except (KeyError, TypeError, ValueError):
            continue
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round((moment - _EPOCH).total_seconds() * 1e6)
    return UNDATED


def _origin_hash(metadata: Mapping[str, Any]) -> int:
    """Hash of the repository a document is from, 0 if it names none."""
    origin = metadata.get("origin")
    if not isinstance(origin, str) or not origin:
        return 0
    return xxhash.xxh3_64_intdigest(origin.encode("utf-8", "surrogatepass"))
