"""Causal attention on the CPU, one block of queries at a time.

PyTorch's CPU kernel computes in fp32 inside, so bf16 gains nothing there. Here each block of queries is one batched
matrix product in the input's own dtype against the keys it may see, which skips the masked half and lets bf16 run at
its full rate. The heads that share a key head are folded into rows of the same product. Blocks also skip the leading
keys that no query in them sees, as where short documents are packed in a long row.

Precision: scores and probabilities are rounded to the input's dtype (the softmax itself works in fp32), which in bf16
is an error of the same order as rounding q, k and v. In fp32 it equals the naive formula to rounding.

The backward pass computes the probabilities again from q and k: memory grows with T, not with T x S.

B batch, H query heads, K key/value heads, G = H / K heads in a group, T queries, S keys, C head width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

QUERIES_PER_BLOCK = 128

FEW_ROWS = 16
"""Up to so many rows of queries, as in decoding, oneDNN takes longer to reorder transposed keys than to multiply."""


@dataclass(frozen=True)
class QueryBlock:
    """Queries [start, stop) against keys [first, last); `bias` is added to the scores, 0 or the dtype's minimum.

    The bias is (n, n), for the last n keys, where only causality matters, else (B, 1, 1, n, last - first).
    """

    start: int
    stop: int
    first: int
    last: int
    bias: Tensor | None


def query_blocks(T: int, S: int, mask_BTS: Tensor | None, dtype: torch.dtype) -> list[QueryBlock]:
    """Plan the blocks of T queries that end S keys: causal, and within the mask if there is one."""
    lowest = torch.finfo(dtype).min
    blocks = []
    for start in range(0, T, QUERIES_PER_BLOCK):
        stop = min(start + QUERIES_PER_BLOCK, T)
        first, last, bias = 0, S - T + stop, None
        if mask_BTS is not None:
            seen_BnS = mask_BTS[:, start:stop, :last]
            columns = seen_BnS.flatten(0, 1).any(0).nonzero()
            first = int(columns[0]) if len(columns) else last - 1
            bias = torch.zeros(seen_BnS[:, :, first:].shape, dtype=dtype).masked_fill_(~seen_BnS[:, :, first:], lowest)
            bias = bias[:, None, None]
        elif stop - start > 1:
            bias = torch.full((stop - start, stop - start), lowest, dtype=dtype).triu_(1)
        blocks.append(QueryBlock(start, stop, first, last, bias))
    return blocks


def block_causal_attention(q_BHTC: Tensor, k_BKSC: Tensor, v_BKSC: Tensor, blocks: Sequence[QueryBlock]) -> Tensor:
    """softmax(q kᵀ / √C + bias) v over the planned blocks, out_BTHC. First derivatives only."""
    return _BlockCausal.apply(q_BHTC, k_BKSC, v_BKSC, blocks)


class _BlockCausal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q_BHTC: Tensor, k_BKSC: Tensor, v_BKSC: Tensor, blocks: Sequence[QueryBlock]) -> Tensor:
        B, H, T, C = q_BHTC.shape
        K = k_BKSC.shape[1]
        q, k, v = _fold(q_BHTC * C**-0.5, K), k_BKSC.reshape(B * K, -1, C), v_BKSC.reshape(B * K, -1, C)
        out_BTHC = q.new_empty(B, T, H, C)
        out_BKGTC = out_BTHC.view(B, T, K, H // K, C).permute(0, 2, 3, 1, 4)
        for block in blocks:
            p = _probabilities(q, k, block, B)
            out = torch.bmm(p, v[:, block.first : block.last])
            out_BKGTC[:, :, :, block.start : block.stop] = out.view(B, K, H // K, -1, C)
        ctx.save_for_backward(q, k, v)
        ctx.blocks, ctx.batch = blocks, B
        return out_BTHC

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BTHC: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v = ctx.saved_tensors
        B = ctx.batch
        BK, G, T, C = q.shape
        grad = _fold(grad_BTHC.transpose(1, 2), BK // B)
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for block in ctx.blocks:
            queries, keys = slice(block.start, block.stop), slice(block.first, block.last)
            p = _probabilities(q, k, block, B)
            g = grad[:, :, queries].reshape(BK, -1, C)
            dv[:, keys] += torch.bmm(p.transpose(1, 2), g)
            dp = torch.bmm(g, v[:, keys].transpose(1, 2))
            ds = torch.ops.aten._softmax_backward_data(dp, p, -1, dp.dtype)
            dq[:, :, queries] = torch.bmm(ds, k[:, keys]).view(BK, G, -1, C)
            dk[:, keys] += torch.bmm(ds.transpose(1, 2), q[:, :, queries].reshape(BK, -1, C))
        shape_BKSC = (B, BK // B, -1, C)
        return dq.mul_(C**-0.5).view(B, -1, T, C), dk.view(shape_BKSC), dv.view(shape_BKSC), None


def _fold(x_BHTC: Tensor, kv_heads: int) -> Tensor:
    """(B*K, G, T, C): the query heads of one key head side by side."""
    B, H, T, C = x_BHTC.shape
    return x_BHTC.reshape(B * kv_heads, H // kv_heads, T, C)


def _probabilities(q: Tensor, k: Tensor, block: QueryBlock, batch: int) -> Tensor:
    """(B*K, G*n, last - first)."""
    BK, G, _, C = q.shape
    n = block.stop - block.start
    rows = q[:, :, block.start : block.stop].reshape(BK, G * n, C)
    scores = _products(rows, k[:, block.first : block.last])
    if block.bias is not None:
        if block.bias.dim() == 2:
            scores.view(BK, G, n, -1)[..., -n:] += block.bias
        else:
            scores.view(batch, BK // batch, G, n, -1).add_(block.bias)
    return torch.softmax(scores, dim=-1)


def _products(rows: Tensor, keys: Tensor) -> Tensor:
    """Every row's product with every key."""
    if rows.dtype == torch.bfloat16 and rows.shape[1] <= FEW_ROWS:
        return torch.bmm(keys, rows.transpose(1, 2)).transpose(1, 2).contiguous()
    return torch.bmm(rows, keys.transpose(1, 2))
