"""Books and papers as plain text or Markdown, one document for each chapter.

The frame of Project Gutenberg (its header, licence and small print) is recognised and goes; title, author and language
are read from it. Left out: footnotes, page numbers and running heads, which plain text does not mark.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from better_ai.config.data.sources import BooksSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.evidence import is_license_text, nearest, unpack_licenses
from better_ai.data.collectors.files import read_file
from better_ai.data.collectors.rows import Origin, Unreadable
from better_ai.data.collectors.text import decode_text, gunzip
from better_ai.data.collectors.tree import DETECT, list_folder, read_tree
from better_ai.data.languages import language_of
from better_ai.data.licenses import UNKNOWN_LICENSE
from better_ai.data.step import Stepped

GUTENBERG_LICENSE = "LicenseRef-public-domain"
GUTENBERG_EVIDENCE = (
    "the header of Project Gutenberg lets anyone copy, give away and re-use it; public domain in the USA"
)

_START = re.compile(r"^\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK.*?\*{3}[^\n]*\n", re.M | re.S | re.I)
_END = re.compile(
    r"^(?:\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG EBOOK|End of (?:the )?Project Gutenberg)", re.M | re.I
)
_FACT = re.compile(r"^(Title|Author|Language|Release date):[ \t]*([^\n]{1,300})", re.M | re.I)
_FREELY = re.compile(r"for the use of anyone anywhere.{0,300}copy it,\s+give it away or\s+re-use it", re.S)
_COPYRIGHTED = re.compile(r"this is a copyrighted project gutenberg", re.I)
_CHAPTER = re.compile(
    r"^(?:#{1,2} [^\n]{1,200}"
    r"|[ \t]{0,40}(?:CHAPTER|Chapter|BOOK|Book|PART|Part|ACT|LETTER|Letter|CANTO|SECTION|Section)"
    r" (?:[IVXLCDM]+|\d{1,3}|[A-Z][a-z]+|[A-Z]+)\b[^\n]{0,100})$",
    re.M,
)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)


@dataclass(frozen=True)
class Chapter:
    """A run of a book's text."""

    title: str
    """Its heading; empty for what comes before the first one."""
    text: str


@dataclass(frozen=True)
class BooksCollector:
    """The .txt and .md files below a folder, gzipped or not."""

    config: BooksSource

    def parts(self) -> list[Part]:
        return list_folder(self._root, license=self.config.license, wanted=_is_book)

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        licenses = unpack_licenses(part.payload["licenses"])
        origin = Origin(self.config.path, UNKNOWN_LICENSE, None)

        def read(path: str) -> Sequence[Mapping[str, Any]]:
            raw = read_file(self._root / path, self.config.max_book_bytes)
            content = gunzip(raw, self.config.max_book_bytes) if path.endswith(".gz") else raw
            if b"\0" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise Unreadable("binary: has a NUL byte", raw)
            book, _ = decode_text(content)
            license, evidence = nearest(path, licenses)
            body, facts = strip_gutenberg(book)
            if facts.pop("free", False) and self.config.license in (UNKNOWN_LICENSE, DETECT):
                license, evidence = GUTENBERG_LICENSE, (GUTENBERG_EVIDENCE,)
            language = language_of(path.removesuffix(".gz"), b"")
            more = {"license": license, "license_evidence": "; ".join(evidence), "book": facts}
            chapters = [chapter for chapter in split_chapters(body, max_document_bytes) if chapter.text.strip()]
            if not chapters:
                raise Unreadable("has no text", raw)
            return [
                origin.document(
                    chapter.text, path=f"{path}#{number}", language=language, raw=raw, chapter=chapter.title, **more
                )
                for number, chapter in enumerate(chapters)
            ]

        return read_tree(part, read, origin)

    @property
    def _root(self) -> Path:
        return Path(self.config.path).expanduser()


def strip_gutenberg(book: str) -> tuple[str, dict[str, Any]]:
    """The body of a book and what its header says: title, author, language, release date, and whether it is free."""
    start = _START.search(book, 0, 20_000)
    if start is None:
        return book, {}
    head = book[: start.start()]
    facts: dict[str, Any] = {name.lower().replace(" ", "_"): value.strip() for name, value in _FACT.findall(head)}
    if _FREELY.search(head) and not _COPYRIGHTED.search(head):
        facts["free"] = True
    end = _END.search(book, start.end())
    return book[start.end() : end.start() if end else len(book)], facts


def split_chapters(text: str, max_bytes: int) -> Iterator[Chapter]:
    """Every character once, in order: cut before each heading, and long chapters between paragraphs."""
    fenced = [(fence.start(), fence.end()) for fence in _FENCE.finditer(text)]
    starts = [
        (heading.start(), heading[0].strip("# \t"))
        for heading in _CHAPTER.finditer(text)
        if not any(start <= heading.start() < end for start, end in fenced)
    ]
    if not starts or starts[0][0] > 0:
        starts.insert(0, (0, ""))
    for (start, title), (end, _) in zip(starts, [*starts[1:], (len(text), "")], strict=True):
        for piece in cut_text(text[start:end], max_bytes):
            yield Chapter(title, piece)


def cut_text(text: str, max_bytes: int) -> Iterator[str]:
    """Pieces of at most `max_bytes` UTF-8 bytes: cut after a blank line, else after a line, else a word."""
    while len(text.encode()) > max_bytes:
        room = len(text.encode()[:max_bytes].decode("utf-8", "ignore"))
        cuts = (text.rfind(mark, room // 2, room) + len(mark) for mark in ("\n\n", "\n", " "))
        end = next((cut for cut, mark in zip(cuts, ("\n\n", "\n", " "), strict=True) if cut >= len(mark)), 0) or room
        yield text[:end]
        text = text[end:]
    yield text


def _is_book(path: str) -> bool:
    name = PurePosixPath(path.removesuffix(".gz"))
    return name.suffix.lower() in (".txt", ".text", ".md", ".markdown") and not is_license_text(name)
