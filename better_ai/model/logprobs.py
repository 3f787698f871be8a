"""Log-probabilities of given tokens, as policy gradients need them: differentiable, with entropies.

N tokens, D width, V vocabulary.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from better_ai.model.chunked_softmax import ChunkedSoftmax

KEPT_PROBABILITIES = 1 << 25
"""Up to so many (64 MiB in bf16) are kept for the backward pass, which is a quarter faster for it than computing them
again (N = 2048, V = 4096 and 8192); beyond, memory matters more."""


def token_logprobs(
    hidden_ND: Tensor, weight_VD: Tensor, ids_N: Tensor, *, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """log softmax(hidden_n Wᵀ / temperature)[id_n], and the entropy of that softmax in nats.

    Gradients flow through the log-probabilities to `hidden_ND` and `weight_VD`; the entropies are detached. First
    derivatives only.

    Returns:
        logprobs_N, entropies_N: fp32 (fp64 when the hidden states are).
    """
    differentiate = torch.is_grad_enabled() and (hidden_ND.requires_grad or weight_VD.requires_grad)
    keep = differentiate and len(ids_N) * len(weight_VD) <= KEPT_PROBABILITIES
    return _TokenLogprobs.apply(hidden_ND, weight_VD, ids_N, temperature, keep)


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, ids_N: Tensor, temperature: float, keep: bool
    ) -> tuple[Tensor, Tensor]:
        softmax = ChunkedSoftmax(hidden_ND, weight_VD.to(hidden_ND.dtype), temperature)
        logprobs_N = hidden_ND.new_empty(len(ids_N), dtype=softmax.dtype)
        entropies_N = torch.empty_like(logprobs_N)
        kept_NV = hidden_ND.new_empty(len(ids_N), len(weight_VD)) if keep else None
        for chunk in softmax.forward():
            logprobs_N[chunk.tokens] = chunk.logprobs(ids_N[chunk.tokens, None]).squeeze(1)
            mean_logit_n = torch.linalg.vecdot(chunk.probabilities_nV, chunk.logits_nV)
            entropies_N[chunk.tokens] = chunk.log_partition_n1.squeeze(1) - mean_logit_n
            if kept_NV is not None:
                kept_NV[chunk.tokens] = chunk.probabilities_nV
        ctx.save_for_backward(hidden_ND, weight_VD, ids_N, kept_NV)
        ctx.temperature = temperature
        ctx.mark_non_differentiable(entropies_N)
        return logprobs_N, entropies_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_N: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        hidden_ND, weight_VD, ids_N, kept_NV = ctx.saved_tensors
        grad_hidden_ND = torch.empty_like(hidden_ND)
        grad_weight_VD = torch.zeros_like(weight_VD)
        softmax = ChunkedSoftmax(hidden_ND, weight_VD.to(hidden_ND.dtype), ctx.temperature)
        for tokens, probabilities_nV in _probabilities(softmax, kept_NV):
            grad_n1 = grad_N[tokens, None] / ctx.temperature
            grad_logits_nV = probabilities_nV.mul_(-grad_n1).scatter_add_(1, ids_N[tokens, None], grad_n1)
            softmax.backward(tokens, grad_logits_nV, grad_hidden_ND, grad_weight_VD)
        return grad_hidden_ND, grad_weight_VD, None, None, None


def _probabilities(softmax: ChunkedSoftmax, kept_NV: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
    if kept_NV is not None:
        return softmax.kept(kept_NV)
    return ((chunk.tokens, chunk.probabilities_nV) for chunk in softmax.forward())
