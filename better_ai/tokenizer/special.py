"""The special tokens: the one table of their names, spellings and ids.

They are SentencePiece control symbols, which no text ever turns into: `<thought>` typed by a user is plain pieces.
The ids are the positions in the table, and so the same in every tokenizer.
"""

SPECIAL_TOKENS: dict[str, str] = {
    "unk": "<unk>",
    "bos": "<bos>",
    "eos": "<eos>",
    "pad": "<pad>",
    "system": "<system>",
    "user": "<user>",
    "assistant": "<assistant>",
    "tool": "<tool>",
    "end": "<end>",
    "thought": "<thought>",
    "thought_end": "</thought>",
    "clarify": "<clarify>",
    "tool_call": "<tool_call>",
    "tool_call_end": "</tool_call>",
    "fim_prefix": "<fim_prefix>",
    "fim_middle": "<fim_middle>",
    "fim_suffix": "<fim_suffix>",
}
"""Spelling by name. `end` closes a turn. `unk` is never produced: what has no piece of its own is spelled in bytes."""

SPECIAL_IDS: dict[str, int] = {name: position for position, name in enumerate(SPECIAL_TOKENS)}


def reserved_spellings(count: int) -> list[str]:
    """Spellings of the control tokens without a meaning yet; their ids follow those of the special tokens."""
    return [f"<reserved_{number}>" for number in range(count)]
