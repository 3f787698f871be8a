"""Token sequences of any length to rows of one length, for pretraining and for fine-tuning.

N rows, T tokens in a row (`seq_len`). Within a row the documents, or parts of them, are numbered from 1 in
`segment_ids`, and `positions` start again at 0 in each; padding is segment 0. The target of a position is the token
that follows it in the same document; where there is none, the target is the padding id and the loss mask is False.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from better_ai.errors import UserError

PADDING_SEGMENT = 0


@dataclass(frozen=True)
class PackedRows:
    """Rows for a model: int64 ids, targets, positions and segment ids, bool loss mask, each of shape (N, T)."""

    tokens: np.ndarray
    targets: np.ndarray
    loss_mask: np.ndarray
    positions: np.ndarray
    segment_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: np.ndarray) -> "PackedRows":
        """Some of the rows, in the order asked for."""
        return PackedRows(
            self.tokens[rows], self.targets[rows], self.loss_mask[rows], self.positions[rows], self.segment_ids[rows]
        )


@dataclass(frozen=True)
class ConcatenatedRows:
    """Pretraining: documents one after the other, cut every T tokens; made when taken, so a shard stays on the disk.

    Document d is `tokens[offsets[d]:offsets[d + 1]]`. No token is lost: the last row is padded, and what a row's end
    cuts off begins the next row, as a segment of its own. The target across such a cut counts.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    seq_len: int
    pad_id: int

    def __len__(self) -> int:
        return (len(self.tokens) + self.seq_len - 1) // self.seq_len

    def take(self, rows: np.ndarray) -> PackedRows:
        """Make some of the rows, in the order asked for."""
        T = self.seq_len
        return lay_out([cut(self.tokens, self.offsets, int(row) * T, T) for row in rows], T, self.pad_id)


@dataclass(frozen=True)
class Cut:
    """What one row is made of: consecutive tokens, and where documents start among them."""

    tokens: np.ndarray
    """At most T + 1: the row, and the token after it."""
    starts: np.ndarray
    """Columns from 1 to T where a document begins, ascending; twice where one is empty."""


def cut(tokens: np.ndarray, offsets: np.ndarray, first: int, seq_len: int) -> Cut:
    """The row that begins at token `first` of documents laid one after the other."""
    low, high = np.searchsorted(offsets, (first, first + seq_len), side="right")
    return Cut(tokens[first : first + seq_len + 1], offsets[low:high] - first)


def lay_out(cuts: Sequence[Cut], seq_len: int, pad_id: int) -> PackedRows:
    """Rows from their cuts: a segment for each document, positions from 0 in each, no target across a border."""
    N, T = len(cuts), seq_len
    rows = PackedRows(
        tokens=np.empty((N, T), np.int64),
        targets=np.empty((N, T), np.int64),
        loss_mask=np.ones((N, T), bool),
        positions=np.empty((N, T), np.int64),
        segment_ids=np.zeros((N, T), np.int64),
    )
    for row, part in enumerate(cuts):
        filled = min(len(part.tokens), T)
        rows.tokens[row, :filled] = part.tokens[:filled]
        rows.targets[row, : len(part.tokens) - 1] = part.tokens[1:]
    if not cuts:
        return rows
    at_row = np.repeat(np.arange(N), [len(part.starts) for part in cuts])
    at = np.concatenate([part.starts for part in cuts])
    rows.loss_mask[at_row, at - 1] = False
    rows.targets[at_row, at - 1] = pad_id
    at_row, at = at_row[at < T], at[at < T]
    rows.segment_ids[:, 0] = 1
    np.add.at(rows.segment_ids, (at_row, at), 1)
    np.cumsum(rows.segment_ids, axis=1, out=rows.segment_ids)
    starts = np.sort(np.concatenate([np.arange(N) * T, at_row * T + at]))
    np.subtract(np.arange(N * T), np.repeat(starts, np.diff(starts, append=N * T)), out=rows.positions.reshape(-1))
    for row, part in enumerate(cuts):
        if (filled := len(part.tokens)) <= T:
            rows.tokens[row, filled:] = rows.targets[row, filled - 1 :] = pad_id
            rows.loss_mask[row, filled - 1 :] = False
            rows.positions[row, filled:] = np.arange(T - filled)
            rows.segment_ids[row, filled:] = PADDING_SEGMENT
    return rows


def concatenate(documents: Iterable[Sequence[int] | np.ndarray], seq_len: int, pad_id: int) -> ConcatenatedRows:
    """Rows of documents held in memory. Raises UserError when there is no token."""
    arrays = [np.asarray(document, np.int64) for document in documents]
    if not sum(map(len, arrays)):
        raise UserError("there is no token to pack; check the documents")
    offsets = np.cumsum([0, *map(len, arrays)])
    return ConcatenatedRows(np.concatenate(arrays), offsets, seq_len, pad_id)


@dataclass(frozen=True)
class Example:
    """A sequence that must stay whole, and which of its tokens are learned (bool, one per token)."""

    tokens: Sequence[int]
    mask: Sequence[bool] | np.ndarray


@dataclass(frozen=True)
class BestFit:
    """Packed rows, and the numbers of the examples that were too long for a row and left out."""

    rows: PackedRows
    too_long: list[int]


def best_fit(
    examples: Sequence[Example], seq_len: int, pad_id: int, *, too_long: Literal["refuse", "drop"] = "refuse"
) -> BestFit:
    """Fine-tuning: whole examples, longest first, each into the fullest row that has room (best-fit decreasing).

    The loss mask of a position is that of the token it predicts. Examples longer than a row are never cut: they are
    refused with a UserError, or dropped and reported. Raises UserError too when nothing would be learned.
    """
    lengths = [len(example.tokens) for example in examples]
    over = [number for number, length in enumerate(lengths) if length > seq_len]
    if over and too_long == "refuse":
        raise UserError(
            f"{len(over)} of {len(examples)} examples are longer than seq_len={seq_len}, the longest {max(lengths)}; "
            "raise seq_len, or ask for long examples to be dropped"
        )
    rows = _place(examples, assign(lengths, seq_len), seq_len, pad_id)
    if not rows.loss_mask.any():
        raise UserError(f"none of the {len(examples)} examples has a token to learn; check their masks and seq_len")
    return BestFit(rows, over)


def one_per_row(examples: Sequence[Example], seq_len: int, pad_id: int) -> PackedRows:
    """A row for each example, none longer than a row."""
    return _place(examples, [[number] for number in range(len(examples))], seq_len, pad_id)


def _place(examples: Sequence[Example], bins: Sequence[Sequence[int]], seq_len: int, pad_id: int) -> PackedRows:
    """Rows that hold the examples of these numbers, one after the other."""
    rows = _empty_rows(len(bins), seq_len, pad_id)
    for row, numbers in enumerate(bins):
        start = 0
        for segment, number in enumerate(numbers, 1):
            tokens, mask = np.asarray(examples[number].tokens), np.asarray(examples[number].mask, bool)
            assert tokens.shape == mask.shape, "an example needs one mask entry per token"
            stop = start + len(tokens)
            rows.tokens[row, start:stop] = tokens
            rows.loss_mask[row, start : stop - 1] = mask[1:]
            rows.targets[row, start : stop - 1] = np.where(mask[1:], tokens[1:], pad_id)
            rows.positions[row, start:stop] = np.arange(stop - start)
            rows.segment_ids[row, start:stop] = segment
            start = stop
        rows.positions[row, start:] = np.arange(seq_len - start)
    return rows


def assign(lengths: Sequence[int], seq_len: int) -> list[list[int]]:
    """Numbers of the sequences in each row; equal lengths keep their order. Empty and too long ones are left out."""
    bins: list[list[int]] = []
    rooms: list[tuple[int, int]] = []
    """Room left and row, sorted; full rows are taken out."""
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        length = lengths[number]
        if not 0 < length <= seq_len:
            continue
        place = bisect_left(rooms, (length, -1))
        if place == len(rooms):
            room, row = seq_len, len(bins)
            bins.append([])
        else:
            room, row = rooms.pop(place)
        bins[row].append(number)
        if room > length:
            insort(rooms, (room - length, row))
    return bins


def _empty_rows(count: int, seq_len: int, pad_id: int) -> PackedRows:
    shape = (count, seq_len)
    return PackedRows(
        tokens=np.full(shape, pad_id, np.int64),
        targets=np.full(shape, pad_id, np.int64),
        loss_mask=np.zeros(shape, bool),
        positions=np.zeros(shape, np.int64),
        segment_ids=np.full(shape, PADDING_SEGMENT, np.int64),
    )
