"""The generation engine: continuous batching over one model, in one process.

Requests wait in line; as many of their samples run together as rows and cache memory allow. Each request's prompt is
forwarded once, however many samples it asks for. A sequence that ends leaves the batch, and a waiting one takes its
place.

What is guaranteed: a sample is drawn from uniform numbers fixed by (seed, sample index, token position) alone, so it
does not depend on what else is in the batch, up to rounding: fp32 logits of one prompt differ by about 1e-6 between
batches of different shape, and a draw that lies this close to the boundary of two tokens may fall on either side.

No token is masked: what is sampled is the model's own distribution over the whole vocabulary, special tokens
included, so that recorded log-probabilities are those a training pass computes. A sampled special token that is no
stop token is kept, and rendered as nothing.

Left out: paged caches, prefix sharing between requests, speculative decoding, grammars, quantised weights.
"""

import copy
from collections import deque
from collections.abc import Collection, Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from better_ai.errors import ConfigError, UserError
from better_ai.inference.batch import Prefill, RunningBatch, prefill
from better_ai.inference.sequence import Sequence
from better_ai.inference.types import Completion, Request, TextDelta
from better_ai.model import Transformer

if TYPE_CHECKING:
    from better_ai.tokenizer import Tokenizer

PREFILL_TOKENS = 8192
"""Most prompt tokens, padding included, in one forward pass: bounds its activations."""


class Engine:
    """Samples from a model.

    The model may be trained between calls: nothing computed from its weights outlives a call. Nothing of it is
    changed, no global random generator is used, and torch's thread setting is respected.

    Args:
        model: any object with the interface of `Transformer`.
        tokenizer: the one the model was trained with.
        max_rows: most sequences that run together.
        max_cache_bytes: most memory for the running sequences' keys and values; lowers the number of rows when they may
            grow long. (Prompts being forwarded take at most PREFILL_TOKENS more.)
        dtype: of weights and activations while decoding. In bf16 a model is copied once per call; where the processor
            computes in bf16 that decodes faster (1.3 times at 3M parameters, 2.2 times at 30M), from logits that are
            rounded to three digits.
        stop_ids: tokens that end a completion; the tokenizer's `eos` and `end` (of a turn) unless given. An empty
            collection lets every completion run to its full length.

    Raises ConfigError when the tokenizer does not fit the model.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: "Tokenizer",
        *,
        max_rows: int = 32,
        max_cache_bytes: int = 1 << 30,
        dtype: torch.dtype = torch.float32,
        stop_ids: Collection[int] | None = None,
    ) -> None:
        if tokenizer.vocab_size != model.config.vocab_size:
            raise ConfigError(
                f"the tokenizer has {tokenizer.vocab_size} tokens, the model {model.config.vocab_size}: "
                "they do not belong together; load the tokenizer the model was trained with"
            )
        if max_rows < 1:
            raise ConfigError(f"max_rows={max_rows}: the engine needs at least one row to decode in")
        self.model = model
        self.tokenizer = tokenizer
        self.max_rows = max_rows
        self.max_cache_bytes = max_cache_bytes
        self.dtype = dtype
        self.stop_ids = frozenset(
            (tokenizer.special["eos"], tokenizer.special["end"]) if stop_ids is None else stop_ids
        )

    def generate(self, requests: Items[Request]) -> list[Completion]:
        """All completions: the requests in their order, the samples of each in theirs.

        Raises UserError for a request that cannot work, before anything is computed, and ArtifactError when the
        model's logits are not finite.
        """
        sequences = [self._sequences(request) for request in requests]
        for _ in self._run(sequences):
            pass
        return [sequence.completion() for samples in sequences for sequence in samples]

    def stream(self, request: Request) -> Iterator[TextDelta]:
        """The text of one completion as it becomes certain: whole characters, and nothing of a stop string.

        The last piece carries the completion. Raises what `generate` raises, and UserError for n other than 1.
        """
        if request.sampling.n != 1:
            raise UserError(f"streaming gives one completion; found n={request.sampling.n}: use generate")
        return self._stream(self._sequences(request))

    def _stream(self, samples: list[Sequence]) -> Iterator[TextDelta]:
        for sequence, text in self._run([samples]):
            if sequence.finish_reason:
                yield TextDelta(text, sequence.completion())
            elif text:
                yield TextDelta(text)

    def _run(self, sequences: list[list[Sequence]]) -> Iterator[tuple[Sequence, str]]:
        """Bring all sequences, grouped by request, to their end; yields each token's certain text on the way."""
        if not sequences:
            return
        model = _decoding_view(self.model, self.dtype)
        capacity = max(samples[0].max_length for samples in sequences)
        batch = RunningBatch(model, self._rows_that_fit(capacity), capacity)
        waiting = deque(_Waiting(samples) for samples in sequences)
        while waiting or not batch.empty:
            yield from _admit(model, batch, waiting) if waiting and batch.free else batch.step()

    def _rows_that_fit(self, capacity: int) -> int:
        config = self.model.config
        row_bytes = 2 * config.num_layers * config.kv_heads * config.head_width * capacity * self.dtype.itemsize
        rows = min(self.max_rows, self.max_cache_bytes // row_bytes)
        if rows < 1:
            raise UserError(
                f"one sequence of {capacity} tokens needs {row_bytes} bytes of keys and values, the engine may use "
                f"{self.max_cache_bytes}: ask for fewer new tokens or give it more max_cache_bytes"
            )
        return rows

    def _sequences(self, request: Request) -> list[Sequence]:
        """The n samples of a request that has been checked."""
        length, context = len(request.prompt_tokens), self.model.config.max_seq_len
        if length == 0:
            raise UserError(f"request {request.id!r}: the prompt is empty (0 tokens); start with at least one token")
        if length >= context:
            raise UserError(
                f"request {request.id!r}: the prompt has {length} tokens, the model's context holds {context}, "
                "and at least one new token must fit: shorten the prompt"
            )
        outside = [token for token in request.prompt_tokens if not 0 <= token < self.model.config.vocab_size]
        if outside:
            raise UserError(
                f"request {request.id!r}: token {outside[0]} is outside the vocabulary of "
                f"{self.model.config.vocab_size}: the prompt was encoded with another tokenizer"
            )
        new_tokens = min(request.sampling.max_new_tokens, context - length)
        return [
            Sequence(request, index, new_tokens, self.stop_ids, self.tokenizer.token_bytes)
            for index in range(request.sampling.n)
        ]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Samples of one request that have no row yet; with their prompt's prefill if some have entered already."""

    samples: list[Sequence]
    prompt: Prefill | None = None


def _admit(model: Transformer, batch: RunningBatch, waiting: deque[_Waiting]) -> Iterator[tuple[Sequence, str]]:
    """Fill the free rows from the front of the line."""
    if waiting[0].prompt is not None:
        groups = [waiting.popleft()]
        prompts = groups[0].prompt
    else:
        groups = _next_groups(waiting, batch.free)
        prompts = prefill(model, [group.samples[0].request for group in groups])
    assert prompts is not None
    entering = [(sequence, row) for row, group in enumerate(groups) for sequence in group.samples]
    now, later = entering[: batch.free], entering[batch.free :]
    if later:
        waiting.appendleft(_Waiting([sequence for sequence, _ in later], prompts.of_row(len(groups) - 1)))
    yield from batch.admit(now, prompts)


def _next_groups(waiting: deque[_Waiting], free: int) -> list[_Waiting]:
    """Requests to forward together: enough samples for the free rows, within the token budget of one pass."""
    groups: list[_Waiting] = []
    longest = samples = 0
    while waiting and samples < free:
        longest = max(longest, len(waiting[0].samples[0].request.prompt_tokens))
        if groups and longest * (len(groups) + 1) > PREFILL_TOKENS:
            break
        groups.append(waiting.popleft())
        samples += len(groups[-1].samples)
    return groups


def _decoding_view(model: Transformer, dtype: torch.dtype) -> Transformer:
    """The model with a compute dtype of its own, weights stored in it: shared if they already are, else cast once."""
    weights = {id(tensor): tensor for tensor in model.parameters()}
    view = copy.deepcopy(model, weights)
    view.compute_dtype = dtype
    return view.eval() if dtype == model.head_weight_VD.dtype else view.compute_copy()
