"""Conversations as documents: a text that reads well, can be cleaned like any other, and turns back into messages.

    ### User

    How do I read a file?

    ### Assistant

    With `open`.

Only the text carries the messages. A copy of them in the metadata would keep every secret and address that the steps
take out of the content. A line of a message that looks like a heading of ours gets one more number sign, so the form
is exact in both directions: `read_transcript(write_transcript(c)) == c` for messages without line breaks at the ends.
Left out: tool calls.
"""

import re

from better_ai.data.chat import Conversation, Message
from better_ai.errors import UserError

_TITLES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}
_ROLES = {title: role for role, title in _TITLES.items()}
_LOOKS_LIKE_HEADING = re.compile(rf"^(###+ (?:{'|'.join(_ROLES)}))$", re.MULTILINE)
_ESCAPED = re.compile(rf"^#(###+ (?:{'|'.join(_ROLES)}))$", re.MULTILINE)
_HEADING = re.compile(rf"^### ({'|'.join(_ROLES)})$", re.MULTILINE)


def write_transcript(conversation: Conversation) -> str:
    """The text of a conversation. Raises UserError when it has tool calls."""
    turns = []
    for message in conversation.messages:
        if message.tool_calls:
            raise UserError("a conversation with tool calls has no form as a text; keep such data sets as they are")
        content = _LOOKS_LIKE_HEADING.sub(r"#\1", message.content.strip("\n"))
        turns.append(f"### {_TITLES[message.role]}\n\n{content}".rstrip("\n"))
    return "\n\n".join(turns) + "\n"


def read_transcript(text: str) -> Conversation:
    """The conversation of a text that `write_transcript` wrote. Raises UserError for any other text."""
    pieces = _HEADING.split(text)
    if len(pieces) < 3 or pieces[0].strip():
        raise UserError(f"expected a conversation that begins with '### User' or another role, found {text[:80]!r}")
    contents = [_ESCAPED.sub(r"\1", piece.strip("\n")) for piece in pieces[2::2]]
    return Conversation(
        tuple(Message(_ROLES[title], content) for title, content in zip(pieces[1::2], contents, strict=True))
    )
