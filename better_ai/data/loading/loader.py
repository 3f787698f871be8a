"""Batches of rows in an order that a seed decides, endless, and resumable at any batch.

Epoch after epoch, the rows come in the order of a permutation drawn from (seed, epoch). The state is the epoch and
the position in it, so going on takes no replay.
"""

import hashlib
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from better_ai.data.loading.packing import PackedRows
from better_ai.errors import ArtifactError, UserError


class Rows(Protocol):
    """Rows that can be made on demand: `PackedRows`, `ConcatenatedRows` and `DatasetRows` are such."""

    def __len__(self) -> int: ...

    def take(self, rows: np.ndarray) -> PackedRows: ...


class TokenRows(Rows, Protocol):
    """Rows over tokens that lie in one array."""

    @property
    def tokens(self) -> np.ndarray: ...


class BatchLoader(Protocol):
    """Draws batches of rows without end: `RowLoader` and `StreamingLoader` do."""

    def next_batch(self) -> PackedRows:
        """The next rows."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, as plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state. Raises ArtifactError when it belongs to other data."""
        ...

    def metrics(self) -> dict[str, float]:
        """What there is to say of the batch drawn last, `area/thing_unit`."""
        ...


class RowLoader:
    """Draws batches of `batch_size` rows without end; the end of one epoch and the start of the next may share one."""

    def __init__(self, rows: TokenRows, batch_size: int, *, seed: int) -> None:
        """Raises UserError when there are no rows or the batch is empty."""
        if not len(rows) or batch_size < 1:
            raise UserError(f"cannot draw batches of {batch_size} rows from {len(rows)}; both must be at least 1")
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self._epoch, self._position = 0, 0
        self._order = self._permutation(0)

    @property
    def epoch(self) -> float:
        """How often the rows have been seen, with the part of the current epoch."""
        return self._epoch + self._position / len(self.rows)

    def next_batch(self) -> PackedRows:
        """The next `batch_size` rows."""
        drawn: list[np.ndarray] = []
        missing = self.batch_size
        while missing:
            part = self._order[self._position : self._position + missing]
            drawn.append(part)
            missing -= len(part)
            self._position += len(part)
            if self._position == len(self.rows):
                self._epoch, self._position = self._epoch + 1, 0
                self._order = self._permutation(self._epoch)
        return self.rows.take(np.concatenate(drawn))

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, and what it draws from."""
        return {"epoch": self._epoch, "position": self._position, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where a state was taken. Raises ArtifactError when it is one of other rows or another seed."""
        for key, mine in self._identity().items():
            if state.get(key) != mine:
                raise ArtifactError(
                    f"the data position belongs to other data: {key} is {state.get(key)!r} there and {mine!r} here; "
                    "start the run anew or restore its data and seed"
                )
        self._epoch, self._position = state["epoch"], state["position"]
        self._order = self._permutation(self._epoch)

    def metrics(self) -> dict[str, float]:
        """None: the order is plain."""
        return {}

    def _identity(self) -> dict[str, Any]:
        return {"num_rows": len(self.rows), "seed": self.seed, "tokens_sha256": self._tokens_sha256}

    @cached_property
    def _tokens_sha256(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self.rows.tokens).data).hexdigest()

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.rows))
