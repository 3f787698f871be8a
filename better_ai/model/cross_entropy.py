"""Cross entropy of a linear layer that never holds all logits, with gradients formed in the forward pass.

The logits of a few hundred tokens exist at a time; their gradient is turned into the gradients of the hidden states
and of the weight at once, while it lies in the cache. The products run in the dtype of the hidden states, the softmax and the
sums in fp32: rounding the loss to bf16 would hide the last percent of every curve.

N tokens, D width, V vocabulary.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LOGITS_PER_CHUNK = 1 << 21
"""8 MiB in fp32: small enough for the last-level cache, large enough for the matrix product."""


def linear_cross_entropy(
    hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, weights_N: Tensor | None = None
) -> Tensor:
    """Σ_n weights_n · -log softmax(hidden_n Wᵀ)[target_n], a scalar (fp32 unless the arguments are fp64).

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
    weight_VD = weight_VD.to(hidden_ND.dtype)
    loss = weights_N.new_zeros(())
    for chunk in token_chunks(len(targets_N), len(weight_VD)):
        _, nll = _softmax_nll(hidden_ND[chunk], weight_VD, targets_N[chunk])
        loss += nll @ weights_N[chunk]
    return loss


def token_chunks(num_tokens: int, vocab_size: int) -> Iterator[slice]:
    """Slices of tokens whose logits fill about `LOGITS_PER_CHUNK`."""
    step = max(16, LOGITS_PER_CHUNK // vocab_size)
    for start in range(0, num_tokens, step):
        yield slice(start, min(start + step, num_tokens))


def _softmax_nll(hidden_nD: Tensor, weight_VD: Tensor, targets_n: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities_nV and the target's negative log-likelihood_n, in fp32 or better."""
    logits_nV = (hidden_nD @ weight_VD.t()).to(torch.promote_types(hidden_nD.dtype, torch.float32))
    logprobs_nV = logits_nV.sub_(logits_nV.logsumexp(-1, keepdim=True))
    return logprobs_nV, -logprobs_nV.gather(1, targets_n[:, None]).squeeze(1)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, weights_N: Tensor) -> Tensor:
        cast_weight_VD = weight_VD.to(hidden_ND.dtype)
        loss = weights_N.new_zeros(())
        grad_hidden_ND = torch.empty_like(hidden_ND)
        grad_weight_VD = torch.zeros_like(weight_VD)
        for chunk in token_chunks(len(targets_N), len(weight_VD)):
            hidden_nD, targets_n, weights_n1 = hidden_ND[chunk], targets_N[chunk], weights_N[chunk, None]
            logprobs_nV, nll_n = _softmax_nll(hidden_nD, cast_weight_VD, targets_n)
            loss += nll_n @ weights_N[chunk]
            grad_logits_nV = logprobs_nV.exp_()
            grad_logits_nV.scatter_add_(1, targets_n[:, None], torch.full_like(weights_n1, -1))
            grad_logits_nV = grad_logits_nV.mul_(weights_n1).to(hidden_ND.dtype)
            grad_hidden_ND[chunk] = grad_logits_nV @ cast_weight_VD
            grad_weight_VD += grad_logits_nV.t() @ hidden_nD
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
