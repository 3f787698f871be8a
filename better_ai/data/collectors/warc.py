"""Common Crawl's files: pages from WARC, ready text from WET.

FastWARC reads records; a file may be cut off, damaged in the middle or lie about lengths: what can be read stays, and
each damaged stretch is one rejected row that says where it is. resiliparse makes text of HTML. Nothing unpacked is held
above `max_record_bytes`, so neither a packed response nor the archive itself can fill the memory.
Left out: WAT files, revisit records (their page is elsewhere), pages that are no HTML or plain text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from better_ai.config.data.dumps import WarcSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.files import check_regular, file_state, pack_path, unpack_path
from better_ai.data.collectors.page import media_type, page_text, unpack
from better_ai.data.collectors.rows import Origin, Unreadable, printable
from better_ai.data.collectors.stream import Document, batches, harmless, record_document
from better_ai.data.step import Reject, Stepped
from better_ai.errors import UserError
from better_ai.extras import import_extra

SUFFIXES = (".warc", ".warc.gz", ".wet", ".wet.gz")
MAX_ATTEMPTS = 10_000
"""How often reading is taken up again after damage in one file."""
SAMPLE_CHARACTERS = 2_000
"""By which the natural language is told."""

_RECORD_START = re.compile(rb"\x1f\x8b\x08|WARC/[01]\.\d\r?\n")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")


@dataclass(frozen=True)
class WarcCollector:
    """The pages of some archives; each file is a part (Common Crawl's have a gigabyte at most)."""

    config: WarcSource

    def parts(self) -> list[Part]:
        import_extra("fastwarc.warc", "data")
        files: list[Path] = []
        for name in self.config.paths:
            path = Path(name).expanduser()
            if path.is_dir():
                files += sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES) and not file.is_dir())
            elif path.is_file():
                files.append(path)
            else:
                raise UserError(f"{path} is neither a file nor a folder; correct the paths of the source")
        if not files:
            raise UserError(f"no {', '.join(SUFFIXES)} file in {', '.join(self.config.paths)}; correct the paths")
        return [
            Part(f"warc-{number:05d}", {"file": pack_path(str(file))}, state=file_state(file))
            for number, file in enumerate(files)
        ]

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        yield from batches(self._rows(Path(unpack_path(part.payload["file"])), max_document_bytes))

    def _rows(self, path: Path, max_bytes: int) -> Iterator[Document | Reject]:
        origin = Origin(
            printable(path.name), self.config.license, f"declared as {self.config.license} in the configuration"
        )
        pages = 0
        try:
            check_regular(path)
            with path.open("rb") as file:
                for found in records(file, self.config.max_record_bytes):
                    if isinstance(found, Unreadable):
                        yield found.reject(origin.source(""))
                        continue
                    pages += 1
                    try:
                        yield self._document(found, origin, max_bytes)
                    except Unreadable as problem:
                        yield problem.reject(origin.source(harmless(found.uri)))
        except OSError as error:
            yield Unreadable(f"cannot be read: {error.strerror}").reject(origin.source(""))
            return
        if pages == 0:
            yield Unreadable("holds no page; expected WARC or WET records").reject(origin.source(""))

    def _document(self, record: "Record", origin: Origin, max_bytes: int) -> Document:
        """Raises Unreadable when the record is damaged or is no page to keep."""
        payload, media, charset = record.page(self.config.max_record_bytes)
        title, text = page_text(payload, media, charset, main_content=self.config.main_content)
        if len(text) < self.config.min_characters:
            raise Unreadable(f"{len(text)} characters of text, fewer than {self.config.min_characters}", payload)
        spoken = self._spoken(text)
        return record_document(
            origin,
            text,
            path=record.uri,
            language="text" if media == "text/plain" else "markdown",
            raw=payload,
            max_bytes=max_bytes,
            fetched_at=record.headers.get("warc-date"),
            record_id=record.headers.get("warc-record-id"),
            title=title,
            natural_language=spoken,
        )

    def _spoken(self, text: str) -> str | None:
        """The natural language, if it is asked for. Raises Unreadable when it is none of those wanted."""
        if not self.config.languages:
            return None
        detect = import_extra("resiliparse.parse.lang", "data").detect_fast
        spoken, _ = detect(text[:SAMPLE_CHARACTERS])
        if spoken not in self.config.languages:
            raise Unreadable(f"natural language {spoken!r}, expected one of {', '.join(self.config.languages)}")
        return str(spoken)


@dataclass(frozen=True)
class Record:
    """A page as it stands in an archive; `block` holds at most the bytes asked for."""

    headers: dict[str, str]
    """Names in lower case."""
    block: bytes
    problem: str | None = None
    """Why the block is not all there."""

    @property
    def uri(self) -> str:
        return self.headers.get("warc-target-uri", "").strip("<>") or self.headers.get("warc-record-id", "")

    def page(self, max_bytes: int) -> tuple[bytes, str, str | None]:
        """Content, media type and character set. Raises Unreadable."""
        if self.problem:
            raise Unreadable(self.problem)
        kind = self.headers.get("content-type", "").lower()
        if self.headers.get("warc-type", "").lower() == "conversion":
            return self.block, "text/plain", "utf-8"
        if not kind.startswith("application/http"):
            return self.block, *media_type(kind)
        head, _, body = self.block.partition(b"\r\n\r\n")
        status, _, lines = head.partition(b"\r\n")
        if not re.match(rb"HTTP/\d(\.\d)? 200\b", status):
            raise Unreadable(f"answer {status[:80].decode('ascii', 'backslashreplace')!r}, expected status 200")
        fields = {name.strip().lower(): value.strip() for name, _, value in map(_split_field, lines.split(b"\r\n"))}
        if fields.get("transfer-encoding", "").lower() == "chunked":
            body = _join_chunks(body)
        body = unpack(body, fields.get("content-encoding", "identity").lower(), max_bytes)
        return body, *media_type(fields.get("content-type", ""))


def records(file: BinaryIO, max_bytes: int) -> Iterator[Record | Unreadable]:
    """The pages of an archive, in order. After damage, reading goes on at the next record or packed record."""
    warc = import_extra("fastwarc.warc", "data")
    wanted = warc.WarcRecordType.response | warc.WarcRecordType.resource | warc.WarcRecordType.conversion
    start, attempts = 0, 0
    told = False
    while True:
        file.seek(start)
        begun = start
        try:
            for record in warc.ArchiveIterator(file, record_types=wanted, parse_http=False):
                headers = {name.lower(): value for name, value in record.headers.to_tuples()}
                block = record.reader.read(max_bytes + 1)
                begun = record.stream_pos
                told = False
                if len(block) + record.consume() < record.content_length:
                    yield Record(headers, b"", f"cut off: {len(block)} of {record.content_length} bytes")
                    told = True
                    raise EOFError
                long = len(block) > max_bytes
                yield Record(headers, b"" if long else block, f"more than {max_bytes} bytes" if long else None)
            return
        except GeneratorExit:
            raise
        except Exception as error:  # FastWARC raises whatever its decompressors and parsers do
            if not told:
                yield Unreadable(f"damaged after byte {begun}: {type(error).__name__}: {str(error)[:200]}")
            told = True
        attempts += 1
        start = _next_start(file, begun + 1) if attempts < MAX_ATTEMPTS else -1
        if start < 0:
            return


def _next_start(file: BinaryIO, position: int) -> int:
    """Offset of the next thing that looks like a record, packed or not; -1 where there is none."""
    file.seek(position)
    kept = b""
    while block := file.read(1 << 20):
        window = kept + block
        if found := _RECORD_START.search(window):
            return position - len(kept) + found.start()
        kept = window[-8:]
        position += len(block)
    return -1


def _split_field(line: bytes) -> tuple[str, str, str]:
    return line.decode("latin-1").partition(":")


def _join_chunks(body: bytes) -> bytes:
    """Content of a chunked body; one that does not follow the form is taken as it is (crawlers often joined it)."""
    pieces: list[bytes] = []
    position = 0
    while (size := _CHUNK_SIZE.match(body, position)) is not None:
        start, length = size.end(), int(size[1], 16)
        if length == 0:
            return b"".join(pieces)
        pieces.append(body[start : start + length])
        position = start + length + 2
    return body
