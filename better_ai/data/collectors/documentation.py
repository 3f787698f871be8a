"""Documentation below a folder as light Markdown: prose as it reads, code in fences; gzipped files are unpacked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from better_ai.config.data.sources import DocumentationSource, Format
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.evidence import is_license_text, nearest, unpack_licenses
from better_ai.data.collectors.files import read_file
from better_ai.data.collectors.markup.docstrings import docstrings
from better_ai.data.collectors.markup.man import man_to_text
from better_ai.data.collectors.markup.rest import rest_to_text
from better_ai.data.collectors.rows import Origin, Unreadable
from better_ai.data.collectors.text import decode_text, gunzip
from better_ai.data.collectors.tree import list_folder, read_tree
from better_ai.data.html import html_to_text
from better_ai.data.languages import language_of
from better_ai.data.step import Stepped

FORMATS: dict[str, Format] = {
    "html": "html",
    "markdown": "markdown",
    "restructuredtext": "restructuredtext",
    "roff": "roff",
    "text": "text",
    "python": "docstrings",
}
"""Language of a file -> what it is as documentation."""

CONVERTERS: dict[Format, Callable[[str], str]] = {
    "html": lambda source: html_to_text(source, main_content=True),
    "markdown": lambda source: source,
    "restructuredtext": rest_to_text,
    "roff": man_to_text,
    "text": lambda source: source,
}
"""Source -> text. Each raises ValueError for what it cannot read. Docstrings are many documents of one file."""

MAN_PAGE = b".TH \n"
"""Head by which the name of a manual page is enough to recognise it, before it is read."""


@dataclass(frozen=True)
class DocumentationCollector:
    """The files below a folder that are documentation in one of the formats asked for."""

    config: DocumentationSource

    def parts(self) -> list[Part]:
        return list_folder(self._root, license=self.config.license, wanted=self._is_wanted)

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        origin = Origin(self.config.path, "unknown", None)
        licenses = unpack_licenses(part.payload["licenses"])

        def read(path: str) -> Sequence[Mapping[str, Any]]:
            raw = read_file(self._root / path, max_document_bytes)
            license, evidence = nearest(path, licenses)
            more = {"license": license, "license_evidence": "; ".join(evidence)}
            return self._documents(path, raw, origin, more, max_document_bytes)

        return read_tree(part, read, origin)

    def _documents(
        self, path: str, raw: bytes, origin: Origin, more: dict[str, Any], max_bytes: int
    ) -> list[dict[str, Any]]:
        """What a file becomes. Raises Unreadable."""
        content = gunzip(raw, max_bytes) if path.endswith(".gz") else raw
        format = _format(path, content[:8000])
        if format not in self.config.formats:
            raise Unreadable("is not what its name says", raw)
        if b"\0" in content[:8000] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise Unreadable("binary: has a NUL byte", raw)
        more |= {"format": format}
        try:
            if format == "docstrings":
                source, _ = decode_text(content, language="python")
                return [
                    origin.document(each.text, path=f"{path}#{each.name}", language="markdown", raw=raw, **more)
                    for each in docstrings(source)
                ]
            source, encoding = decode_text(content, language="html" if format == "html" else "text")
            text = CONVERTERS[format](source)
        except ValueError as error:
            raise Unreadable(str(error), raw) from None
        if not text.strip():
            raise Unreadable(f"nothing is left of this {format}", raw)
        if encoding != "utf-8":
            more |= {"encoding": encoding}
        language = "text" if format == "text" else "markdown"
        return [origin.document(text, path=path, language=language, raw=raw, **more)]

    @property
    def _root(self) -> Path:
        return Path(self.config.path).expanduser()

    def _is_wanted(self, path: str) -> bool:
        return _format(path, MAN_PAGE) in self.config.formats and not is_license_text(PurePosixPath(path))


def _format(path: str, head: bytes) -> Format | None:
    return FORMATS.get(language_of(path.removesuffix(".gz"), head))
