"""Cross entropy of a linear layer, with gradients formed in the forward pass.

The logits of a chunk of tokens become the gradients of the hidden states and of the weight while they lie in the cache,
so the backward pass has only to scale them.

N tokens, D width, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from better_ai.model.chunked_softmax import ChunkedSoftmax


def linear_cross_entropy(
    hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, weights_N: Tensor | None = None
) -> Tensor:
    """Σ_n weights_n · -log softmax(hidden_n Wᵀ)[target_n]: a scalar, fp32 (fp64 when the hidden states are).

    Args:
        hidden_ND: in the compute dtype.
        weight_VD: the projection to the vocabulary, cast to the dtype of `hidden_ND`.
        targets_N: int64 ids.
        weights_N: weight of each token's loss, 1 unless given, without gradient; tokens of weight 0 cost nothing.

    First derivatives only.
    """
    if weights_N is None:
        weights_N = torch.ones(len(targets_N), device=hidden_ND.device)
    else:
        counted = weights_N.nonzero().squeeze(1)
        if len(counted) < len(weights_N):
            hidden_ND, targets_N, weights_N = hidden_ND[counted], targets_N[counted], weights_N[counted]
    weights_N = weights_N.to(torch.promote_types(hidden_ND.dtype, torch.float32))
    if torch.is_grad_enabled() and (hidden_ND.requires_grad or weight_VD.requires_grad):
        return _LinearCrossEntropy.apply(hidden_ND, weight_VD, targets_N, weights_N)
    loss = weights_N.new_zeros(())
    for chunk in ChunkedSoftmax(hidden_ND, weight_VD.to(hidden_ND.dtype)).forward():
        loss -= chunk.logprobs(targets_N[chunk.tokens, None]).squeeze(1) @ weights_N[chunk.tokens]
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, weights_N: Tensor) -> Tensor:
        loss = weights_N.new_zeros(())
        grad_hidden_ND = torch.empty_like(hidden_ND)
        grad_weight_VD = torch.zeros_like(weight_VD)
        softmax = ChunkedSoftmax(hidden_ND, weight_VD.to(hidden_ND.dtype))
        for chunk in softmax.forward():
            targets_n1, weights_n1 = targets_N[chunk.tokens, None], weights_N[chunk.tokens, None]
            loss -= (chunk.logprobs(targets_n1) * weights_n1).sum()
            grad_logits_nV = chunk.probabilities_nV.scatter_add_(1, targets_n1, torch.full_like(weights_n1, -1))
            softmax.backward(chunk.tokens, grad_logits_nV.mul_(weights_n1), grad_hidden_ND, grad_weight_VD)
        ctx.save_for_backward(grad_hidden_ND, grad_weight_VD)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden_ND, grad_weight_VD = ctx.saved_tensors
        return (
            grad_hidden_ND * grad.to(grad_hidden_ND.dtype),
            grad_weight_VD * grad.to(grad_weight_VD.dtype),
            None,
            None,
        )
