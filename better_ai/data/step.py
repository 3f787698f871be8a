"""A step: a function from a batch of documents to the batch that stays and the rows turned away.

A step looks at nothing but its batch, so a build may run it on any partition anywhere. Steps that compare documents
(the removal of duplicates) are given all documents that have to be compared as one batch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_SCHEMA


@dataclass(frozen=True)
class Stepped:
    """What a step leaves of a batch, in the schemas of documents and of rejected ones."""

    kept: pa.RecordBatch
    rejected: pa.RecordBatch


Reject = tuple[str | None, str, str, str]
"""Id, source, step and reason of a document that is turned away."""

Step = Callable[[pa.RecordBatch], Stepped]


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
    return Stepped(batch.filter(keep), rejected_batch(rejected))


def document_batch(documents: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """A batch of documents given as mappings."""
    return pa.RecordBatch.from_pylist(list(documents), DOCUMENT_SCHEMA)


def rejected_batch(rows: Sequence[Reject]) -> pa.RecordBatch:
    """A batch of rejected documents."""
    names = REJECTED_SCHEMA.names
    return pa.RecordBatch.from_pylist([dict(zip(names, row, strict=True)) for row in rows], REJECTED_SCHEMA)
