"""Records that arrive one after the other: lines of bounded length, and batches of bounded size."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from better_ai.data.collectors.rows import Origin, Unreadable
from better_ai.data.step import Reject, Stepped, document_batch, rejected_batch

BATCH_ROWS = 256
BATCH_CHARACTERS = 8_000_000
READ_BYTES = 1 << 20
MAX_FIELD = 20_000
MAX_ITEMS = 200

Document = Mapping[str, Any]


def batches(rows: Iterable[Document | Reject]) -> Iterator[Stepped]:
    """Documents and rejected rows, in order, in batches that stay small whatever the size of a row."""
    documents: list[Document] = []
    rejects: list[Reject] = []
    characters = 0
    for row in rows:
        if isinstance(row, tuple):
            rejects.append(row)
        else:
            documents.append(row)
            characters += len(row["content"])
        if len(documents) + len(rejects) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield Stepped(document_batch(documents), rejected_batch(rejects))
            documents, rejects, characters = [], [], 0
    if documents or rejects:
        yield Stepped(document_batch(documents), rejected_batch(rejects))


def record_document(
    origin: Origin, text: str, *, path: str, language: str, raw: bytes, max_bytes: int, **more: Any
) -> Document:
    """A document of a record whose fields nobody has checked: half surrogates and overlong values are made harmless.

    Raises Unreadable when the text is empty, above `max_bytes`, or no UTF-8.
    """
    content = limited(text, max_bytes)
    checked = {name: harmless(value) for name, value in more.items()}
    return origin.document(content, path=harmless(path), language=harmless(language), raw=raw, **checked)


def harmless(value: Any) -> Any:
    """A plain value as it may stand in metadata: strings are UTF-8 and not above MAX_FIELD characters."""
    if isinstance(value, str):
        return value[:MAX_FIELD].encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [harmless(item) for item in value[:MAX_ITEMS]]
    if isinstance(value, dict):
        return {harmless(str(name)): harmless(item) for name, item in list(value.items())[:MAX_ITEMS]}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def limited(text: str, max_bytes: int) -> str:
    """The text as it came. Raises Unreadable when it is empty, larger, or cannot be written as UTF-8."""
    if not text.strip():
        raise Unreadable("empty")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Unreadable(f"half of a surrogate pair at character {error.start}") from None
    if size > max_bytes:
        raise Unreadable(f"{size} bytes, more than {max_bytes}")
    return text


def bounded_lines(file: BinaryIO, max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Numbers, from 1, and bytes of the lines without their line breaks; None for a line above `max_bytes`.

    A longer line is passed over in pieces, so memory stays flat.
    """
    number = 0
    while line := file.readline(max_bytes + 2):
        number += 1
        if line.endswith(b"\n") or len(line) <= max_bytes:
            content = line.removesuffix(b"\n").removesuffix(b"\r")
            yield number, content if len(content) <= max_bytes else None
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(READ_BYTES)
        yield number, None
