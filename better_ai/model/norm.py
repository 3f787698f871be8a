"""RMSNorm (arXiv 1910.07467) with a backward pass of its own: ATen's CPU kernel is a chain of eager operations."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class _RMSNormFunction(torch.autograd.Function):
    """Saves the normalised input and an fp32 reciprocal per row: rounded, it would scale a whole row wrongly."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
        reciprocal = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        normalised = (x * reciprocal).to(x.dtype)
        ctx.save_for_backward(normalised, reciprocal, weight)
        return normalised * weight.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        normalised, reciprocal, weight = ctx.saved_tensors
        product = grad * normalised
        grad_weight = product.flatten(0, -2).sum(0, dtype=weight.dtype)
        cast_weight = weight.to(grad.dtype)
        projection = (product @ cast_weight).div_(grad.shape[-1]).unsqueeze(-1)
        grad_x = torch.addcmul(grad * cast_weight, normalised, projection, value=-1).mul_(reciprocal)
        return grad_x, grad_weight, None


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last dimension."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return _RMSNormFunction.apply(x, self.weight, self.eps)
