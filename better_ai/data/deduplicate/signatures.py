"""The phase that reads every document once and keeps what the search for duplicates needs to know of it.

Per shard, as plain arrays that later phases map into memory and read by ranges:

    documents.arrow    quality, date, source and id of each row: who stays, and its name
    order.npy          rows from the one to keep first to the last
    origins.npy        hash of the repository of each row, 0 where it has none
    digest_keys.npy    xxh3-128 of the normalised content as two uint64, ascending; digest_rows.npy their rows
    shingles.u32       the shingle sets, one after the other; shingle_bounds.npy where each begins
    sketches.npy       a few bytes per row that estimate similarity
    band_keys.npy      the keys of near-duplicate buckets, ascending; band_rows.npy their rows

Since keys ascend, a range of keys is a slice of each file, whatever the number of partitions of a later shuffle.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from better_ai.config.data.deduplication import DeduplicationConfig
from better_ai.data.deduplicate import simhash
from better_ai.data.deduplicate.headers import without_header
from better_ai.data.deduplicate.minhash import band_keys, minhash, sketch
from better_ai.data.deduplicate.normalize import normalized
from better_ai.data.deduplicate.shingles import HASH_VERSION, ShingleSets, shingle_sets

FORMAT = 1
"""Raised with every change of the files or of what stands in them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNDATED = int(np.iinfo(np.int64).max)
GROUP_BYTES = 1 << 19
"""Documents are hashed together up to this size, so that short ones cost no call each."""
_BATCH_ROWS = 256
_DOCUMENTS = pa.schema([("quality", pa.float64()), ("date", pa.int64()), ("source", pa.string()), ("id", pa.string())])
_COLUMNS = ["id", "content", "language", "source", "quality_score", "metadata"]


@dataclass(frozen=True)
class SignatureTask:
    """Parquet file of documents -> the files above. Memory: the sets of one shard's bands and one batch of text."""

    config: DeduplicationConfig

    def __call__(self, shard: Path, out: Path) -> Mapping[str, Any]:
        writer = _Writer(out, self.config)
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=_COLUMNS):
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


class Signatures:
    """The signature folder of a shard, mapped and not loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def array(self, name: str) -> np.ndarray:
        """A file as an array on disk."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)

    @cached_property
    def documents(self) -> pa.Table:
        with pa.memory_map(str(self.folder / "documents.arrow")) as file:
            return pa.ipc.open_file(file).read_all()

    @cached_property
    def order(self) -> np.ndarray:
        return self.array("order")

    @cached_property
    def sketches(self) -> np.ndarray:
        return self.array("sketches")

    @cached_property
    def shingles(self) -> ShingleSets:
        bounds = self.array("shingle_bounds")
        if not bounds[-1]:
            return ShingleSets(np.zeros(0, np.uint32), bounds)
        hashes = np.memmap(self.folder / "shingles.u32", np.uint32, "r", shape=(int(bounds[-1]),))
        return ShingleSets(hashes.view(np.ndarray), bounds)

    def __len__(self) -> int:
        return len(self.order)

    def source(self, row: int) -> str:
        return self.documents.column("source")[row].as_py()

    def keep_key(self, row: int) -> tuple[float, int, str, str]:
        """Ascends from the document to keep first: best quality, then oldest, then source, then id."""
        quality, date, source, id = (self.documents.column(name)[row].as_py() for name in self.documents.column_names)
        return -quality, date, source, id

    def slice(self, kind: str, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Keys ("digest" or "band") whose first 64 bits lie in low..high - 1, and their rows."""
        keys = self.array(f"{kind}_keys")
        first = keys if keys.ndim == 1 else keys[:, 0]
        start, stop = key_range(first, low, high)
        return keys[start:stop], self.array(f"{kind}_rows")[start:stop]


def key_range(keys: np.ndarray, low: int, high: int) -> tuple[int, int]:
    """The slice of ascending uint64 keys that lie in low..high - 1; `high` may be 2**64."""
    start = int(np.searchsorted(keys, np.uint64(low)))
    stop = len(keys) if high > 0xFFFFFFFFFFFFFFFF else int(np.searchsorted(keys, np.uint64(high)))
    return start, stop


def write_documents(table: pa.Table, folder: Path) -> None:
    """Write documents.arrow and order.npy."""
    with pa.OSFile(str(folder / "documents.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table.combine_chunks())
    keys = [("quality", "descending"), ("date", "ascending"), ("source", "ascending"), ("id", "ascending")]
    np.save(folder / "order.npy", pc.sort_indices(table, sort_keys=keys).to_numpy().astype(np.int64))


def write_keys(kind: str, keys: np.ndarray, rows: np.ndarray, folder: Path) -> None:
    """Write the keys in ascending order, and their rows; equal keys in the order of their rows."""
    order = np.argsort(keys, kind="stable") if keys.ndim == 1 else np.lexsort((keys[:, 1], keys[:, 0]))
    np.save(folder / f"{kind}_keys.npy", keys[order])
    np.save(folder / f"{kind}_rows.npy", rows[order])


class _Writer:
    def __init__(self, folder: Path, config: DeduplicationConfig) -> None:
        self.folder, self.config = folder, config
        self.documents: list[pa.RecordBatch] = []
        self.origins: list[np.ndarray] = []
        self.digests: list[np.ndarray] = []
        self.counts: list[np.ndarray] = []
        self.sketches: list[np.ndarray] = []
        self.keys: list[np.ndarray] = []
        self.bytes = 0
        self.shingles = (folder / "shingles.u32").open("wb") if config.method != "exact" else None

    def add(self, batch: pa.RecordBatch) -> None:
        text, bounds = _utf8(batch.column("content"))
        metadata = [_metadata(text) for text in batch.column("metadata").to_pylist()]
        scores = batch.column("quality_score")
        quality = pc.fill_null(pc.if_else(pc.is_nan(scores), 0.0, scores), 0.0)
        dates = pa.array([document_date(value) for value in metadata], pa.int64())
        columns = [quality, dates, batch.column("source"), batch.column("id")]
        self.documents.append(pa.RecordBatch.from_arrays(columns, schema=_DOCUMENTS))
        self.origins.append(np.array([_origin_hash(value) for value in metadata], np.uint64))
        self.digests.append(_digests(text, bounds))
        self.bytes += len(text)
        if self.shingles is None:
            return
        if self.config.ignore_header:
            pairs = zip(batch.column("content").to_pylist(), batch.column("language").to_pylist(), strict=True)
            text, bounds = _utf8(pa.array([without_header(content, language) for content, language in pairs]))
        for first, last in _groups(bounds):
            start, stop = bounds[first], bounds[last]
            self._add_sets(bytes(text[start:stop]), bounds[first : last + 1] - start)

    def _add_sets(self, text: bytes, bounds: np.ndarray) -> None:
        sets = shingle_sets(text, bounds, self.config.ngram)
        assert self.shingles is not None
        self.shingles.write(sets.hashes.data)
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
        documents = pa.Table.from_batches(self.documents, _DOCUMENTS)
        write_documents(documents, self.folder)
        np.save(self.folder / "origins.npy", np.concatenate([*self.origins, np.zeros(0, np.uint64)]))
        digests = np.concatenate([*self.digests, np.zeros((0, 2), np.uint64)])
        write_keys("digest", digests, np.arange(len(digests)), self.folder)
        if self.shingles is not None:
            self._finish_sets()
        return {"documents": documents.num_rows, "bytes": self.bytes}

    def _finish_sets(self) -> None:
        assert self.shingles is not None
        self.shingles.close()
        counts = np.concatenate([*self.counts, np.zeros(0, np.int64)])
        bounds = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=bounds[1:])
        np.save(self.folder / "shingle_bounds.npy", bounds)
        width = self.config.permutations if self.config.method == "minhash" else 8
        np.save(self.folder / "sketches.npy", np.concatenate([*self.sketches, np.zeros((0, width), np.uint8)]))
        keys = np.concatenate(self.keys) if self.keys else np.zeros((0, 1), np.uint64)
        rows = np.flatnonzero(counts)
        flat = np.repeat(rows, keys.shape[1])
        write_keys("band", keys[rows].reshape(-1), flat, self.folder)


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
    """xxh3-128 of each document's normalised bytes, uint64 (documents, 2), the upper half first."""
    limits = bounds.tolist()
    digests = [xxhash.xxh3_128_digest(normalized(bytes(text[start:stop]))) for start, stop in pairwise(limits)]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64).reshape(-1, 2)


def _metadata(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
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
    origin = metadata.get("origin")
    return xxhash.xxh3_64_intdigest(origin.encode()) if isinstance(origin, str) and origin else 0
