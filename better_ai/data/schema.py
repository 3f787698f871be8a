"""The Arrow schemas of documents and of what was turned away, and their Parquet files."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.artifacts import atomic_write
from better_ai.errors import ArtifactError

DOCUMENT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("license", pa.string(), nullable=False),
        pa.field("quality_score", pa.float64(), nullable=True),
        pa.field("metadata", pa.string(), nullable=False),
    ]
)
"""`id`: SHA-256 of the content. `source`: where it comes from, `origin:path`. `license`: SPDX identifier or "unknown".
`quality_score`: 0..1, null before it is scored. `metadata`: a JSON object with sorted keys."""

REJECTED_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=True),
        pa.field("source", pa.string(), nullable=False),
        pa.field("step", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""`id` is null where the content could not be read."""

ROW_GROUP_ROWS = 1000


def document_id(content: bytes) -> str:
    """The id of a document with this UTF-8 content: its SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def write_parquet(batches: Sequence[pa.RecordBatch], schema: pa.Schema, path: Path | str) -> None:
    """Write batches, in order, as zstd Parquet; equal rows give equal bytes. Raises ArtifactError when it cannot."""
    with atomic_write(path) as temporary:
        table = pa.Table.from_batches(batches, schema).combine_chunks()
        pq.write_table(table, temporary, compression="zstd", row_group_size=ROW_GROUP_ROWS)


def read_documents(path: Path | str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file of documents. Raises ArtifactError when it is missing, damaged or has another schema."""
    return _read(Path(path), DOCUMENT_SCHEMA, columns)


def read_rejected(path: Path | str) -> pa.Table:
    """Read a file of rejected documents. Raises ArtifactError when it is missing, damaged or has another schema."""
    return _read(Path(path), REJECTED_SCHEMA, None)


def _read(path: Path, schema: pa.Schema, columns: Sequence[str] | None) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(schema):
                found = ", ".join(f"{field.name}: {field.type}" for field in file.schema_arrow)
                expected = ", ".join(f"{field.name}: {field.type}" for field in schema)
                raise ArtifactError(f"{path} has the columns {found}; expected {expected}; build the data again")
            return file.read(columns=None if columns is None else list(columns))
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"cannot read {path} ({str(error).splitlines()[0]}); build the data again") from None
