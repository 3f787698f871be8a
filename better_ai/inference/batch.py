"""The running batch: sequences that decode together, each with a row of the key/value cache."""

from collections.abc import Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from better_ai.errors import ArtifactError
from better_ai.inference.sampler import sample
from better_ai.inference.sequence import Sequence
from better_ai.inference.types import Request
from better_ai.model import KVCache, Transformer

IDLE_SHARE = 0.25
"""Rows of ended sequences are computed along until they are this share of the batch: dropping one copies the cache."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """Forwarded prompts: their keys and values, and the logits of each one's first new token (fp32)."""

    cache: KVCache
    logits_BV: Tensor

    @torch.inference_mode()
    def of_row(self, row: int) -> "Prefill":
        """One prompt alone, so that the others' memory can go."""
        return Prefill(self.cache.select([row]), self.logits_BV[[row]])


@torch.inference_mode()
def prefill(model: Transformer, requests: Rows[Request]) -> Prefill:
    """One forward pass over ragged prompts, padded on the right, where a causal mask hides the padding by itself."""
    device = model.head_weight_VD.device
    lengths_B = torch.tensor([len(request.prompt_tokens) for request in requests], device=device)
    longest = int(lengths_B.max())
    padded = [[*request.prompt_tokens, *[0] * (longest - len(request.prompt_tokens))] for request in requests]
    cache = KVCache(model.config, len(requests), longest, model.compute_dtype, device)
    hidden_BTD = model(torch.tensor(padded, device=device), kv=cache).hidden_BTD
    cache.advance(lengths_B)
    last_BD = hidden_BTD[torch.arange(len(requests), device=device), lengths_B - 1]
    return Prefill(cache, _logits(model, last_BD))


class RunningBatch:
    """Sequences enter with their prompt's prefill, advance one token per step together, and leave when they end."""

    def __init__(self, model: Transformer, max_rows: int, capacity: int) -> None:
        self._model = model
        self._max_rows = max_rows
        self._capacity = capacity
        self._device = model.head_weight_VD.device
        self._rows: list[Sequence | None] = []
        self._cache = self._new_cache(0)

    @property
    def free(self) -> int:
        """How many sequences may enter."""
        return self._max_rows - len(self._live())

    @property
    def empty(self) -> bool:
        return not self._live()

    def admit(self, entering: Rows[tuple[Sequence, int]], prompts: Prefill) -> Iterator[tuple[Sequence, str]]:
        """Let sequences join whose prompt is the given row of `prompts`, with their first token drawn.

        Yields each sequence with the text its token made certain. Those that end with this token take no row.
        """
        assert len(entering) <= self.free
        yield from _draw([sequence for sequence, _ in entering], prompts.logits_BV[[row for _, row in entering]])
        joining = [(sequence, row) for sequence, row in entering if sequence.finish_reason is None]
        if joining:
            self._join(joining, prompts.cache)

    def step(self) -> Iterator[tuple[Sequence, str]]:
        """One more token for every sequence; yields each with the text its token made certain."""
        live = self._live()
        if len(live) <= (1 - IDLE_SHARE) * len(self._rows):
            self._resize(len(live))
            live = self._live()
        rows = [row for row in self._rows if row is not None]
        yield from _draw(rows, self._forward(live))
        self._rows = [None if row is None or row.finish_reason else row for row in self._rows]

    def _live(self) -> list[int]:
        return [index for index, row in enumerate(self._rows) if row is not None]

    def _new_cache(self, rows: int) -> KVCache:
        return KVCache(self._model.config, rows, self._capacity, self._model.compute_dtype, self._device)

    @torch.inference_mode()
    def _forward(self, live: list[int]) -> Tensor:
        """Forward the newest token of every row, idle ones too; logits of the live rows."""
        newest = [[row.last_token if row else 0] for row in self._rows]
        positions_B1 = self._cache.positions(1)
        mask_BTS = self._cache.mask(positions_B1)
        output = self._model(
            torch.tensor(newest, device=self._device), positions_BT=positions_B1, kv=self._cache, mask_BTS=mask_BTS
        )
        self._cache.advance(torch.tensor([int(row is not None) for row in self._rows], device=self._device))
        return _logits(self._model, output.hidden_BTD[live, 0])

    @torch.inference_mode()
    def _join(self, joining: list[tuple[Sequence, int]], source: KVCache) -> None:
        """Copy each sequence's prompt from its row of `source` into an idle row."""
        live = self._live()
        if len(live) + len(joining) > len(self._rows):
            self._resize(len(live) + len(joining))
        idle = [index for index, row in enumerate(self._rows) if row is None][: len(joining)]
        source_rows = torch.tensor([row for _, row in joining], device=self._device)
        self._cache.copy_rows(source, source_rows, torch.tensor(idle, device=self._device))
        for index, (sequence, _) in zip(idle, joining, strict=True):
            self._rows[index] = sequence

    @torch.inference_mode()
    def _resize(self, num_rows: int) -> None:
        """Drop the idle rows, then add new idle ones up to `num_rows`."""
        live = self._live()
        resized = self._new_cache(num_rows)
        live_rows = torch.tensor(live, dtype=torch.int64, device=self._device)
        resized.copy_rows(self._cache, live_rows, torch.arange(len(live), device=self._device))
        self._cache = resized
        self._rows = [self._rows[index] for index in live] + [None] * (num_rows - len(live))


def _draw(rows: Rows[Sequence], logits_BV: Tensor) -> Iterator[tuple[Sequence, str]]:
    ids, logprobs, entropies = _sample_rows(rows, logits_BV)
    for row, token, logprob, entropy in zip(rows, ids, logprobs, entropies, strict=True):
        yield row, row.append(token, logprob, entropy)


@torch.inference_mode()
def _sample_rows(rows: Rows[Sequence], logits_BV: Tensor) -> tuple[list[int], list[float], list[float]]:
    params = [row.request.sampling for row in rows]
    device = logits_BV.device
    truncated = any(p.truncated for p in params)
    draw = sample(
        logits_BV,
        torch.tensor([row.next_uniform for row in rows], dtype=torch.float64, device=device),
        torch.tensor([p.temperature for p in params], device=device),
        torch.tensor([p.top_k for p in params], device=device) if truncated else None,
        torch.tensor([p.top_p for p in params], device=device) if truncated else None,
    )
    if not bool(draw.logprobs_B.isfinite().all()):
        broken = rows[int((~draw.logprobs_B.isfinite()).nonzero()[0])]
        raise ArtifactError(
            f"request {broken.request.id!r}: the model's logits are not finite after a prompt of "
            f"{len(broken.request.prompt_tokens)} tokens; its weights are damaged or training has diverged: "
            "go back to an earlier checkpoint"
        )
    return draw.ids_B.tolist(), draw.logprobs_B.tolist(), draw.entropies_B.tolist()


def _logits(model: Transformer, hidden_BD: Tensor) -> Tensor:
    return F.linear(hidden_BD, model.head_weight_VD.to(hidden_BD.dtype)).float()
