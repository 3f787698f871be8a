"""Grouped-query attention (arXiv 2305.13245) with rotary positions, and the choice of its kernel.

On the CPU the block-causal kernel of block_causal.py serves training, prefill and decoding; elsewhere it is
PyTorch's scaled dot product attention.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from better_ai.config import ModelConfig
from better_ai.model.block_causal import QueryBlock, block_causal_attention, query_blocks
from better_ai.model.kv import KeyValues
from better_ai.model.linear import Linear
from better_ai.model.norm import RMSNorm
from better_ai.model.rope import Rotation, rotate_heads


@dataclass
class Visibility:
    """Which keys each query may attend to: one object per forward pass, shared by its layers.

    Without a mask, the query at t of T sees the S keys up to S - T + t. A mask says itself what is seen, and allows
    nothing beyond that (see kv.py).
    """

    mask_BTS: Tensor | None
    dtype: torch.dtype
    _blocks: dict[tuple[int, int], list[QueryBlock]] = field(default_factory=dict)

    @classmethod
    def of(cls, mask_BTS: Tensor | None, segment_ids_BT: Tensor | None, dtype: torch.dtype) -> "Visibility":
        """From a mask, or from segment ids: rows that hold one segment each need no mask at all."""
        assert mask_BTS is None or segment_ids_BT is None, "give either a mask or segment ids"
        if segment_ids_BT is not None and bool((segment_ids_BT != segment_ids_BT[:, :1]).any()):
            T = segment_ids_BT.shape[1]
            causal_TT = torch.ones(T, T, dtype=torch.bool, device=segment_ids_BT.device).tril()
            mask_BTS = (segment_ids_BT[:, :, None] == segment_ids_BT[:, None, :]) & causal_TT
        return cls(mask_BTS, dtype)

    def blocks(self, T: int, S: int) -> list[QueryBlock]:
        """The query blocks of the CPU kernel, planned at the first layer."""
        if (T, S) not in self._blocks:
            self._blocks[T, S] = query_blocks(T, S, self.mask_BTS, self.dtype)
        return self._blocks[T, S]


def attend(q_BHTC: Tensor, k_BKSC: Tensor, v_BKSC: Tensor, visibility: Visibility) -> Tensor:
    """Softmax attention; query head h reads key/value head h // (H/K). Returns out_BTHC."""
    B, T, S = q_BHTC.shape[0], q_BHTC.shape[2], k_BKSC.shape[2]
    mask_BTS = visibility.mask_BTS
    assert mask_BTS is None or mask_BTS.shape == (B, T, S), f"mask {mask_BTS.shape}, attention {(B, T, S)}"
    if q_BHTC.is_cpu:
        return block_causal_attention(q_BHTC, k_BKSC, v_BKSC, visibility.blocks(T, S))
    return fused_attention(q_BHTC, k_BKSC, v_BKSC, mask_BTS)


def fused_attention(q_BHTC: Tensor, k_BKSC: Tensor, v_BKSC: Tensor, mask_BTS: Tensor | None) -> Tensor:
    """The same by PyTorch's kernels, for accelerators."""
    H, T = q_BHTC.shape[1:3]
    K, S = k_BKSC.shape[1:3]
    assert mask_BTS is not None or T in (S, 1), "keys of earlier tokens need a mask"
    mask_B1TS = None if mask_BTS is None else mask_BTS[:, None]
    causal = mask_BTS is None and T > 1
    out_BHTC = F.scaled_dot_product_attention(q_BHTC, k_BKSC, v_BKSC, mask_B1TS, is_causal=causal, enable_gqa=H != K)
    return out_BHTC.transpose(1, 2)


class Attention(nn.Module):
    """One fused projection to queries, keys and values (in this order), attention, one projection back."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        heads, kv_heads, width = config.num_attention_heads, config.kv_heads, config.head_width
        self.heads = [heads, kv_heads, kv_heads]
        self.head_width = width
        self.qkv = Linear(config.hidden_dim, (heads + 2 * kv_heads) * width, bias=config.qkv_bias)
        self.query_norm = RMSNorm(width, config.norm_eps) if config.qk_norm else None
        self.key_norm = RMSNorm(width, config.norm_eps) if config.qk_norm else None
        self.out = Linear(heads * width, config.hidden_dim)

    def forward(
        self, x_BTD: Tensor, rotation: Rotation, visibility: Visibility, layer: int, kv: KeyValues | None
    ) -> Tensor:
        B, T, _ = x_BTD.shape
        q, k, v = self.qkv(x_BTD).view(B, T, -1, self.head_width).split(self.heads, dim=2)
        if self.query_norm is not None and self.key_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)
        q_BHTC, k_BKSC, v_BKSC = rotate_heads(q, rotation), rotate_heads(k, rotation), v.transpose(1, 2)
        if kv is not None:
            k_BKSC, v_BKSC = kv.extend(layer, k_BKSC, v_BKSC)
        return self.out(attend(q_BHTC, k_BKSC, v_BKSC, visibility).reshape(B, T, -1))
