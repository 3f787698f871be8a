"""Human annotations and threads in JSON Lines, each line checked against what its kind must hold.

    conversation    {"messages": [{"role", "content"}, ...]}
    preference      {"prompt": text or turns, "chosen": text or turns, "rejected": ...}     the chosen answer is kept
    rating          {"prompt": text or turns, "response": text, "rating": number, "scale": highest}
    thread          {"title", "body", "score", "comments": [{"body", "score"}, ...]}        question and best reply
    text            {"text"}

Every kind may add `id`, `license` and `created` (ISO 8601). Names of people are not read. A line that is no such object
is a rejected row with its number. Parts are files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from better_ai.config.data.dumps import RecordsSource
from better_ai.data.chat import Conversation
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.dataset_rows import conversation
from better_ai.data.collectors.files import file_state, pack_path, unpack_path
from better_ai.data.collectors.rows import Origin, Unreadable, printable
from better_ai.data.collectors.stream import Document, batches, record_document
from better_ai.data.collectors.tabular import read_rows
from better_ai.data.step import Reject, Stepped
from better_ai.data.transcript import write_transcript
from better_ai.errors import UserError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson")
MAX_LINE_BYTES = 16_000_000


@dataclass(frozen=True)
class RecordsCollector:
    """The records of one file or folder."""

    config: RecordsSource

    def parts(self) -> list[Part]:
        root = self._root
        files = (
            [root]
            if root.is_file()
            else sorted(file for file in root.rglob("*") if file.name.endswith(SUFFIXES) and not file.is_dir())
        )
        if not files:
            raise UserError(f"{root} holds no records; expected a file that ends in {', '.join(SUFFIXES)}")
        return [
            Part(f"records-{number:05d}", {"file": pack_path(str(file))}, state=file_state(file))
            for number, file in enumerate(files)
        ]

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        yield from batches(self._rows(Path(unpack_path(part.payload["file"])), max_document_bytes))

    @property
    def _root(self) -> Path:
        return Path(self.config.path).expanduser()

    def _rows(self, file: Path, max_bytes: int) -> Iterator[Document | Reject]:
        declared = self.config.license
        origin = Origin(printable(self._root.name), declared, f"declared as {declared} in the configuration")
        name = file.relative_to(self._root).as_posix() if file != self._root else file.name
        for place, row in read_rows(file, max_bytes=MAX_LINE_BYTES):
            where = f"{name} {place}"
            try:
                if isinstance(row, Unreadable):
                    raise row
                yield self._document(row, where, origin, max_bytes)
            except Unreadable as problem:
                yield problem.reject(origin.source(where))

    def _document(self, record: Mapping[str, Any], where: str, origin: Origin, max_bytes: int) -> Document:
        details: dict[str, Any] = {"record": self.config.kind}
        if self.config.kind == "text":
            text = _text(record, "text")
        else:
            details["kind"] = "conversation"
            text = write_transcript(self._conversation(record, details))
        if "license" in record:
            details |= {"license": _text(record, "license"), "license_evidence": "the record says so"}
        return record_document(
            origin,
            text,
            path=where,
            language="text" if self.config.kind == "text" else "markdown",
            raw=text.encode("utf-8", "surrogatepass"),
            max_bytes=max_bytes,
            fetched_at=_date(record),
            record_id=record.get("id") if isinstance(record.get("id"), str | int) else None,
            **details,
        )

    def _conversation(self, record: Mapping[str, Any], details: dict[str, Any]) -> Conversation:
        if self.config.kind == "conversation":
            return conversation(record.get("messages"))
        if self.config.kind == "preference":
            rejected = _turns(record, "rejected", "assistant")
            chosen = _turns(record, "chosen", "assistant")
            if chosen == rejected:
                raise Unreadable("chosen and rejected are the same")
            return conversation(chosen if len(chosen) > 1 else [*_turns(record, "prompt", "user"), *chosen])
        if self.config.kind == "rating":
            details["rating"] = self._rating(record)
            return conversation([*_turns(record, "prompt", "user"), *_turns(record, "response", "assistant")])
        return self._thread(record, details)

    def _rating(self, record: Mapping[str, Any]) -> float:
        """The rating on a scale from 0 to 1."""
        rating, scale = _number(record, "rating"), _number(record, "scale") if "scale" in record else 1.0
        if scale <= 0 or not 0 <= rating <= scale:
            raise Unreadable(f"rating {rating:g} is not on the scale from 0 to {scale:g}")
        if rating / scale < self.config.min_rating:
            raise Unreadable(f"rating {rating / scale:g}, below {self.config.min_rating:g}")
        return rating / scale

    def _thread(self, record: Mapping[str, Any], details: dict[str, Any]) -> Conversation:
        score = _number(record, "score")
        replies = record.get("comments")
        if not isinstance(replies, list) or not all(isinstance(reply, Mapping) for reply in replies):
            raise Unreadable("field comments holds no list of objects")
        kept = [reply for reply in replies if reply.get("body") not in ("[deleted]", "[removed]")]
        if not kept:
            raise Unreadable("thread without replies")
        best = max(kept, key=lambda reply: _number(reply, "score"))
        details |= {"question_score": score, "answer_score": _number(best, "score")}
        if min(score, details["answer_score"]) < self.config.min_score:
            raise Unreadable(f"scores {score:g} and {details['answer_score']:g}, expected {self.config.min_score} each")
        asked = [_text(record, "title"), record.get("body") if isinstance(record.get("body"), str) else ""]
        question = "\n\n".join(text for text in asked if text and text not in ("[deleted]", "[removed]"))
        return conversation([{"role": "user", "content": question}, {"role": "assistant", "content": best.get("body")}])


def _turns(record: Mapping[str, Any], field: str, role: str) -> list[Any]:
    """A field that holds a text or a list of turns, as turns."""
    value = record.get(field)
    if isinstance(value, list) and value:
        return value
    return [{"role": role, "content": _text(record, field)}]


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not value.strip():
        raise Unreadable(f"field {field} holds no text")
    return value


def _number(record: Mapping[str, Any], field: str) -> float:
    value = record.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15 or value != value:
        raise Unreadable(f"field {field} holds no number")
    return float(value)


def _date(record: Mapping[str, Any]) -> str | None:
    created = record.get("created")
    if created is None:
        return None
    try:
        return datetime.fromisoformat(created).isoformat()
    except (TypeError, ValueError):
        raise Unreadable(f"field created holds no ISO 8601 date: {str(created)[:40]!r}") from None
