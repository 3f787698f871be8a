"""How collectors make rows: documents with their provenance, and what was turned away with the reason."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from better_ai.data.schema import document_id
from better_ai.data.step import Reject, Stepped, document_batch, rejected_batch

STEP = "collect"
FILES_PER_BATCH = 64


@dataclass(frozen=True)
class Origin:
    """What all files of one collection share."""

    name: str
    """The part of `source` before the path."""
    license: str
    """SPDX expression or "unknown"."""
    license_evidence: Any
    """What says so, in words or as plain JSON values."""
    revision: str | None = None
    fetched_at: str | None = None
    """ISO 8601, only where the source itself says it."""

    def source(self, path: str) -> str:
        return f"{self.name}:{printable(path)}"

    def document(self, text: str, *, path: str, language: str, raw: bytes, **more: Any) -> dict[str, Any]:
        """A row of DOCUMENT_SCHEMA. `raw`: the bytes as they were found. `more` goes into the metadata.

        `license` and `license_evidence` among `more` take the place of the collection's.
        """
        license = more.pop("license", self.license)
        metadata = {
            "origin": self.name,
            "revision": self.revision,
            "license_evidence": self.license_evidence,
            "fetched_at": self.fetched_at,
            "path": printable(path),
            "sha256": document_id(raw),
            **more,
        }
        return {
            "id": document_id(text.encode()),
            "content": text,
            "language": language,
            "source": self.source(path),
            "license": license,
            "quality_score": None,
            "metadata": json.dumps(metadata, sort_keys=True, ensure_ascii=False),
        }


class Unreadable(Exception):
    """Why one file becomes no document, and its bytes if they could be read."""

    def __init__(self, reason: str, content: bytes | None = None) -> None:
        super().__init__(reason)
        self.content = content

    def reject(self, source: str) -> Reject:
        return (None if self.content is None else document_id(self.content), source, STEP, str(self))


def collect_files(
    paths: Sequence[str], read: Callable[[str], Sequence[Mapping[str, Any]]], origin: Origin
) -> Iterator[Stepped]:
    """Batches of the documents that `read` makes of each path, in order; where it raises Unreadable, a rejected row."""
    for start in range(0, len(paths), FILES_PER_BATCH):
        documents: list[Mapping[str, Any]] = []
        rejects: list[Reject] = []
        for path in paths[start : start + FILES_PER_BATCH]:
            try:
                documents += read(path)
            except Unreadable as problem:
                rejects.append(problem.reject(origin.source(path)))
        yield Stepped(document_batch(documents), rejected_batch(rejects))


def printable(path: str) -> str:
    """A path as UTF-8 can carry it; file names may hold any bytes."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")
