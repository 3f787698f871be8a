"""Taking documents out of a finished corpus: which ones, and the same corpus without them.

A request names documents by id (of the content as it stands, or `sha256` of the original bytes) or by a pattern on a
column: `source=github.com/someone/*`, `origin=...`, `path=...`, `license=...`. Requests are remembered beside the
corpus, so that a later build of the same run leaves the documents out again.

Near-duplicates of a document that is taken down do not come back: the rest of the corpus stays as it is.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.artifacts import atomic_write, content_id
from better_ai.data.schema import REJECTED_SCHEMA, ROW_GROUP_ROWS
from better_ai.data.step import Stepped, reject_rows
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

    @property
    def content_id(self) -> str:
        return content_id([[[pattern.column, pattern.glob] for pattern in self.patterns], sorted(self.ids)])

    def apply(self, batch: pa.RecordBatch) -> Stepped:
        """The documents that stay, and those that go with the request that names them."""
        columns = {name: batch.column(name).to_pylist() for name in COLUMNS}
        metadata = [json.loads(text) for text in batch.column("metadata").to_pylist()]
        reasons = [
            self._reason({name: values[row] for name, values in columns.items()}, metadata[row])
            for row in range(batch.num_rows)
        ]
        return reject_rows(batch, STEP, reasons)

    def _reason(self, document: Mapping[str, str], metadata: Mapping[str, Any]) -> str | None:
        if document["id"] in self.ids or metadata.get("sha256") in self.ids:
            return "requested by id"
        for pattern in self.patterns:
            value = document.get(pattern.column, metadata.get(pattern.column))
            if isinstance(value, str) and fnmatchcase(value, pattern.glob):
                return f"requested by {pattern.column}={pattern.glob}"
        return None


def read_ids(path: Path) -> frozenset[str]:
    """Ids from a file, one a line; blank lines and those that begin with # are skipped. Raises UserError."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the ids in {path}: {error}; expected a text file with one id a line") from None
    ids = frozenset(line.lower() for line in lines if line and not line.startswith("#"))
    if wrong := [id for id in sorted(ids) if len(id) != 64 or not set(id) <= set("0123456789abcdef")]:
        raise UserError(f"{path}: {wrong[0]!r} is no document id, which has 64 hexadecimal digits")
    if not ids:
        raise UserError(f"{path} holds no ids; write one a line")
    return ids


def read_requests(run: Path) -> Takedown:
    """Everything that was ever asked to be taken out of a run."""
    path = run / REQUESTS_FILE
    patterns: dict[Pattern, None] = {}
    ids: set[str] = set()
    if path.exists():
        try:
            for line in path.read_text("utf-8").splitlines():
                request = json.loads(line)
                patterns |= {Pattern(column, glob): None for column, glob in request["patterns"]}
                ids |= set(request["ids"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{path} is damaged ({error}); restore it, since it names what must stay out") from None
    return Takedown(tuple(patterns), frozenset(ids))


def remember_request(run: Path, takedown: Takedown, *, requested_at: str) -> None:
    """Add a request to those of the run, atomically."""
    path = run / REQUESTS_FILE
    request = {
        "requested_at": requested_at,
        "patterns": [[pattern.column, pattern.glob] for pattern in takedown.patterns],
        "ids": sorted(takedown.ids),
    }
    before = path.read_text("utf-8") if path.exists() else ""
    with atomic_write(path) as temporary:
        temporary.write_text(before + json.dumps(request) + "\n", "utf-8")


def rewrite_shards(shards: Sequence[Path], out: Path, takedown: Takedown) -> tuple[list[pa.RecordBatch], int]:
    """Write every shard into the folder `out` without the documents that go; one that has none is linked, not copied.

    Returns the rejected rows and how many documents stay.
    """
    out.mkdir(parents=True, exist_ok=True)
    rejected: list[pa.RecordBatch] = []
    stay = 0
    for shard in shards:
        found = [takedown.apply(batch).rejected for batch in pq.ParquetFile(shard).iter_batches(ROW_GROUP_ROWS)]
        goes = sum(batch.num_rows for batch in found)
        stay += pq.read_metadata(shard).num_rows - goes
        if goes:
            rejected += found
            _write_without(shard, out / shard.name, takedown)
        else:
            _link(shard, out / shard.name)
    return rejected, stay


def append_rejected(path: Path, out: Path, rejected: Sequence[pa.RecordBatch]) -> None:
    """Write the rejected rows of `path` and then those of the takedown to `out`."""
    with atomic_write(out) as temporary, pq.ParquetWriter(temporary, REJECTED_SCHEMA, compression="zstd") as writer:
        for batch in pq.ParquetFile(path).iter_batches(ROW_GROUP_ROWS):
            writer.write_batch(batch)
        for batch in rejected:
            if batch.num_rows:
                writer.write_batch(batch)


def _write_without(shard: Path, out: Path, takedown: Takedown) -> None:
    with (
        pq.ParquetFile(shard) as file,
        atomic_write(out) as temporary,
        pq.ParquetWriter(temporary, file.schema_arrow, compression="zstd") as writer,
    ):
        for batch in file.iter_batches(ROW_GROUP_ROWS):
            writer.write_batch(takedown.apply(batch).kept)


def _link(source: Path, target: Path) -> None:
    """A hard link where the file system has them; shards are never written to again."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
