"""The split into training and validation documents, by what they are and not by where they stand."""

import numpy as np
import pyarrow as pa

from better_ai.errors import UserError


def split_documents(batch: pa.RecordBatch, validation_fraction: float) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Training and validation documents, each in their order.

    A document's id, a hash of its content, names a point in 0..1; validation takes those below the fraction, and the
    lowest one in any case. So a document never changes sides when others come or go, and as near-duplicates are
    removed before, none has a twin on the other side. Raises UserError when there are fewer than two documents.
    """
    if batch.num_rows < 2:
        raise UserError(
            f"{batch.num_rows} documents are left, too few for training and validation; "
            "the rejected documents say why; add sources or loosen the limits"
        )
    points = np.array([int(id[:16], 16) / 2**64 for id in batch.column("id").to_pylist()])
    in_validation = points < validation_fraction
    in_validation[points.argmin()] = True
    if in_validation.all():
        raise UserError(
            f"all {batch.num_rows} documents fall to validation at validation_fraction={validation_fraction}; lower it"
        )
    return batch.filter(pa.array(~in_validation)), batch.filter(pa.array(in_validation))
