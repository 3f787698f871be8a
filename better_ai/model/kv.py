"""Keys and values that outlive one forward pass: the cache of decoding, the shared prompt of training.

A forward pass hands every layer's new keys and values to a `KeyValues` and attends to what it returns. Shapes:
B rows, K key/value heads, T new tokens, S all tokens to attend to, C head width. Keys are stored after their rotation.

Every implementation keeps one promise that attention relies on: of the S keys returned, the query at step t of T
never needs one beyond S - T + t. So the masked upper corner can be skipped whatever the mask says.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from better_ai.config import ModelConfig

SLOTS_PER_GROWTH = 64
"""A cache grows by so many slots at a time and is attended to whole: slices of it would be copied by every product, and
oneDNN compiles a bf16 product anew for every number of keys."""


class KeyValues(Protocol):
    """What `Transformer.forward(kv=...)` extends, once per layer."""

    def extend(self, layer: int, k_BKTC: Tensor, v_BKTC: Tensor) -> tuple[Tensor, Tensor]:
        """Take one layer's new keys and values; return all keys and values to attend to, each BKSC."""
        ...


class KVCache:
    """Keys and values of decoding, written in place, without gradient.

    Row b holds `lengths_B[b]` tokens in the slots from 0 on, so a slot's index is its token's position. Rows may
    differ in length. A forward of T tokens writes T slots of every row from its length on; `advance` then says how
    many of them count, and whatever lies beyond is masked until the next forward overwrites it. So a batch of ragged
    prompts is padded on the right, prefilled at once and advanced by the true lengths:

        cache = KVCache(model.config, rows=len(prompts), capacity=512)
        output = model(tokens_BT, kv=cache)                       # a fresh cache needs no mask
        cache.advance(prompt_lengths_B)
        positions_B1 = cache.positions(1)
        output = model(next_B1, positions_BT=positions_B1, kv=cache, mask_BTS=cache.mask(positions_B1))
        cache.advance(1)

    Memory grows with the longest row, up to `capacity` slots.
    """

    def __init__(
        self,
        config: ModelConfig,
        rows: int,
        capacity: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.capacity = capacity
        self.lengths_B = torch.zeros(rows, dtype=torch.int64, device=device)
        empty = torch.zeros(rows, config.kv_heads, 0, config.head_width, dtype=dtype, device=device)
        self._keys = [empty] * config.num_layers
        self._values = [empty] * config.num_layers
        self._shortest = self._longest = 0

    @property
    def rows(self) -> int:
        return self.lengths_B.shape[0]

    @property
    def longest(self) -> int:
        """Tokens in the longest row."""
        return self._longest

    def positions(self, num_tokens: int) -> Tensor:
        """positions_BT of the next `num_tokens` tokens of every row."""
        return self.lengths_B[:, None] + torch.arange(num_tokens, device=self.lengths_B.device)

    def mask(self, positions_BT: Tensor) -> Tensor:
        """mask_BTS for new tokens at these positions: each sees its own row up to and including itself."""
        T = positions_BT.shape[1]
        slots = torch.arange(self._slots(self._longest + T) if self._longest else T, device=positions_BT.device)
        return slots <= positions_BT[..., None]

    @torch.no_grad()
    def extend(self, layer: int, k_BKTC: Tensor, v_BKTC: Tensor) -> tuple[Tensor, Tensor]:
        """Write T new slots of every row; return the slots in use, up to the longest row's and a few masked ones.

        Raises ValueError when a row would outgrow the capacity.
        """
        T = k_BKTC.shape[2]
        slots = self._slots(self._longest + T)
        for caches, new_BKTC in ((self._keys, k_BKTC), (self._values, v_BKTC)):
            cache = caches[layer] = self._grown(caches[layer], slots)
            if self._shortest == self._longest:
                cache[:, :, self._longest : self._longest + T] = new_BKTC
            else:
                rows_B1 = torch.arange(self.rows, device=cache.device)[:, None]
                cache[rows_B1, :, self.positions(T)] = new_BKTC.transpose(1, 2).to(cache.dtype)
        if not self._longest:
            return k_BKTC, v_BKTC
        return self._keys[layer][:, :, :slots], self._values[layer][:, :, :slots]

    def advance(self, counts_B: Tensor | int) -> None:
        """Count the newest tokens as held: once per forward, after all layers; one number per row, or one for all."""
        self._set_lengths(self.lengths_B + counts_B)

    def select(self, rows_N: Tensor | Sequence[int], *, capacity: int | None = None) -> "KVCache":
        """A new cache of these rows in this order: fewer when rows have ended, one repeated to fan a prompt out."""
        rows_N = torch.as_tensor(rows_N, dtype=torch.int64, device=self.lengths_B.device)
        keys = self._keys[0]
        chosen = KVCache(self.config, rows_N.shape[0], capacity or self.capacity, keys.dtype, keys.device)
        chosen.copy_rows(self, rows_N, torch.arange(rows_N.shape[0], device=keys.device))
        return chosen

    @torch.no_grad()
    def copy_rows(self, source: "KVCache", source_rows_N: Tensor, rows_N: Tensor) -> None:
        """Overwrite rows of this cache by rows of another, lengths included. Raises ValueError if they do not fit."""
        lengths_N = source.lengths_B[source_rows_N]
        used = int(lengths_N.max()) if len(lengths_N) else 0
        slots = self._slots(used)
        for mine, theirs in ((self._keys, source._keys), (self._values, source._values)):
            for layer, cache in enumerate(theirs):
                mine[layer] = self._grown(mine[layer], slots)
                mine[layer][rows_N, :, :used] = cache[source_rows_N, :, :used].to(mine[layer].dtype)
        self._set_lengths(self.lengths_B.index_copy(0, rows_N, lengths_N))

    def _set_lengths(self, lengths_B: Tensor) -> None:
        self.lengths_B = lengths_B
        if self.rows:
            self._shortest, self._longest = int(lengths_B.min()), int(lengths_B.max())

    def _slots(self, used: int) -> int:
        """Slots to allocate and attend to when the longest row uses so many."""
        if used > self.capacity:
            raise ValueError(f"a key/value cache of capacity {self.capacity} cannot hold {used} tokens in one row")
        return min(self.capacity, -(-used // SLOTS_PER_GROWTH) * SLOTS_PER_GROWTH)

    def _grown(self, cache_BKSC: Tensor, slots: int) -> Tensor:
        """The cache itself if it has the slots, else a larger one with its contents. New slots hold zeros: what is
        masked is still multiplied by a probability of zero."""
        B, K, held, C = cache_BKSC.shape
        if held >= slots:
            return cache_BKSC
        grown = cache_BKSC.new_zeros(B, K, slots, C)
        grown[:, :, :held] = cache_BKSC
        return grown


class RecordedKV:
    """Keeps the keys and values of one pass over prompts, with their gradient, for `SharedPrefix`."""

    def __init__(self) -> None:
        self.layers: list[tuple[Tensor, Tensor]] = []

    def extend(self, layer: int, k_BKTC: Tensor, v_BKTC: Tensor) -> tuple[Tensor, Tensor]:
        assert layer == len(self.layers), "RecordedKV records one forward pass"
        self.layers.append((k_BKTC, v_BKTC))
        return k_BKTC, v_BKTC


class SharedPrefix:
    """Completions attend to the recorded keys and values of their prompt, which was forwarded once per group.

    Row r of the completions belongs to prompt r // repeats. Equal, in values and gradients, to forwarding every
    prompt + completion flat, at the cost of one prompt pass per group.

        recorded = RecordedKV()
        prompts = model(prompt_BP, kv=recorded)
        prefix = SharedPrefix(recorded, repeats=G, prompt_mask_BP=mask)
        completions = model(tokens_RT, positions_BT=prefix.positions(T), kv=prefix, mask_BTS=prefix.mask(T))

    Args:
        recorded: a prompt pass over B rows of P tokens.
        repeats: completions of each prompt; they number R = B * repeats.
        prompt_mask_BP: True at the tokens of ragged prompts, False at their padding; None when all are of length P.
    """

    def __init__(self, recorded: RecordedKV, repeats: int, prompt_mask_BP: Tensor | None = None) -> None:
        keys = recorded.layers[0][0]
        if prompt_mask_BP is None:
            prompt_mask_BP = torch.ones(keys.shape[0], keys.shape[2], dtype=torch.bool, device=keys.device)
        self.recorded = recorded
        self.repeats = repeats
        self.prompt_mask_RP = prompt_mask_BP.repeat_interleave(repeats, 0)

    def positions(self, num_tokens: int) -> Tensor:
        """positions_RT of the first `num_tokens` tokens of every completion."""
        return self.prompt_mask_RP.sum(1, keepdim=True) + torch.arange(num_tokens, device=self.prompt_mask_RP.device)

    def mask(self, num_tokens: int) -> Tensor:
        """mask_RTS: the whole prompt, and the completion up to and including the token itself."""
        R, P = self.prompt_mask_RP.shape
        causal_TT = torch.ones(num_tokens, num_tokens, dtype=torch.bool, device=self.prompt_mask_RP.device).tril()
        prompt_RTP = self.prompt_mask_RP[:, None].expand(R, num_tokens, P)
        return torch.cat([prompt_RTP, causal_TT.expand(R, -1, -1)], dim=-1)

    def extend(self, layer: int, k_BKTC: Tensor, v_BKTC: Tensor) -> tuple[Tensor, Tensor]:
        k_prompt, v_prompt = self.recorded.layers[layer]
        return (
            torch.cat([k_prompt.repeat_interleave(self.repeats, 0), k_BKTC], dim=2),
            torch.cat([v_prompt.repeat_interleave(self.repeats, 0), v_BKTC], dim=2),
        )
