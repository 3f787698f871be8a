"""Any data set, by id or folder, as shards of documents: the way in for data that no recipe describes yet.

Shard k holds documents k·n to (k+1)·n of a split, so that neither the machine nor an interruption changes a byte.
After each shard `cursor.json` says how far the data set was read; the next run goes on exactly there.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from better_ai.artifacts import content_id, read_json, write_json
from better_ai.config.data.dumps import HuggingFaceSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.dataset_maps import closest_map, map_of
from better_ai.data.collectors.huggingface import HuggingFaceCollector, StreamLost
from better_ai.data.collectors.tabular import READ_ERRORS, SUFFIXES, column_names, data_files
from better_ai.data.html import fenced_blocks
from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_SCHEMA, document_id
from better_ai.data.step import Reject, document_batch, rejected_batch
from better_ai.data.tables import write_parquet
from better_ai.errors import ArtifactError, UserError
from better_ai.extras import MissingExtra

CURSOR = "cursor.json"
MAX_DOCUMENT_BYTES = 1_000_000
"""A shard is held in memory until it is written, so this times its size is the most a run can take."""
PROSE = ("text", "markdown")
"""Languages whose white space is tidied; every other text may be code, or is."""
SPLIT_WORDS = {"train", "training", "validation", "valid", "val", "dev", "test"}
"""Words in a file's path that say which split it belongs to."""

OnProgress = Callable[[str, int, int], None]
"""Told the data set, and how many of its documents were written and rows rejected so far."""


@dataclass(frozen=True)
class Request:
    """What `ID[:CONFIG]:SPLIT:COLUMN` asks for; ID may be a folder or a file."""

    id: str
    config: str
    split: str
    column: str

    @classmethod
    def parse(cls, text: str) -> "Request":
        """Raises UserError when the text has another form."""
        parts = text.rsplit(":", 2)
        if len(parts) != 3 or not all(parts):
            raise UserError(
                f"cannot read the data set {text!r}; expected ID[:CONFIG]:SPLIT:COLUMN, such as "
                "bigcode/the-stack-dedup:v1:train:content or ./my-data:train:text"
            )
        name, split, column = parts
        if Path(name).expanduser().exists():
            return cls(name, "", split, column)
        id, _, config = name.partition(":")
        if not id:
            raise UserError(f"the data set {text!r} has no id; expected ID[:CONFIG]:SPLIT:COLUMN")
        return cls(id, config, split, column)

    @property
    def path(self) -> Path | None:
        """The folder or file it names, None for a data set of the Hub."""
        path = Path(self.id).expanduser()
        return path if path.exists() else None

    @property
    def folder(self) -> str:
        """Where its shards go, below the output folder."""
        name = self.path.resolve().name if self.path else self.id
        return re.sub(r"[^\w.\-]+", "--", ":".join(filter(None, [name, self.config]))) + f"/{self.split}"


@dataclass(frozen=True)
class Preprocessed:
    """What became of one data set. `rows == documents + rejected`."""

    dataset: str
    folder: str
    """Of its shards, relative to the output folder."""
    shards: int = 0
    documents: int = 0
    rejected: int = 0
    code_blocks: int = 0
    characters: int = 0
    problem: str | None = None
    """Why it is not done: unreachable, no such column, broken off; a second run goes on with it."""


@dataclass(frozen=True)
class PreprocessResult:
    """One entry per data set, in the order asked for."""

    datasets: tuple[Preprocessed, ...]

    @property
    def failed(self) -> tuple[Preprocessed, ...]:
        return tuple(entry for entry in self.datasets if entry.problem)


@dataclass(frozen=True)
class Cursor:
    """How far a data set was read when its last shard was written."""

    key: str
    """Digest of the request and of what the data set consisted of."""
    done: bool = False
    part: int = 0
    row: int = 0
    """Rows of that part that were read."""
    shards: int = 0
    documents: int = 0
    rejected: int = 0
    code_blocks: int = 0
    characters: int = 0


def preprocess(
    datasets: Sequence[str],
    out: Path | str,
    *,
    shard_size: int = 2000,
    on_progress: OnProgress = lambda dataset, documents, rejected: None,
) -> PreprocessResult:
    """Write `<out>/<dataset>/<split>/shard-00000.parquet` and so on, `shard_size` documents each, and their rejects.

    A data set that cannot be had is named in the result and the others go on. Raises UserError for a malformed
    request, two requests with one folder, or a folder made with other settings; ArtifactError when `out` cannot be
    written.
    """
    if shard_size < 1:
        raise UserError(f"a shard needs at least one document, found shard size {shard_size}")
    requests = [Request.parse(text) for text in datasets]
    if not requests:
        raise UserError("no data set to preprocess; name at least one as ID[:CONFIG]:SPLIT:COLUMN")
    folders = [request.folder for request in requests]
    if twice := next((folder for folder in folders if folders.count(folder) > 1), None):
        raise UserError(f"two data sets would be written to {twice}; give them output folders of their own")
    results = []
    for text, request in zip(datasets, requests, strict=True):
        results.append(_preprocess_one(text, request, Path(out), shard_size, on_progress))
    return PreprocessResult(tuple(results))


def _preprocess_one(text: str, request: Request, out: Path, shard_size: int, tell: OnProgress) -> Preprocessed:
    result = Preprocessed(text, request.folder)
    folder = out / request.folder
    try:
        collector = HuggingFaceCollector(_source(request))
        parts = _parts(collector, request)
    except MissingExtra:
        raise
    except READ_ERRORS as error:  # a UserError among them
        return replace(result, problem=str(error))
    key = content_id([request.folder, request.column, shard_size, _identity(parts, request)])
    cursor = _resume(folder, key)
    problem = None
    try:
        for reached in _write_shards(collector, parts, cursor, folder, shard_size):
            cursor = reached
            tell(text, cursor.documents, cursor.rejected)
    except StreamLost as error:
        problem = f"{error}; run again to go on after {cursor.documents} documents"
    counts = {name: getattr(cursor, name) for name in ("shards", "documents", "rejected", "code_blocks", "characters")}
    return replace(result, problem=problem, **counts)


def _source(request: Request) -> HuggingFaceSource:
    """The collector's configuration. Raises UserError when a folder holds no file of the split."""
    columns = map_of(request.id)
    if request.path is not None:
        file = next(iter(_split_files(request)), None)
        if file is None:
            raise UserError(
                f"{request.path} holds no file of the split {request.split!r}; expected one that ends in "
                f"{', '.join(SUFFIXES)} and, where files name splits, names it"
            )
        found = column_names(file, MAX_DOCUMENT_BYTES) or []
        if found and request.column.split(".")[0] not in found:
            raise UserError(f"{file} has no column {request.column!r}; found {', '.join(found)}")
        columns = closest_map(found, request.column)
    known = columns is not None and request.column in columns.content
    values: dict[str, Any] = {"columns": columns.name} if columns and known else {"text": request.column}
    name = request.path.resolve().name if request.path else request.id
    return HuggingFaceSource(
        id=name, path=str(request.path or ""), config=request.config, split=request.split, **values
    )


def _parts(collector: HuggingFaceCollector, request: Request) -> list[Part]:
    parts = collector.parts()
    if request.path is None:
        return parts
    wanted = {str(file) for file in _split_files(request)}
    return [part for part in parts if collector.file_of(part) in wanted]


def _split_files(request: Request) -> list[Path]:
    """The files of a split: those that name it, or all where no file names any."""
    root = request.path
    assert root is not None
    files = data_files(root)

    def words(file: Path) -> set[str]:
        relative = file.relative_to(root).as_posix() if file != root else file.name
        return set(re.split(r"[^a-z0-9]+", relative.lower()))

    named = [file for file in files if request.split.lower() in words(file)]
    return named if named or any(SPLIT_WORDS & words(file) for file in files) else files


def _identity(parts: Sequence[Part], request: Request) -> list[Any]:
    """What the rows depend on: the parts and, of files on disk, name and size."""
    sizes = [[file.name, file.stat().st_size] for file in _split_files(request)] if request.path else []
    payloads = [{name: value for name, value in part.payload.items() if name != "file"} for part in parts]
    return [sizes, payloads]


def _resume(folder: Path, key: str) -> Cursor:
    if not (folder / CURSOR).exists():
        return Cursor(key)
    try:
        cursor = Cursor(**read_json(folder / CURSOR))
    except TypeError:
        raise ArtifactError(f"{folder / CURSOR} is no cursor of this version; remove {folder} to begin again") from None
    if cursor.key != key:
        raise UserError(
            f"{folder} was begun with another shard size, column or state of the data set; "
            "remove it or choose another output folder"
        )
    return cursor


def _write_shards(
    collector: HuggingFaceCollector, parts: Sequence[Part], cursor: Cursor, folder: Path, shard_size: int
) -> Iterator[Cursor]:
    """Write what is missing and yield the cursor after each shard, and once at least."""
    documents: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    written = cursor
    if not cursor.done:
        for part, row, found in _rows(collector, parts, cursor):
            if isinstance(found, tuple):
                rejects.append(found)
                continue
            documents.append(_annotated(found))
            if len(documents) == shard_size:
                written = _write_shard(folder, replace(written, part=part, row=row), documents, rejects)
                documents, rejects = [], []
                yield written
        written = _write_shard(folder, replace(written, done=True), documents, rejects)
    yield written


def _rows(collector: HuggingFaceCollector, parts: Sequence[Part], cursor: Cursor) -> Iterator[tuple[int, int, Any]]:
    """Part, rows read of it and row, from the cursor on."""
    for number in range(cursor.part, len(parts)):
        skip = cursor.row if number == cursor.part else 0
        rows = collector.rows(parts[number], max_document_bytes=MAX_DOCUMENT_BYTES)
        for position, found in enumerate(rows, 1):
            if position > skip:
                yield number, position, found


def _write_shard(
    folder: Path, cursor: Cursor, documents: Sequence[dict[str, Any]], rejects: Sequence[Reject]
) -> Cursor:
    """Write documents and rejects, then the cursor that counts them; killed in between, they are written again."""
    name = f"{cursor.shards:05d}.parquet"
    if documents:
        write_parquet([document_batch(documents)], DOCUMENT_SCHEMA, folder / f"shard-{name}")
    if rejects:
        write_parquet([rejected_batch(rejects)], REJECTED_SCHEMA, folder / f"rejected-{name}")
    details = [json.loads(document["metadata"]) for document in documents]
    counted = replace(
        cursor,
        shards=cursor.shards + bool(documents),
        documents=cursor.documents + len(documents),
        rejected=cursor.rejected + len(rejects),
        code_blocks=cursor.code_blocks + sum(entry["code_blocks"] for entry in details),
        characters=cursor.characters + sum(entry["characters"] for entry in details),
    )
    write_json(folder / CURSOR, asdict(counted))
    return counted


def _annotated(document: Any) -> dict[str, Any]:
    """The document with tidy white space, and counts and licence in its metadata."""
    is_prose = document["language"] in PROSE
    content = tidy(document["content"]) if is_prose else document["content"]
    metadata = {
        **json.loads(document["metadata"]),
        "characters": len(content),
        "code_blocks": sum(1 for _ in fenced_blocks(content)) if is_prose else 0,
        "license": document["license"],
    }
    return {
        **document,
        "id": document_id(content.encode()),
        "content": content,
        "metadata": json.dumps(metadata, sort_keys=True, ensure_ascii=False),
    }


def tidy(text: str) -> str:
    """Prose with plain line breaks, no blanks at the ends of lines and one blank line at most; fenced code as it is."""
    kept: list[str] = []
    fence, blank = "", False
    for line in re.split(r"\r\n?|\n", text):
        opened = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if fence:
            kept.append(line)
            if opened and re.fullmatch(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}\s*", line):
                fence = ""
            continue
        if opened:
            fence = opened[1]
        line = line.replace("\u00a0", " ").rstrip()
        if line or not blank:
            kept.append(line)
        blank = not line
    return "\n".join(kept).strip("\n") + "\n"
