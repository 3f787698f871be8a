"""Stack Exchange dumps: each question with its accepted answer, as a conversation.

`Posts.xml` of Stack Overflow has 100 GB, so it is cut into byte ranges that are read apart. That needs no index: in
valid XML `<row` stands only where a row begins, and rows are ordered by Id, so the answer, which may be far away, is
found by bisection with small reads. Each row is parsed alone, so a damaged one costs only itself.
Left out: other answers, comments, edits, names of users (the question's address leads to its authors, as the licence
asks), and packed files (`7z x` first: a packed file cannot be read from the middle).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from better_ai.config.data.dumps import StackExchangeSource
from better_ai.data.chat import Conversation, Message
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.files import check_regular, file_state
from better_ai.data.collectors.rows import Origin, Unreadable
from better_ai.data.collectors.stream import Document, batches, record_document
from better_ai.data.html import html_to_text
from better_ai.data.step import Reject, Stepped
from better_ai.data.transcript import write_transcript
from better_ai.errors import UserError
from better_ai.extras import import_extra

PART_BYTES = 32_000_000
BLOCK_BYTES = 1 << 16
PROBE_BYTES = 1 << 12
MAX_ROW_BYTES = 4_000_000
"""Posts have at most 30,000 characters."""
QUESTION, ANSWER = "1", "2"

_ANSWER = re.compile(rb"<row [^<>]*\bPostTypeId=\"2\"")
_ROW = re.compile(rb"<row[\s/]")
_ROW_ID = re.compile(rb"<row\s[^<]*?\bId=\"(\d{1,18})\"")


@dataclass(frozen=True)
class StackExchangeCollector:
    """The questions of one dump. The unit that is kept or rejected is a question, or a row of no known kind.

    An answer is looked at when its question is.
    """

    config: StackExchangeSource

    def parts(self) -> list[Part]:
        path = self._path
        import_extra("defusedxml.ElementTree", "data")
        try:
            check_regular(path)
            with path.open("rb") as file:
                head = file.read(BLOCK_BYTES)
        except OSError as error:
            raise UserError(f"cannot read {path} ({error.strerror}); give the Posts.xml of a dump") from None
        if b"<posts" not in head:
            raise UserError(f"{path} has no <posts> element at its start; unpack the dump and give its Posts.xml")
        size, state = path.stat().st_size, file_state(path)
        return [
            Part(f"posts-{number:05d}", {"start": start, "stop": min(size, start + PART_BYTES), "size": size}, state)
            for number, start in enumerate(range(0, size, PART_BYTES))
        ]

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        yield from batches(self._rows(part, max_document_bytes))

    @property
    def _path(self) -> Path:
        path = Path(self.config.path).expanduser()
        return path / "Posts.xml" if path.is_dir() else path

    def _rows(self, part: Part, max_bytes: int) -> Iterator[Document | Reject]:
        origin = Origin(self.config.site, "unknown", "dump of Stack Exchange")
        with self._path.open("rb") as file:
            for start, raw in rows_between(file, part.payload["start"], part.payload["stop"]):
                if raw is not None and _ANSWER.search(raw, 0, BLOCK_BYTES):
                    continue
                name = f"byte {start}"
                try:
                    if raw is None:
                        raise Unreadable(f"row above {MAX_ROW_BYTES} bytes")
                    row = parse_row(raw)
                    if row.get("PostTypeId") != QUESTION:
                        continue
                    name = f"questions/{row.get('Id', name)}"
                    yield self._document(file, start, row, raw, origin, max_bytes)
                except Unreadable as problem:
                    yield problem.reject(origin.source(name))

    def _document(
        self, file: BinaryIO, start: int, row: dict[str, str], raw: bytes, origin: Origin, max_bytes: int
    ) -> Document:
        """The conversation of a question. Raises Unreadable when the policy or the data allow none."""
        question = Post.of(row)
        tags = re.findall(r"[^<>|\s]+", row.get("Tags", ""))
        if self.config.tags and not set(self.config.tags) & set(tags):
            raise Unreadable("has none of the tags asked for")
        if question.score < self.config.min_question_score:
            raise Unreadable(f"question has score {question.score}, below {self.config.min_question_score}")
        wanted = row.get("AcceptedAnswerId", "")
        if not re.fullmatch(r"\d{1,18}", wanted):
            raise Unreadable("no accepted answer")
        found = find_row(file, int(wanted), near=start, before=int(wanted) < question.number)
        answer = Post.of(parse_row(found)) if found else None
        if answer is None or answer.kind != ANSWER or answer.parent != question.number:
            raise Unreadable(f"accepted answer {wanted} is not in the dump (whose rows must be ordered by Id)")
        if answer.score < self.config.min_answer_score:
            raise Unreadable(f"accepted answer has score {answer.score}, below {self.config.min_answer_score}")
        asked = "\n\n".join(filter(None, [row.get("Title", "").strip(), question.text]))
        if not question.text or not answer.text:
            raise Unreadable("question or answer without text")
        licenses = sorted({question.license, answer.license})
        return record_document(
            origin,
            write_transcript(Conversation((Message("user", asked), Message("assistant", answer.text)))),
            path=f"questions/{question.number}",
            language="markdown",
            raw=raw,
            max_bytes=max_bytes,
            license=" AND ".join(licenses),
            license_evidence={"question": question.evidence, "answer": answer.evidence},
            fetched_at=answer.created,
            kind="conversation",
            tags=tags,
            question_score=question.score,
            answer_score=answer.score,
            url=f"https://{self.config.site}/q/{question.number}",
            answer_url=f"https://{self.config.site}/a/{answer.number}",
        )


@dataclass(frozen=True)
class Post:
    """A question or an answer."""

    number: int
    kind: str
    parent: int
    score: int
    created: str
    """ISO 8601, UTC."""
    license: str
    evidence: str
    text: str

    @classmethod
    def of(cls, row: dict[str, str]) -> "Post":
        """Raises Unreadable when a field that every post has is missing or malformed."""
        try:
            created = row["CreationDate"]
            license, evidence = license_of(
                row.get("ContentLicense"), datetime.fromisoformat(created).date().isoformat()
            )
            number, score, parent = int(row["Id"]), int(row["Score"]), int(row.get("ParentId", 0))
            return cls(number, row["PostTypeId"], parent, score, created, license, evidence, html_to_text(row["Body"]))
        except (KeyError, ValueError) as error:
            raise Unreadable(f"row with a missing or malformed field: {error}") from None


def license_of(declared: str | None, created: str) -> tuple[str, str]:
    """SPDX identifier of a post and what says so: the post itself, else the day it was written (ISO 8601).

    Stack Exchange, "What is the license for the content I post?": CC BY-SA 2.5 before 2011-04-08, 3.0 before
    2018-05-02, 4.0 since.
    """
    if declared and (version := re.fullmatch(r"CC BY-SA (2\.5|3\.0|4\.0)", declared.strip())):
        return f"CC-BY-SA-{version[1]}", f"the post says {version[0]}"
    if declared:
        return "unknown", f"the post says {declared[:80]!r}, which is no licence of Stack Exchange"
    number = "2.5" if created < "2011-04-08" else "3.0" if created < "2018-05-02" else "4.0"
    return f"CC-BY-SA-{number}", f"written on {created}, under Stack Exchange's terms of that day"


def rows_between(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[int, bytes | None]]:
    """Offset and bytes of each row that begins in the range; None for one above MAX_ROW_BYTES."""
    position, buffer, begun = start, b"", False
    while True:
        if found := _ROW.search(buffer, 1 if begun else 0):
            if begun:
                yield position, buffer[: found.start()]
            position, buffer, begun = position + found.start(), buffer[found.start() :], True
            if position >= stop:
                return
            continue
        if begun and len(buffer) > MAX_ROW_BYTES:
            yield position, None
            begun = False
        if not begun:
            cut = max(0, len(buffer) - len(b"<row"))
            position, buffer = position + cut, buffer[cut:]
            if position >= stop:
                return
        more = os.pread(file.fileno(), BLOCK_BYTES, position + len(buffer))
        if not more:
            break
        buffer += more
    if begun:
        yield position, buffer


def parse_row(raw: bytes) -> dict[str, str]:
    """Attributes of one row and whatever follows it. Raises Unreadable for anything that is no such element."""
    tree: Any = import_extra("defusedxml.ElementTree", "data")
    end = raw.rfind(b"/>")
    if end < 0:
        raise Unreadable("row that does not end")
    try:
        element = tree.fromstring(raw[: end + 2])
    except Exception as error:  # defusedxml and expat raise errors without a common ancestor
        raise Unreadable(f"row that is no XML: {error}") from None
    return dict(element.attrib)


def find_row(file: BinaryIO, number: int, *, near: int, before: bool) -> bytes | None:
    """The row with this Id, by bisection of the part of the file before or after the offset `near`."""
    low, high = (0, near) if before else (near, os.fstat(file.fileno()).st_size)
    while low < high:
        middle = (low + high) // 2 if high - low > PROBE_BYTES else low
        offset, found = _first_id(file, middle, high)
        if found == number:
            return next((raw for _, raw in rows_between(file, offset, offset + 1)), None)
        if middle == low and (found is None or found > number):
            return None
        if found is None or found > number:
            high = middle
        else:
            low = offset + 1
    return None


def _first_id(file: BinaryIO, start: int, stop: int) -> tuple[int, int | None]:
    """Offset and Id of the first row that begins in the range and has an Id."""
    position, buffer = start, b""
    while position < stop + MAX_ROW_BYTES and (more := os.pread(file.fileno(), PROBE_BYTES, position)):
        buffer += more
        position += len(more)
        if found := _ROW_ID.search(buffer):
            offset = position - len(buffer) + found.start()
            return (offset, int(found[1])) if offset < stop else (offset, None)
        if len(buffer) > MAX_ROW_BYTES:
            buffer = buffer[-PROBE_BYTES:]
    return stop, None
