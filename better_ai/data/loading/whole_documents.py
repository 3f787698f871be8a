"""Pretraining rows in which documents stay whole: best-fit packing over a window of a token dataset.

After Ding et al. 2024, "Fewer Truncations Improve Language Modeling" (arXiv 2404.10830): a document longer than a row
is cut into full rows and a remainder; remainders and short documents are packed whole, longest first, each into the
fullest row that has room. The paper packs all documents at once; here a window of them at a time, so that memory and
the time to go on are bounded: the state names the window, and its plan is made again from the documents' lengths.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from better_ai.data.loading.dataset import TokenDataset
from better_ai.data.loading.order import RandomOrder
from better_ai.data.loading.packing import Cut, PackedRows, assign, lay_out
from better_ai.data.loading.stream import check_identity
from better_ai.errors import UserError


@dataclass(frozen=True)
class Plan:
    """The rows of one window: which pieces of documents stand in each, in the order of the stream."""

    pieces: np.ndarray
    """(pieces, 4): shard, first token, end of the piece, end of its document; tokens counted within the shard."""
    rows: list[list[int]]


class WholeDocumentRows:
    """A `RowStream` of packed documents; every document comes once an epoch, every epoch in another order.

    Each rank plans the rows of all ranks, from lengths alone: 2 to 3 microseconds a document.
    """

    def __init__(
        self, dataset: TokenDataset, seq_len: int, pad_id: int, *, seed: int, window_documents: int = 8192
    ) -> None:
        """Raises UserError when the window is empty."""
        if window_documents < 1:
            raise UserError(f"window_documents is {window_documents}; packing needs at least one document at a time")
        self.dataset, self.seq_len, self.pad_id, self.seed = dataset, seq_len, pad_id, seed
        self.window_documents = window_documents
        self._epoch = self._window = self._row = 0
        self._plan = self._make_plan()

    @property
    def epoch(self) -> float:
        """How often the documents have been seen, with the part of the current epoch."""
        start = self._window * self.window_documents
        inside = min(self.window_documents, self.dataset.num_documents - start) * self._row / len(self._plan.rows)
        return self._epoch + (start + inside) / self.dataset.num_documents

    def next_rows(self, count: int, mine: slice) -> PackedRows:
        cuts: list[Cut] = []
        followers: list[tuple[int, int, int]] = []
        for place in range(count):
            if mine.start <= place < mine.stop:
                cuts.append(self._cut(len(cuts), followers))
            self._advance()
        rows = lay_out(cuts, self.seq_len, self.pad_id)
        for row, column, token in followers:
            rows.targets[row, column], rows.loss_mask[row, column] = token, True
        return rows

    def _cut(self, row: int, followers: list[tuple[int, int, int]]) -> Cut:
        """The current row; notes (row, column, token) where a piece's last target is the next piece's first token."""
        parts, ends = [], []
        filled = 0
        for number in self._plan.rows[self._row]:
            shard, start, stop, end = self._plan.pieces[number].tolist()
            tokens = self.dataset.shard(shard).tokens
            parts.append(tokens[start:stop])
            filled += stop - start
            ends.append(filled)
            if stop < end:
                followers.append((row, filled - 1, int(tokens[stop])))
        return Cut(np.concatenate(parts), np.array(ends[:-1], np.int64))

    def _advance(self) -> None:
        self._row += 1
        if self._row == len(self._plan.rows):
            self._row, self._window = 0, self._window + 1
            if self._window * self.window_documents >= self.dataset.num_documents:
                self._window, self._epoch = 0, self._epoch + 1
            self._plan = self._make_plan()

    def _make_plan(self) -> Plan:
        count = self.dataset.num_documents
        start = self._window * self.window_documents
        places = np.arange(start, min(start + self.window_documents, count))
        documents = RandomOrder(count, self.seed, self._epoch)(places)
        pieces = split_spans(self.dataset.spans(documents), self.seq_len)
        rows = assign((pieces[:, 2] - pieces[:, 1]).tolist(), self.seq_len)
        order = RandomOrder(len(rows), self.seed, self._epoch, self._window)(np.arange(len(rows)))
        return Plan(pieces, [rows[number] for number in order])

    def metrics(self) -> dict[str, float]:
        return {"data/epochs": self.epoch}

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "whole_documents",
            "dataset": self.dataset.content_id,
            "seq_len": self.seq_len,
            "pad_id": self.pad_id,
            "window_documents": self.window_documents,
            "seed": self.seed,
        }

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "window": self._window, "row": self._row, "identity": self.identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_identity(state, self.identity())
        self._epoch, self._window, self._row = state["epoch"], state["window"], state["row"]
        self._plan = self._make_plan()


def split_spans(spans: np.ndarray, seq_len: int) -> np.ndarray:
    """Cut (shard, start, end) into pieces of at most `seq_len`: (shard, start, stop, end of the document)."""
    counts = -(-(spans[:, 2] - spans[:, 1]) // seq_len)
    owner = np.repeat(np.arange(len(spans)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = spans[owner, 1] + within * seq_len
    ends = spans[owner, 2]
    return np.column_stack([spans[owner, 0], starts, np.minimum(starts + seq_len, ends), ends])
