"""Where batches come from."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch

from better_ai.data import PackedRows
from better_ai.data.loading import BatchLoader, Rows
from better_ai.training.batch import Batch, TokenBatch

BatchT_co = TypeVar("BatchT_co", bound=Batch, covariant=True)


class BatchSource(Protocol[BatchT_co]):
    """An endless supply of optimizer steps that can be stopped and continued at any step."""

    def next_step(self) -> Sequence[BatchT_co]:
        """The micro-batches of one optimizer step."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that `next_step` depends on, as tensors, numbers, strings and containers of them."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state. Raises ArtifactError when it belongs to other data."""
        ...


@runtime_checkable
class ReportingSource(Protocol):
    """A source that has something to say of the step it drew last, such as the rewards of its rollouts."""

    def step_metrics(self) -> dict[str, float]:
        """Finite values by name, `area/thing_unit`; they join the step's metrics."""
        ...


class PackedRowsSource:
    """Packed documents or conversations, in the order of a loader whose batches are the micro-batches."""

    def __init__(self, loader: BatchLoader, gradient_accumulation_steps: int = 1) -> None:
        self.loader, self.gradient_accumulation_steps = loader, gradient_accumulation_steps

    def next_step(self) -> list[TokenBatch]:
        return [_token_batch(self.loader.next_batch()) for _ in range(self.gradient_accumulation_steps)]

    def state_dict(self) -> dict[str, Any]:
        return self.loader.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loader.load_state_dict(state)

    def step_metrics(self) -> dict[str, float]:
        """What the loader says of the last micro-batch."""
        return self.loader.metrics()

    @staticmethod
    def batches(rows: Rows, batch_size: int) -> list[TokenBatch]:
        """All rows once, in order, for validation."""
        numbers = np.arange(len(rows))
        return [_token_batch(rows.take(part)) for part in np.split(numbers, range(batch_size, len(rows), batch_size))]


def _token_batch(rows: PackedRows) -> TokenBatch:
    arrays = (rows.tokens, rows.targets, rows.loss_mask, rows.positions, rows.segment_ids)
    return TokenBatch(*(torch.from_numpy(array) for array in arrays))
