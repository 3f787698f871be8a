"""One completion in the making."""

from collections.abc import Callable, Collection

from better_ai.inference.sampler import request_uniforms
from better_ai.inference.text import TextAssembler
from better_ai.inference.types import Completion, FinishReason, Request


class Sequence:
    """A sample of a request: its tokens so far, its uniform numbers, its text, and whether it has ended.

    Args:
        max_new_tokens: the request's, or fewer when the model's context ends before.
        stop_ids: tokens that end a completion.
        token_bytes: the bytes of a token's text, empty for special tokens.
    """

    def __init__(
        self,
        request: Request,
        sample_index: int,
        max_new_tokens: int,
        stop_ids: Collection[int],
        token_bytes: Callable[[int], bytes],
    ) -> None:
        self.request = request
        self.sample_index = sample_index
        self.finish_reason: FinishReason | None = None
        self._max_new_tokens = max_new_tokens
        self._stop_ids = stop_ids
        self._token_bytes = token_bytes
        self._uniforms = request_uniforms(request.sampling.seed, sample_index, max_new_tokens).tolist()
        self._assembler = TextAssembler(request.sampling.stop)
        self._tokens: list[int] = []
        self._logprobs: list[float] = []
        self._entropies: list[float] = []
        self._text: list[str] = []

    @property
    def max_length(self) -> int:
        """Tokens it may grow to, its prompt included."""
        return len(self.request.prompt_tokens) + self._max_new_tokens

    @property
    def last_token(self) -> int:
        return self._tokens[-1]

    @property
    def next_uniform(self) -> float:
        return self._uniforms[len(self._tokens)]

    def append(self, token: int, logprob: float, entropy: float) -> str:
        """Add a sampled token, and set `finish_reason` if it is the last; returns the text that has become certain."""
        self._tokens.append(token)
        self._logprobs.append(logprob)
        self._entropies.append(entropy)
        certain = self._assembler.push(self._token_bytes(token))
        if token in self._stop_ids:
            self.finish_reason = "eos"
        elif len(self._tokens) == self._max_new_tokens:
            self.finish_reason = "length"
        if self.finish_reason is not None:
            certain += self._assembler.finish()
        if self._assembler.stopped:
            self.finish_reason = "stop"
        self._text.append(certain)
        return certain

    def completion(self) -> Completion:
        assert self.finish_reason is not None, "the completion has not ended"
        return Completion(
            request_id=self.request.id,
            sample_index=self.sample_index,
            tokens=tuple(self._tokens),
            text="".join(self._text),
            logprobs=tuple(self._logprobs),
            entropies=tuple(self._entropies),
            finish_reason=self.finish_reason,
        )
