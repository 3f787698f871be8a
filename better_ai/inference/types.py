"""What is asked of the engine and what it answers."""

from dataclasses import dataclass
from typing import Literal

from better_ai.config import SamplingConfig
from better_ai.errors import UserError

MIN_TEMPERATURE = 1e-3
"""Below it, scaled logits may leave the range of fp32."""

FinishReason = Literal["stop", "eos", "length"]


def _require(condition: bool, name: str, found: object, expected: str) -> None:
    if not condition:
        raise UserError(f"sampling parameter {name}: found {found!r}, expected {expected}")


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the completions of one request are drawn. Raises UserError, naming the number, for values that cannot work.

    Temperature scales the logits first; then top-k keeps the k most likely tokens; then top-p keeps the smallest set
    of most likely tokens whose mass, among those, reaches p.
    """

    temperature: float = 1.0
    """0: the most likely token, always."""
    top_k: int = 0
    """0: all tokens."""
    top_p: float = 1.0
    max_new_tokens: int = 128
    stop: tuple[str, ...] = ()
    """A completion ends as soon as its text holds one of these, and its text ends before it."""
    n: int = 1
    """Completions of the same prompt."""
    seed: int = 0

    def __post_init__(self) -> None:
        finite = self.temperature == 0 or MIN_TEMPERATURE <= self.temperature < float("inf")
        _require(finite, "temperature", self.temperature, f"0, or a number from {MIN_TEMPERATURE} up")
        _require(self.top_k >= 0, "top_k", self.top_k, "0 (all tokens) or a positive count")
        _require(0 < self.top_p <= 1, "top_p", self.top_p, "a number above 0 and at most 1")
        _require(self.max_new_tokens >= 1, "max_new_tokens", self.max_new_tokens, "1 or more")
        _require(self.n >= 1, "n", self.n, "1 completion or more")
        _require(0 <= self.seed < 1 << 64, "seed", self.seed, "a whole number from 0 to 2**64 - 1")
        _require(not isinstance(self.stop, str), "stop", self.stop, "a tuple of strings")
        _require(all(self.stop), "stop", self.stop, "no empty string among the stop strings")

    @classmethod
    def from_config(
        cls, config: SamplingConfig, *, n: int = 1, seed: int = 0, stop: tuple[str, ...] = ()
    ) -> "SamplingParams":
        return cls(config.temperature, config.top_k, config.top_p, config.max_new_tokens, stop, n, seed)

    @property
    def truncated(self) -> bool:
        """Whether some tokens can never be drawn, so that log-probabilities are renormalised over the others."""
        return self.top_k > 0 or self.top_p < 1


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt, as token ids, and how to continue it."""

    prompt_tokens: tuple[int, ...]
    sampling: SamplingParams = SamplingParams()
    id: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled continuation.

    `tokens` holds every sampled token, the one that ended the completion included; `text` is their decoding, special
    tokens rendered as nothing, up to the stop string. `logprobs` and `entropies` (nats, one per token) belong to the
    very distribution the token was drawn from; at temperature 0, where that distribution is a point, to the softmax
    of the unscaled logits.
    """

    request_id: str
    sample_index: int
    tokens: tuple[int, ...]
    text: str
    logprobs: tuple[float, ...]
    entropies: tuple[float, ...]
    finish_reason: FinishReason
    """stop: a stop string; eos: a stop token; length: max_new_tokens, or the end of the model's context."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of a streamed completion. The pieces' texts, joined, are the completion's text."""

    text: str
    completion: Completion | None = None
    """Given with the last piece."""
