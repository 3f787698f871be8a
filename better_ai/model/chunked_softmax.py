"""The softmax over the vocabulary, a few hundred tokens at a time, for losses that never hold all logits.

The products run in the dtype of the hidden states, the softmax in fp32 or better: a loss rounded to bf16 would hide the
last percent of every curve. One set of buffers serves all chunks; fresh ones of this size would cost more in page
faults than the arithmetic on them.

N tokens, n tokens of one chunk, D width, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

LOGITS_PER_CHUNK = 1 << 21
"""8 MiB in fp32: small enough for the last-level cache, large enough for the matrix product."""


@dataclass(frozen=True)
class Chunk:
    """The softmax of some tokens. Its tensors are buffers: free to overwrite, valid until the next chunk."""

    tokens: slice
    logits_nV: Tensor
    probabilities_nV: Tensor
    log_partition_n1: Tensor

    def logprobs(self, ids_n1: Tensor) -> Tensor:
        """logprobs_n1 of one id per token."""
        return self.logits_nV.gather(1, ids_n1) - self.log_partition_n1


class ChunkedSoftmax:
    """softmax(hidden Wᵀ / temperature) in chunks, and the way back; `weight_VD` has the dtype of `hidden_ND`."""

    def __init__(self, hidden_ND: Tensor, weight_VD: Tensor, temperature: float = 1.0) -> None:
        N, V = hidden_ND.shape[0], weight_VD.shape[0]
        self.hidden_ND = hidden_ND
        self.weight_VD = weight_VD
        self.temperature = temperature
        self.dtype = torch.promote_types(hidden_ND.dtype, torch.float32)
        self._size = min(N, max(16, LOGITS_PER_CHUNK // V))
        self._wide_nV = hidden_ND.new_empty(self._size, V, dtype=self.dtype)
        self._narrow_nV = hidden_ND.new_empty(self._size, V) if self.dtype != hidden_ND.dtype else None

    def forward(self) -> Iterator[Chunk]:
        """The softmax of every chunk."""
        buffer_nV = torch.empty_like(self._wide_nV)
        for tokens in self._slices():
            hidden_nD = self.hidden_ND[tokens]
            logits_nV, probabilities_nV = self._wide_nV[: len(hidden_nD)], buffer_nV[: len(hidden_nD)]
            if self._narrow_nV is None:
                torch.mm(hidden_nD, self.weight_VD.t(), out=logits_nV)
            else:
                logits_nV.copy_(torch.mm(hidden_nD, self.weight_VD.t(), out=self._narrow_nV[: len(hidden_nD)]))
            if self.temperature != 1:
                logits_nV.div_(self.temperature)
            torch.softmax(logits_nV, -1, out=probabilities_nV)
            # the largest probability lies in [1/V, 1], so its logarithm loses nothing that the partition sum had
            log_partition_n1 = logits_nV.amax(-1, keepdim=True) - probabilities_nV.amax(-1, keepdim=True).log_()
            yield Chunk(tokens, logits_nV, probabilities_nV, log_partition_n1)

    def kept(self, probabilities_NV: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """The same chunks from probabilities that a forward pass kept: tokens, probabilities_nV (a buffer)."""
        for tokens in self._slices():
            kept_nV = probabilities_NV[tokens]
            yield tokens, self._wide_nV[: len(kept_nV)].copy_(kept_nV)

    def backward(self, tokens: slice, grad_logits_nV: Tensor, grad_hidden_ND: Tensor, grad_weight_VD: Tensor) -> None:
        """Write one chunk's gradient of the hidden states and add its gradient of the weight."""
        if self._narrow_nV is not None:
            grad_logits_nV = self._narrow_nV[: len(grad_logits_nV)].copy_(grad_logits_nV)
        torch.mm(grad_logits_nV, self.weight_VD, out=grad_hidden_ND[tokens])
        grad_weight_VD += grad_logits_nV.t() @ self.hidden_ND[tokens]

    def _slices(self) -> Iterator[slice]:
        N = self.hidden_ND.shape[0]
        for start in range(0, N, self._size or 1):
            yield slice(start, min(start + self._size, N))
