"""The Arrow schemas of documents and of what was turned away."""

import hashlib

import pyarrow as pa

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

DOCUMENTS_FILE, REJECTED_FILE = "documents.parquet", "rejected.parquet"
"""Names of the files that a phase leaves in these schemas, and the latter a finished corpus."""


def document_id(content: bytes) -> str:
    """The id of a document with this UTF-8 content: its SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()
