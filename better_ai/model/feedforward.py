"""The SwiGLU feed-forward (arXiv 2002.05202) with gate and up projections fused into one product."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from better_ai.model.linear import Linear


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(gate) * up, where the last dimension of the argument is gate followed by up."""
    return _SwiGLU.apply(gate_up)


class _SwiGLU(torch.autograd.Function):
    """Saves its argument alone: the sigmoid is cheaper to compute again than to keep."""

    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return F.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        grad_gate_up = torch.empty_like(gate_up)
        grad_gate, grad_up = grad_gate_up.chunk(2, dim=-1)
        torch.mul(grad, F.silu(gate), out=grad_up)
        grad_gate.copy_(torch.ops.aten.silu_backward(grad * up, gate))
        return grad_gate_up


class FeedForward(nn.Module):
    """down(silu(gate x) * up x)."""

    def __init__(self, width: int, inner_width: int) -> None:
        super().__init__()
        self.gate_up = Linear(width, 2 * inner_width)
        self.down = Linear(inner_width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(swiglu(self.gate_up(x)))
