"""Conversations in the Hugging Face chat shape, and their rendering into tokens.

    <bos> <system> ... <end> <user> ... <end> <assistant> ... <end>

A turn is its role's special token, the encoded content, the encoded tool calls (each between `<tool_call>` and
`</tool_call>`) and `<end>`. Content goes through `Tokenizer.encode`, so no text can forge a turn. Rendering is
prefix-preserving: a longer conversation begins with the tokens of a shorter one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from better_ai.errors import UserError

if TYPE_CHECKING:
    from rich.text import Text

    from better_ai.tokenizer import Tokenizer

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class ToolCall:
    """A function the assistant asks to be called."""

    name: str
    arguments: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The Hugging Face form."""
        return {"type": "function", "function": {"name": self.name, "arguments": dict(self.arguments)}}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "ToolCall":
        """Read the Hugging Face form; arguments may be a mapping or its JSON. Raises UserError for anything else."""
        try:
            function = value["function"]
            name, arguments = function["name"], function["arguments"]
            arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        except (KeyError, TypeError, ValueError):
            raise _malformed("tool call", value, '{"function": {"name": ..., "arguments": {...}}}') from None
        if not isinstance(name, str) or not isinstance(arguments, Mapping):
            raise _malformed("tool call", value, "a name and a mapping of arguments")
        return cls(name, arguments)


@dataclass(frozen=True)
class Message:
    """One turn. Raises UserError for an unknown role, content that is no text, or tool calls of anyone else."""

    role: str
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise UserError(f"unknown role {self.role!r} in a message; known: {', '.join(ROLES)}")
        if not isinstance(self.content, str):
            raise UserError(f"the content of a message must be text, found {type(self.content).__name__}")
        if self.tool_calls and self.role != "assistant":
            raise UserError(f"only the assistant calls tools, found tool calls of role {self.role!r}")

    def to_dict(self) -> dict[str, Any]:
        """The Hugging Face form."""
        value: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            value["tool_calls"] = [call.to_dict() for call in self.tool_calls]
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Message":
        """Read the Hugging Face form. Raises UserError when it is something else."""
        if not isinstance(value, Mapping) or "role" not in value:
            raise _malformed("message", value, '{"role": ..., "content": ...}')
        content = value.get("content")
        calls = tuple(ToolCall.from_dict(call) for call in value.get("tool_calls") or ())
        return cls(value["role"], "" if content is None else content, calls)


@dataclass(frozen=True)
class Conversation:
    """Messages in order; at least one."""

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        if not self.messages:
            raise UserError("a conversation needs at least one message, found none")

    def to_dict(self) -> dict[str, Any]:
        """The Hugging Face form."""
        return {"messages": [message.to_dict() for message in self.messages]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Conversation":
        """Read the Hugging Face form. Raises UserError when it is something else."""
        if not isinstance(value, Mapping) or not isinstance(value.get("messages"), (list, tuple)):
            raise _malformed("conversation", value, '{"messages": [...]}')
        return cls(tuple(Message.from_dict(message) for message in value["messages"]))


@dataclass(frozen=True)
class MessageSpan:
    """Where a message lies: its role token at `start`, what it says from `content_start`, its `<end>` before `stop`."""

    role: str
    start: int
    content_start: int
    stop: int


@dataclass(frozen=True)
class RenderedChat:
    """Tokens of a conversation and the span of each message in it."""

    tokens: list[int]
    spans: list[MessageSpan]

    @property
    def assistant_mask(self) -> np.ndarray:
        """Bool, one per token: what the assistant says and the `<end>` after it, in every turn of its own."""
        mask = np.zeros(len(self.tokens), dtype=bool)
        for span in self.spans:
            if span.role == "assistant":
                mask[span.content_start : span.stop] = True
        return mask

    def training_mask(self) -> np.ndarray:
        """`assistant_mask`, for training. Raises UserError when it is empty, so that there is nothing to learn."""
        mask = self.assistant_mask
        if not mask.any():
            roles = ", ".join(span.role for span in self.spans)
            raise UserError(f"a conversation has nothing to train on: expected an assistant's turn, found {roles}")
        return mask


def render(conversation: Conversation, tokenizer: "Tokenizer", *, add_generation_prompt: bool = False) -> RenderedChat:
    """Tokens of a conversation; with `add_generation_prompt` they end where the assistant's next turn begins."""
    special = tokenizer.special
    tokens, spans = [special["bos"]], []
    for message in conversation.messages:
        start = len(tokens)
        tokens.append(special[message.role])
        tokens += tokenizer.encode(message.content)
        for call in message.tool_calls:
            text = json.dumps({"name": call.name, "arguments": dict(call.arguments)}, ensure_ascii=False)
            tokens += [special["tool_call"], *tokenizer.encode(text), special["tool_call_end"]]
        tokens.append(special["end"])
        spans.append(MessageSpan(message.role, start, start + 1, len(tokens)))
    if add_generation_prompt:
        tokens.append(special["assistant"])
    return RenderedChat(tokens, spans)


def color_trained(tokens: Iterable[int], mask: Iterable[bool], tokenizer: "Tokenizer") -> "Text":
    """An example to look at before training: trained tokens green, context dim, special tokens spelled."""
    from rich.text import Text

    text = Text()
    for trained, pairs in groupby(zip(tokens, mask, strict=True), key=lambda pair: bool(pair[1])):
        spelled = tokenizer.decode((token for token, _ in pairs), show_special=True)
        text.append(spelled, style="bold green" if trained else "dim")
    return text


def _malformed(what: str, value: Any, expected: str) -> UserError:
    shown = repr(value)
    return UserError(f"malformed {what}: expected {expected}, found {shown[:200]}")
