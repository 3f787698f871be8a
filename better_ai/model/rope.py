"""Rotary position embedding (RoFormer, arXiv 2104.09864) in the half-split layout of Hugging Face.

Dimension c of a head is paired with c + C/2, so weights move to and from Hugging Face without a permutation.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from better_ai.errors import UserError


@dataclass(frozen=True)
class Rotation:
    """Cosines and sines of one forward pass, broadcast over heads: each (T or B, T), 1, C/2."""

    cos: Tensor
    sin: Tensor


class RotaryTable:
    """Cosines and sines of every position, computed in fp32 on first use and kept per device and dtype.

    A plain object rather than buffers: nothing to save, to shard or to lose when a model leaves the meta device.
    """

    def __init__(self, head_width: int, theta: float, max_positions: int) -> None:
        self.head_width = head_width
        self.theta = theta
        self.max_positions = max_positions
        self._tables: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def __call__(self, tokens_BT: Tensor, positions_BT: Tensor | None, dtype: torch.dtype) -> Rotation:
        """The rotation of these tokens; positions count from 0 in every row unless given.

        Raises UserError when a row is longer than the model's `max_seq_len`.
        """
        cos, sin = self._table(tokens_BT.device, dtype)
        length = tokens_BT.shape[1]
        if positions_BT is not None and positions_BT.is_cpu and positions_BT.numel():
            length = int(positions_BT.max()) + 1
        if length > self.max_positions:
            raise UserError(
                f"{length} tokens in a row exceed the model's max_seq_len={self.max_positions}; shorten the row"
            )
        if positions_BT is None:
            return Rotation(cos[:length], sin[:length])
        return Rotation(cos[positions_BT], sin[positions_BT])

    def _table(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        if (device, dtype) not in self._tables:
            exponents = torch.arange(0, self.head_width, 2, dtype=torch.int64, device=device).float() / self.head_width
            frequencies = 1.0 / self.theta**exponents
            angles = torch.outer(torch.arange(self.max_positions, device=device).float(), frequencies)[:, None]
            self._tables[device, dtype] = angles.cos().to(dtype), angles.sin().to(dtype)
        return self._tables[device, dtype]


def rotate_heads(x_BTHC: Tensor, rotation: Rotation) -> Tensor:
    """Rotate every head by its position and bring heads before time: BTHC -> BHTC, contiguous."""
    return _RotateHeads.apply(x_BTHC, rotation.cos, rotation.sin)


class _RotateHeads(torch.autograd.Function):
    """The gradient of a rotation is the opposite rotation, so only the angles are saved."""

    @staticmethod
    def forward(ctx: Any, x_BTHC: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        B, T, H, C = x_BTHC.shape
        out_BHTC = x_BTHC.new_empty(B, H, T, C)
        _rotate(x_BTHC, cos, sin, 1, out_BHTC.transpose(1, 2))
        return out_BHTC

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BHTC: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        B, H, T, C = grad_BHTC.shape
        out_BTHC = grad_BHTC.new_empty(B, T, H, C)
        _rotate(grad_BHTC.transpose(1, 2), cos, sin, -1, out_BTHC)
        return out_BTHC, None, None


def _rotate(x: Tensor, cos: Tensor, sin: Tensor, sign: int, out: Tensor) -> None:
    first, second = x.chunk(2, dim=-1)
    out_first, out_second = out.chunk(2, dim=-1)
    torch.mul(first, cos, out=out_first).addcmul_(second, sin, value=-sign)
    torch.mul(second, cos, out=out_second).addcmul_(first, sin, value=sign)
