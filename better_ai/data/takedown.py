"""Taking documents out of a finished corpus: which ones, and the same corpus without them.

A request names documents by id (of the content as it stands, or `sha256` of the original bytes) or by a pattern on a
column: `source=github.com/someone/*`, `origin=...`, `path=...`, `license=...`. Requests are remembered beside the
corpus, so that a later build of the same run leaves the documents out again.

Near-duplicates of a document that is taken down do not come back: the rest of the corpus stays as it is.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa

from better_ai.artifacts import atomic_write, content_id, link_or_copy
from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_SCHEMA
from better_ai.data.step import Stepped, reject_rows
from better_ai.data.tables import TableWriter, content_bytes, read_batches
from better_ai.errors import ArtifactError, UserError

STEP = "takedown"
REQUESTS_FILE = "takedowns.jsonl"
COLUMNS = ("id", "source", "language", "license")
"""Columns of a document a pattern may look at; any other name is looked up in the metadata."""


@dataclass(frozen=True)
class Pattern:
    """A shell pattern on a column or a metadata key."""

    column: str
    glob: str

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Read `column=pattern`. Raises UserError when it is not that, or would match everything."""
        column, equals, glob = text.partition("=")
        if not equals or not column.strip() or not glob.strip():
            raise UserError(f"cannot read {text!r}: expected column=pattern, such as 'source=github.com/someone/*'")
        if not glob.strip(" *"):
            raise UserError(f"{text!r} would match every document; remove the run instead if that is what you want")
        return cls(column.strip(), glob.strip())


@dataclass(frozen=True)
class Takedown:
    """Which documents have to go."""

    patterns: tuple[Pattern, ...] = ()
    ids: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.patterns or self.ids)

    def identity(self) -> dict[str, Any]:
        """What a corpus without these documents is known by, besides its configuration; empty for no request."""
        if not self:
            return {}
        return {
            "takedown": content_id([[[pattern.column, pattern.glob] for pattern in self.patterns], sorted(self.ids)])
        }

    def joined(self, other: "Takedown") -> "Takedown":
        """Both requests in one."""
        return Takedown(tuple(dict.fromkeys((*self.patterns, *other.patterns))), self.ids | other.ids)

    def apply(self, batch: pa.RecordBatch) -> Stepped:
        """The documents that stay, and those that go with the request that names them."""
        columns = {name: batch.column(name).to_pylist() for name in COLUMNS}
        metadata = [json.loads(text) for text in batch.column("metadata").to_pylist()]
        reasons = [
            self._reason({name: values[row] for name, values in columns.items()}, metadata[row])
            for row in range(batch.num_rows)
        ]
        return reject_rows(batch, STEP, reasons)

    def hits(self, shard: Path) -> Iterator[pa.RecordBatch]:
        """The rejected rows of a shard's documents that go."""
        for batch in read_batches(shard, DOCUMENT_SCHEMA):
            rejected = self.apply(batch).rejected
            if rejected.num_rows:
                yield rejected

    def _reason(self, document: Mapping[str, str], metadata: Mapping[str, Any]) -> str | None:
        if document["id"] in self.ids or metadata.get("sha256") in self.ids:
            return "requested by id"
        for pattern in self.patterns:
            value = document.get(pattern.column, metadata.get(pattern.column))
            if isinstance(value, str) and fnmatchcase(value, pattern.glob):
                return f"requested by {pattern.column}={pattern.glob}"
        return None


NOTHING = Takedown()


def read_ids(path: Path) -> frozenset[str]:
    """Ids from a file, one a line; blank lines and those that begin with # are skipped. Raises UserError."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the ids in {path}: {error}; expected a text file with one id a line") from None
    ids = frozenset(line.lower() for line in lines if line and not line.startswith("#"))
    if wrong := [id for id in sorted(ids) if len(id) != 64 or not set(id) <= set("0123456789abcdef")]:
        raise UserError(f"{path}: {wrong[0]!r} is no document id, which has 64 hexadecimal digits; correct the line")
    if not ids:
        raise UserError(f"{path} holds no ids; write one a line")
    return ids


def read_requests(run: Path) -> Takedown:
    """Everything that was ever asked to be taken out of a run. Raises ArtifactError when the list is damaged."""
    together = Takedown()
    for request in _read_list(run / REQUESTS_FILE):
        patterns = tuple(Pattern(column, glob) for column, glob in request["patterns"])
        together = together.joined(Takedown(patterns, frozenset(request["ids"])))
    return together


def replaced_corpora(run: Path) -> list[str]:
    """Content ids of the corpora that documents were taken out of."""
    return [request["corpus"] for request in _read_list(run / REQUESTS_FILE)]


def remember_request(run: Path, takedown: Takedown, *, requested_at: str, corpus: str) -> None:
    """Add a request to those of the run, atomically; `corpus` is the content id of what the documents are in."""
    path = run / REQUESTS_FILE
    request = {
        "requested_at": requested_at,
        "corpus": corpus,
        "patterns": [[pattern.column, pattern.glob] for pattern in takedown.patterns],
        "ids": sorted(takedown.ids),
    }
    before = path.read_text("utf-8") if path.exists() else ""
    with atomic_write(path) as temporary:
        temporary.write_text(before + json.dumps(request) + "\n", "utf-8")


def _read_list(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        requests = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        if all(request.keys() == {"requested_at", "corpus", "patterns", "ids"} for request in requests):
            return requests
        problem = "a line has other keys than expected"
    except (OSError, ValueError, AttributeError) as error:
        problem = str(error)
    raise ArtifactError(f"{path} is damaged ({problem}); restore it, since it names what must stay out")


def rewrite_shards(shards: Sequence[Path], out: Path, takedown: Takedown) -> list[pa.RecordBatch]:
    """Write every shard into the folder `out` without the documents that go; one that loses none is linked, not copied.

    Returns the rejected rows.
    """
    out.mkdir(parents=True, exist_ok=True)
    rejected: list[pa.RecordBatch] = []
    for shard in shards:
        goes = list(takedown.hits(shard))
        rejected += goes
        if goes:
            with TableWriter(out / shard.name, DOCUMENT_SCHEMA) as writer:
                for batch in read_batches(shard, DOCUMENT_SCHEMA):
                    writer.write(takedown.apply(batch).kept)
        else:
            link_or_copy(shard, out / shard.name)
    return rejected


def append_rejected(path: Path, out: Path, rejected: Sequence[pa.RecordBatch]) -> None:
    """Write the rejected rows of `path` and then those of the takedown to `out`."""
    with TableWriter(out, REJECTED_SCHEMA) as writer:
        for batch in [*read_batches(path, REJECTED_SCHEMA), *rejected]:
            writer.write(batch)


def count_kept(shards: Mapping[str, Sequence[Path]]) -> dict[str, dict[str, int]]:
    """Documents and bytes of content by split."""
    counts = {split: {"documents": 0, "bytes": 0} for split in shards}
    for split, paths in shards.items():
        for path in paths:
            for batch in read_batches(path, DOCUMENT_SCHEMA, ["content"]):
                counts[split]["documents"] += batch.num_rows
                counts[split]["bytes"] += content_bytes(batch)
    return counts
