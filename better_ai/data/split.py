"""The split into training and validation documents, by what they are and not by where they stand.

A document's id, a hash of its content, names a point in 0..1; validation takes those below the fraction. So a document
never changes sides when others come or go, and as near-duplicates are removed before, none has a twin on the other.
"""

from collections.abc import Sequence

import numpy as np


def in_validation(ids: Sequence[str], fraction: float) -> np.ndarray:
    """Which documents fall to validation, bool (N,)."""
    points = np.array([int(id[:16], 16) / 2**64 for id in ids], np.float64)
    return points < fraction
