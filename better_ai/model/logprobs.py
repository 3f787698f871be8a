"""Log-probabilities of given tokens, as policy gradients need them: chunked, differentiable, with entropies.

N tokens, D width, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from better_ai.model.cross_entropy import token_chunks


def token_logprobs(
    hidden_ND: Tensor, weight_VD: Tensor, ids_N: Tensor, *, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """log softmax(hidden_n Wᵀ / temperature)[id_n] and the entropy of that softmax in nats, both fp32 (or fp64).

    Gradients flow through the log-probabilities to `hidden_ND` and `weight_VD`; the entropies are detached. The backward
    pass computes the logits again: keeping the probabilities would save one product of four and hold N x V values.
    First derivatives only.
    """
    return _TokenLogprobs.apply(hidden_ND, weight_VD, ids_N, temperature)


def _logprobs(hidden_nD: Tensor, weight_VD: Tensor, temperature: float) -> Tensor:
    logits_nV = (hidden_nD @ weight_VD.t()).to(torch.promote_types(hidden_nD.dtype, torch.float32))
    if temperature != 1:
        logits_nV.div_(temperature)
    return logits_nV.sub_(logits_nV.logsumexp(-1, keepdim=True))


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, ids_N: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        cast_weight_VD = weight_VD.to(hidden_ND.dtype)
        wide = torch.promote_types(hidden_ND.dtype, torch.float32)
        logprobs_N = torch.empty(len(ids_N), dtype=wide, device=hidden_ND.device)
        entropies_N = torch.empty_like(logprobs_N)
        for chunk in token_chunks(len(ids_N), len(weight_VD)):
            logprobs_nV = _logprobs(hidden_ND[chunk], cast_weight_VD, temperature)
            logprobs_N[chunk] = logprobs_nV.gather(1, ids_N[chunk, None]).squeeze(1)
            entropies_N[chunk] = -torch.linalg.vecdot(logprobs_nV.exp(), logprobs_nV)
        ctx.save_for_backward(hidden_ND, weight_VD, ids_N)
        ctx.temperature = temperature
        ctx.mark_non_differentiable(entropies_N)
        return logprobs_N, entropies_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_N: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden_ND, weight_VD, ids_N = ctx.saved_tensors
        cast_weight_VD = weight_VD.to(hidden_ND.dtype)
        grad_hidden_ND = torch.empty_like(hidden_ND)
        grad_weight_VD = torch.zeros_like(weight_VD)
        for chunk in token_chunks(len(ids_N), len(weight_VD)):
            hidden_nD, grad_n1 = hidden_ND[chunk], grad_N[chunk, None] / ctx.temperature
            grad_logits_nV = _logprobs(hidden_nD, cast_weight_VD, ctx.temperature).exp_().mul_(-grad_n1)
            grad_logits_nV.scatter_add_(1, ids_N[chunk, None], grad_n1)
            grad_logits_nV = grad_logits_nV.to(hidden_ND.dtype)
            grad_hidden_ND[chunk] = grad_logits_nV @ cast_weight_VD
            grad_weight_VD += grad_logits_nV.t() @ hidden_nD
        return grad_hidden_ND, grad_weight_VD, None, None
