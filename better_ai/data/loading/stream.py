"""Streams of rows, and the loader that shares one out among ranks.

A stream is one endless order of rows, the same for every rank; each rank makes only its own rows of it. What a
checkpoint holds is where the stream stands, a few numbers that know nothing of ranks: a run of four ranks goes on
with two, and every row still comes exactly once an epoch.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from better_ai.data.loading.loader import Rows
from better_ai.data.loading.order import RandomOrder
from better_ai.data.loading.packing import PackedRows
from better_ai.errors import ArtifactError, UserError

LOOK_AHEAD = 4096
"""Places of an order computed at a time, within an epoch."""


class IdentifiedRows(Rows, Protocol):
    """Rows whose content is known by an id, such as `DatasetRows`."""

    @property
    def content_id(self) -> str: ...


class RowStream(Protocol):
    """An endless order of rows that can be left and taken up at any row."""

    def next_rows(self, count: int, mine: slice) -> PackedRows:
        """Move on by `count` rows and make those of the slice `mine` (start and stop given, no step)."""
        ...

    def identity(self) -> dict[str, Any]:
        """All that decides the order and the content of the rows, as plain JSON values."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, and its identity; plain JSON values."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state. Raises ArtifactError when it is one of other rows."""
        ...

    def metrics(self) -> dict[str, float]:
        """What there is to say of the rows made last and of where the stream stands, `area/thing_unit`."""
        ...


class ShuffledRows:
    """Rows that can be taken in any order, each once an epoch, every epoch in another order; or in their own order."""

    def __init__(self, rows: IdentifiedRows, *, seed: int, shuffle: bool = True) -> None:
        """Raises UserError when there are no rows."""
        if not len(rows):
            raise UserError("there is no row to draw from; check the data")
        self.rows, self.seed, self.shuffle = rows, seed, shuffle
        self.position = 0
        """Rows passed since the start, over all epochs."""
        self._ahead, self._ahead_from = np.empty(0, np.int64), 0

    @property
    def epoch(self) -> float:
        """How often the rows have been seen, with the part of the current epoch."""
        return self.position / len(self.rows)

    def next_rows(self, count: int, mine: slice) -> PackedRows:
        numbers = self.numbers(self.position + mine.start, self.position + mine.stop)
        self.position += count
        return self.rows.take(numbers)

    def numbers(self, start: int, stop: int) -> np.ndarray:
        """The numbers of the rows at the places from `start` to `stop` of the endless order."""
        if start < self._ahead_from or stop > self._ahead_from + len(self._ahead):
            end_of_epoch = (start // len(self.rows) + 1) * len(self.rows)
            ahead = max(stop, min(start + LOOK_AHEAD, end_of_epoch))
            self._ahead, self._ahead_from = self._compute(start, ahead), start
        return self._ahead[start - self._ahead_from : stop - self._ahead_from]

    def _compute(self, start: int, stop: int) -> np.ndarray:
        size, parts = len(self.rows), []
        while start < stop:
            epoch, first = divmod(start, size)
            places = np.arange(first, min(size, first + stop - start))
            parts.append(RandomOrder(size, self.seed, epoch)(places) if self.shuffle else places)
            start += len(places)
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "shuffled_rows" if self.shuffle else "ordered_rows",
            "rows": self.rows.content_id,
            "num_rows": len(self.rows),
            "seed": self.seed,
        }

    def metrics(self) -> dict[str, float]:
        return {"data/epochs": self.epoch}

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position, "identity": self.identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_identity(state, self.identity())
        self.position = state["position"]


class StreamingLoader:
    """A rank's share of a stream, in batches. All ranks draw in step, and their states are equal."""

    def __init__(self, stream: RowStream, batch_size: int, *, rank: int = 0, world_size: int = 1) -> None:
        """Raises UserError when the batch is empty or there is no such rank."""
        if batch_size < 1 or not 0 <= rank < world_size:
            raise UserError(
                f"cannot draw batches of {batch_size} rows for rank {rank} of {world_size}; a batch needs at least one "
                "row, and ranks count from 0"
            )
        self.stream, self.batch_size, self.rank, self.world_size = stream, batch_size, rank, world_size

    def next_batch(self) -> PackedRows:
        """The next `batch_size` rows of this rank; the other ranks draw those beside them."""
        first = self.rank * self.batch_size
        return self.stream.next_rows(self.world_size * self.batch_size, slice(first, first + self.batch_size))

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands; the same on every rank, and good for any number of ranks."""
        return self.stream.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where a state was taken. Raises ArtifactError when it is one of other data."""
        self.stream.load_state_dict(state)

    def metrics(self) -> dict[str, float]:
        """Those of the stream; what concerns rows made last is of this rank."""
        return self.stream.metrics()


def check_identity(state: dict[str, Any], mine: dict[str, Any]) -> None:
    """Raise ArtifactError, naming the first difference, when a state belongs to another stream."""
    theirs = state.get("identity")
    if theirs == mine:
        return
    theirs = theirs if isinstance(theirs, dict) else {}
    key = next((key for key in mine if theirs.get(key) != mine[key]), "identity")
    raise ArtifactError(
        f"the data position belongs to other data: {key} is {theirs.get(key)!r} there and {mine.get(key)!r} here; "
        "start the run anew or restore its data and seed"
    )


def join_rows(parts: Sequence[PackedRows]) -> PackedRows:
    """Rows of several parts, one after the other."""
    return PackedRows(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("tokens", "targets", "loss_mask", "positions", "segment_ids")
        )
    )
