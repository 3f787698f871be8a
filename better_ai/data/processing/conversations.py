"""Conversations with their provenance: the schema of their files, written by processing and read for fine-tuning."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.data.chat import Conversation, Message
from better_ai.data.schema import document_id
from better_ai.errors import ArtifactError

TaskSet = Literal["completion", "bug_fixing", "refactoring", "documentation", "code_review", "instruction", "dialogue"]

CONVERSATION_SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("id", "messages", "task", "language")]
    + [pa.field("turns", pa.int32(), nullable=False)]
    + [pa.field(name, pa.string(), nullable=False) for name in ("license", "source", "source_id", "metadata")]
)
"""`id`: SHA-256 of `messages`. `messages`: JSON list in the Hugging Face chat shape. `task`: the task set. `turns`: how
often the user speaks. `license`, `source`: those of the origin. `source_id`: id of the document, or of the commit.
`metadata`: a JSON object with sorted keys: the transformation, its seed, and what it drew."""


@dataclass(frozen=True)
class Draft:
    """Messages and how they came about."""

    messages: tuple[Message, ...]
    transformation: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values."""

    @property
    def turns(self) -> int:
        return sum(message.role == "user" for message in self.messages)


@dataclass(frozen=True)
class Origin:
    """Where a conversation comes from."""

    license: str
    source: str
    source_id: str
    language: str = "python"


def exchange(*contents: str) -> tuple[Message, ...]:
    """User and assistant in turn."""
    return tuple(Message(("user", "assistant")[place % 2], content) for place, content in enumerate(contents))


def fenced(code: str, language: str = "python") -> str:
    """Code between fences that nothing inside can close. Ends with exactly one line break before the fence."""
    ticks = "```"
    while ticks in code:
        ticks += "`"
    return f"{ticks}{language}\n{code if code.endswith(chr(10)) else code + chr(10)}{ticks}"


def row(draft: Draft, task: TaskSet, origin: Origin, seed: int) -> dict[str, Any]:
    """A draft as a row of `CONVERSATION_SCHEMA`."""
    messages = json.dumps([message.to_dict() for message in draft.messages], ensure_ascii=False)
    return {
        "id": document_id(messages.encode()),
        "messages": messages,
        "task": task,
        "language": origin.language,
        "turns": draft.turns,
        "license": origin.license,
        "source": origin.source,
        "source_id": origin.source_id,
        "metadata": json.dumps({**draft.transformation, "seed": seed}, sort_keys=True, ensure_ascii=False),
    }


def conversation_batch(rows: Iterable[Mapping[str, Any]]) -> pa.RecordBatch:
    """A batch of rows."""
    return pa.RecordBatch.from_pylist([dict(each) for each in rows], CONVERSATION_SCHEMA)


def read_conversations(path: Path | str) -> Iterator[tuple[Conversation, dict[str, Any]]]:
    """Each conversation of a file and its other columns, `metadata` read. Raises ArtifactError for another file."""
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(CONVERSATION_SCHEMA):
                raise ArtifactError(f"{path} holds no conversations; expected the columns {CONVERSATION_SCHEMA.names}")
            for batch in file.iter_batches():
                for each in batch.to_pylist():
                    conversation = Conversation.from_dict({"messages": json.loads(each.pop("messages"))})
                    yield conversation, {**each, "metadata": json.loads(each["metadata"])}
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"cannot read {path} ({str(error).splitlines()[0]}); process the documents again") from None
