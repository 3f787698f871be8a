"""What one forward pass learns from."""

from dataclasses import dataclass, fields
from typing import Protocol, Self

import torch
from torch import Tensor


class Batch(Protocol):
    """What the trainer needs to know of a batch, whatever its objective."""

    @property
    def num_tokens(self) -> int:
        """Tokens the model reads, for counting the work; known without waiting for a device."""
        ...

    def to(self, device: torch.device) -> Self: ...


@dataclass(frozen=True)
class TokenBatch:
    """Rows of packed token sequences.

    `targets_BT` holds the token that follows each position in its document. `loss_mask_BT` (bool) marks the positions
    whose target counts; it is false where the document ends and on padding. `positions_BT` restarts at 0 in each
    document, and `segment_ids_BT` tells the documents of a row apart.
    """

    tokens_BT: Tensor
    targets_BT: Tensor
    loss_mask_BT: Tensor
    positions_BT: Tensor
    segment_ids_BT: Tensor

    def __post_init__(self) -> None:
        shape = self.tokens_BT.shape
        assert all(getattr(self, field.name).shape == shape for field in fields(self)), "the tensors differ in shape"
        assert self.loss_mask_BT.dtype == torch.bool, "loss_mask_BT must be bool"

    @property
    def num_tokens(self) -> int:
        return self.tokens_BT.numel()

    def to(self, device: torch.device) -> "TokenBatch":
        return TokenBatch(*(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)))

    def split(self, rows: int) -> list["TokenBatch"]:
        """Parts of at most `rows` rows each, in order."""
        parts = (getattr(self, field.name).split(rows) for field in fields(self))
        return [TokenBatch(*tensors) for tensors in zip(*parts, strict=True)]
