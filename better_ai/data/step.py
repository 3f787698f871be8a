"""A step judges each document alone, in two parts: what it is like, and what the policy does about that.

`tag` is the expensive part (parsing, matching, scoring). It knows no threshold, so its columns are kept beside the
documents and a changed policy runs no tag again. `judge` is the cheap part: documents and their tags in, the
documents that stay (perhaps edited) and the rows turned away out. Both are pure functions of a batch, so they run on
any shard anywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_SCHEMA

NO_TAGS = pa.schema([])


@dataclass(frozen=True)
class Stepped:
    """What a step leaves of a batch, in the schemas of documents and of rejected ones."""

    kept: pa.RecordBatch
    rejected: pa.RecordBatch
    keep: pa.BooleanArray | None = None
    """Which rows of the batch are kept, in order; a step that rejects rows says so (`reject_rows` does)."""


@dataclass(frozen=True)
class Step:
    """One step of a build, made from its configuration by the function of that name."""

    name: str
    """Stands in every rejected row and names the folder of the tags."""
    judge: Callable[[pa.RecordBatch, pa.RecordBatch], Stepped]
    """Documents and tags, row by row the same -> what stays and what does not; none may be lost."""
    tag: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None
    """Documents -> their tags, in `tag_schema`, row by row; None for a step that needs none."""
    tag_schema: pa.Schema = NO_TAGS
    tag_key: Mapping[str, Any] = field(default_factory=dict)
    """What the tags depend on besides the documents: a version, raised with every change of `tag`, and the settings."""


Reject = tuple[str | None, str, str, str]
"""Id, source, step and reason of a document that is turned away."""


def reject_rows(batch: pa.RecordBatch, step: str, reasons: Sequence[str | None]) -> Stepped:
    """Turn away the rows that have a reason, one entry per row."""
    assert len(reasons) == batch.num_rows
    keep = pa.array([reason is None for reason in reasons], pa.bool_())
    ids, sources = batch.column("id").to_pylist(), batch.column("source").to_pylist()
    rejected = [
        (id, source, step, reason)
        for id, source, reason in zip(ids, sources, reasons, strict=True)
        if reason is not None
    ]
    return Stepped(batch.filter(keep), rejected_batch(rejected), keep)


def document_batch(documents: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """A batch of documents given as mappings."""
    return pa.RecordBatch.from_pylist(list(documents), DOCUMENT_SCHEMA)


def rejected_batch(rows: Sequence[Reject]) -> pa.RecordBatch:
    """A batch of rejected documents."""
    names = REJECTED_SCHEMA.names
    return pa.RecordBatch.from_pylist([dict(zip(names, row, strict=True)) for row in rows], REJECTED_SCHEMA)


def replace_columns(batch: pa.RecordBatch, columns: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """The batch with some of its columns replaced."""
    arrays = [columns.get(field.name, batch.column(field.name)) for field in batch.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)
