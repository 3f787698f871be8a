"""Token datasets for the tests of loading, made without a tokenizer; every token is different while ids last."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from better_ai.data import PackedRows
from better_ai.data.loading import TokenDataset, write_dataset
from better_ai.data.loading.packing import PADDING_SEGMENT
from better_ai.data.loading.shards import write_token_arrays

PAD = 60_000


def make_dataset(folder: Path, shards: Sequence[Sequence[int]], *, first: int = 0) -> TokenDataset:
    """Shards given as the lengths of their documents; tokens count on from `first`."""
    written, token = [], first
    for number, lengths in enumerate(shards):
        documents = []
        for length in lengths:
            documents.append((np.arange(token, token + length), 2 * length))
            token += length
        write_token_arrays(documents, folder / f"{number:03d}", dtype="uint16", tokenizer="test")
        written.append((folder / f"{number:03d}", None))
    assert token < PAD
    return write_dataset(folder, written)


def real_tokens(rows: PackedRows) -> list[int]:
    """The tokens of rows without their padding."""
    return rows.tokens[rows.segment_ids != PADDING_SEGMENT].tolist()


def assert_equal_rows(ours: PackedRows, theirs: PackedRows) -> None:
    for name in ("tokens", "targets", "loss_mask", "positions", "segment_ids"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
