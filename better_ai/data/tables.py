"""Parquet files larger than memory: written in row groups of bounded size, read one row group at a time.

Where a row group ends depends on the rows alone and not on the batches they came in, so equal rows give equal bytes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from better_ai.artifacts import atomic_write
from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_SCHEMA
from better_ai.errors import ArtifactError

ROW_GROUP_ROWS = 1000
ROW_GROUP_BYTES = 16_000_000
"""Of the `content` column; the row that reaches it is the last of its group."""

FEW_VALUES = ("language", "license", "step", "side")
"""Columns worth a dictionary."""


class TableWriter:
    """Appends batches to a zstd Parquet file. Use as a context manager; the file is whole at its end.

    Raises OSError when the disk is full, ArtifactError for a batch in another schema.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema = path, schema
        self.rows = 0
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0
        few = [name for name in schema.names if name in FEW_VALUES]
        self._file = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=few or False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._file.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; a row group is written when it is full."""
        check_schema(batch.schema, self.schema, str(self.path))
        self.rows += batch.num_rows
        sizes = _row_bytes(batch)
        start = 0
        while start < batch.num_rows:
            ends = self._pending_bytes + np.cumsum(sizes[start : start + ROW_GROUP_ROWS - self._pending_rows])
            count = min(len(ends), int(np.searchsorted(ends, ROW_GROUP_BYTES)) + 1)
            self._pending.append(batch.slice(start, count))
            self._pending_rows += count
            self._pending_bytes = int(ends[count - 1])
            start += count
            if self._pending_rows == ROW_GROUP_ROWS or self._pending_bytes >= ROW_GROUP_BYTES:
                self._flush()

    def write_row_group(self, batch: pa.RecordBatch) -> None:
        """Append rows as a row group of their own."""
        self._flush()
        check_schema(batch.schema, self.schema, str(self.path))
        self.rows += batch.num_rows
        self._pending, self._pending_rows = [batch], batch.num_rows
        self._flush()

    def _flush(self) -> None:
        if self._pending_rows:
            table = pa.Table.from_batches(self._pending, self.schema).combine_chunks()
            self._file.write_table(table, row_group_size=self._pending_rows)
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0


def write_parquet(batches: Sequence[pa.RecordBatch], schema: pa.Schema, path: Path | str) -> None:
    """Write batches, in order, so that the file is whole or absent. Raises ArtifactError when it cannot be written."""
    with atomic_write(path) as temporary, TableWriter(temporary, schema) as writer:
        for batch in batches:
            writer.write(batch)


def read_batches(
    path: Path,
    schema: pa.Schema,
    columns: Sequence[str] | None = None,
    *,
    groups: Sequence[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The row groups of a file, or those of the given numbers, one batch each.

    Raises ArtifactError when the file is missing, damaged or has another schema.
    """
    with _opened(path, schema) as file:
        names = None if columns is None else list(columns)
        for group in range(file.num_row_groups) if groups is None else groups:
            table = file.read_row_group(group, columns=names, use_threads=False)
            yield from table.combine_chunks().to_batches()


def read_documents(path: Path | str) -> pa.Table:
    """A whole file of documents. Raises as `read_batches` does."""
    return pa.Table.from_batches(read_batches(Path(path), DOCUMENT_SCHEMA), DOCUMENT_SCHEMA)


def read_rejected(path: Path | str) -> pa.Table:
    """A whole file of rejected documents. Raises as `read_batches` does."""
    return pa.Table.from_batches(read_batches(Path(path), REJECTED_SCHEMA), REJECTED_SCHEMA)


def group_sizes(path: Path, schema: pa.Schema) -> list[tuple[int, int]]:
    """Rows and unpacked bytes of each row group. Raises as `read_batches` does."""
    with _opened(path, schema) as file:
        groups = (file.metadata.row_group(number) for number in range(file.num_row_groups))
        return [(group.num_rows, group.total_byte_size) for group in groups]


@contextmanager
def _opened(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            check_schema(file.schema_arrow, schema, str(path))
            yield file
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"cannot read {path} ({str(error).splitlines()[0]}); build the data again") from None


def check_schema(found: pa.Schema, expected: pa.Schema, where: str) -> None:
    """Raises ArtifactError when the columns are not the expected ones."""
    if not found.equals(expected):
        has = ", ".join(f"{field.name}: {field.type}" for field in found)
        wants = ", ".join(f"{field.name}: {field.type}" for field in expected)
        raise ArtifactError(f"{where} has the columns {has}; expected {wants}; build the data again")


def content_bytes(batch: pa.RecordBatch) -> int:
    """UTF-8 bytes of the content of some documents."""
    return int(pc.sum(pc.binary_length(batch.column("content"))).as_py() or 0)


def _row_bytes(batch: pa.RecordBatch) -> np.ndarray:
    if "content" not in batch.schema.names:
        return np.zeros(batch.num_rows, np.int64)
    return pc.binary_length(batch.column("content")).to_numpy(zero_copy_only=False).astype(np.int64)
