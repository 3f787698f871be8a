"""The signature folder of a shard: plain arrays that are mapped into memory and read by ranges.

    documents.arrow    quality, date, source and id of each row: who stays, and its name
    order.npy          rows from the one to keep first to the last
    origins.npy        hash of the repository of each row, 0 where it has none
    digest_keys.npy    xxh3-128 of the normalised content as two uint64, ascending; digest_rows.npy their rows
    shingles.u32       the shingle sets, one after the other; shingle_bounds.npy where each begins
    sketches.npy       a few bytes per row that estimate similarity
    band_keys.npy      the keys of near-duplicate buckets, ascending; band_rows.npy their rows

Since keys ascend, a range of keys is a slice of each file, whatever the number of partitions of a later shuffle.
"""

from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from better_ai.data.deduplicate.shingles import ShingleSets
from better_ai.errors import ArtifactError

DOCUMENTS = pa.schema([("quality", pa.float64()), ("date", pa.int64()), ("source", pa.string()), ("id", pa.string())])
"""`date`: microseconds since 1970."""

KEEP_ORDER = [("quality", "descending"), ("date", "ascending"), ("source", "ascending"), ("id", "ascending")]
"""Best quality, then oldest, then source, then id: the keys by which DOCUMENTS are sorted."""

KeepKey = tuple[float, int, str, str]
"""Ascends in that order."""


class Signatures:
    """The signature folder of a shard, mapped and not loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def array(self, name: str) -> np.ndarray:
        """A file as an array on disk."""
        return load_array(self.folder / f"{name}.npy")

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
        return ShingleSets(load_raw(self.folder / "shingles.u32", np.dtype(np.uint32)), bounds)

    def __len__(self) -> int:
        return len(self.order)

    def column(self, name: str) -> np.ndarray:
        """A column of numbers of the documents, without a copy."""
        return self.documents.column(name).combine_chunks().to_numpy()

    def keep_key(self, row: int) -> KeepKey:
        """Ascends from the document to keep first to the last."""
        quality, date, source, id = (self.documents.column(name)[row].as_py() for name in self.documents.column_names)
        return -quality, date, source, id

    def slice(self, kind: str, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Keys ("digest" or "band") whose first 64 bits lie in low..high - 1, and their rows."""
        keys = self.array(f"{kind}_keys")
        first = keys if keys.ndim == 1 else keys[:, 0]
        start, stop = key_range(first, low, high)
        return keys[start:stop], self.array(f"{kind}_rows")[start:stop].astype(np.int64)


def load_array(path: Path) -> np.ndarray:
    """A `.npy` file, mapped and not read. Raises ArtifactError when it is missing or damaged."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"cannot read {path} ({error}); remove its folder to build it again") from None


def load_raw(path: Path, kind: np.dtype) -> np.ndarray:
    """A file of nothing but values, mapped and not read. Raises ArtifactError when it is missing or damaged."""
    try:
        if not path.stat().st_size:
            return np.zeros(0, kind)
        return np.memmap(path, kind, "r").view(np.ndarray)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read {path} ({error}); remove its folder to build it again") from None


def key_range(keys: np.ndarray, low: int, high: int) -> tuple[int, int]:
    """The slice of ascending uint64 keys that lie in low..high - 1; `high` may be 2**64."""
    start = int(np.searchsorted(keys, np.uint64(low)))
    stop = len(keys) if high > 0xFFFFFFFFFFFFFFFF else int(np.searchsorted(keys, np.uint64(high)))
    return start, stop


def write_documents(table: pa.Table, folder: Path) -> None:
    """Write documents.arrow and order.npy."""
    with pa.OSFile(str(folder / "documents.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table.combine_chunks())
    np.save(folder / "order.npy", pc.sort_indices(table, sort_keys=KEEP_ORDER).to_numpy().astype(np.int64))


def write_keys(kind: str, keys: np.ndarray, rows: np.ndarray, folder: Path) -> None:
    """Write the keys in ascending order, and their rows; equal keys in the order of their rows."""
    order = np.argsort(keys, kind="stable") if keys.ndim == 1 else np.lexsort((keys[:, 1], keys[:, 0]))
    np.save(folder / f"{kind}_keys.npy", keys[order])
    np.save(folder / f"{kind}_rows.npy", rows[order].astype(np.uint32))
