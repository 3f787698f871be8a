"""Data sets of the Hugging Face Hub, streamed from there or read from files on disk, by their column maps.

The Hub is asked only where no path is given, never when HF_HUB_OFFLINE is set, and always at one recorded commit.
Code that a data set brings is never run (`datasets` 4 and later cannot).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from better_ai.config.data.dumps import HuggingFaceSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.dataset_maps import DATASET_MAPS, ColumnMap, map_named, map_of, text_map
from better_ai.data.collectors.dataset_rows import extract, missing_columns, trees
from better_ai.data.collectors.files import cut, file_state, pack_path, unpack_path
from better_ai.data.collectors.rows import Origin, Unreadable
from better_ai.data.collectors.stream import Document, batches, record_document
from better_ai.data.collectors.tabular import (
    READ_ERRORS,
    SUFFIXES,
    Named,
    column_names,
    data_files,
    read_rows,
    row_groups,
)
from better_ai.data.step import Reject, Stepped
from better_ai.errors import UserError
from better_ai.extras import import_extra

PART_BYTES = 64_000_000
MAX_ROW_BYTES = 16_000_000
"""Of a line of JSON; a longer one is passed over."""
HUB_TIMEOUT_SECONDS = 20.0


class StreamLost(Exception):
    """The Hub stopped answering in the middle of a split."""


@dataclass(frozen=True)
class HuggingFaceCollector:
    """One split of one data set. Parts are row groups of Parquet files, other files, or the Hub's shards."""

    config: HuggingFaceSource

    def parts(self) -> list[Part]:
        columns = self._columns
        split = self.config.split
        if split in columns.evaluation and not self.config.evaluation:
            raise UserError(
                f"the split {split!r} of {self.config.id} is a benchmark and does not belong in training; "
                "set evaluation: true to read it for something else"
            )
        return self._local_parts(columns) if self.config.path else self._hub_parts()

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        yield from batches(self._until_lost(part, max_document_bytes))

    def rows(self, part: Part, *, max_document_bytes: int) -> Iterator[Document | Reject]:
        """What `read` yields, row by row, in the order of the data set. Raises StreamLost when the Hub goes away."""
        columns = self._columns
        declared = self.config.license or columns.license
        evidence = (
            f"declared as {declared} in the configuration" if self.config.license else f"the data set states {declared}"
        )
        origin = Origin(self.config.id, declared, evidence, revision=part.payload.get("revision"))
        rows = self._local_rows(part) if self.config.path else self._hub_rows(part)
        for place, row in trees(rows, columns) if columns.form == "tree" else rows:
            try:
                yield self._document(place, row, columns, origin, max_document_bytes)
            except Unreadable as problem:
                yield problem.reject(origin.source(place))

    def _until_lost(self, part: Part, max_bytes: int) -> Iterator[Document | Reject]:
        try:
            yield from self.rows(part, max_document_bytes=max_bytes)
        except StreamLost as problem:
            yield Unreadable(str(problem)).reject(f"{self.config.id}:{part.name}")

    def file_of(self, part: Part) -> str:
        """The file that a part of a local data set reads."""
        return unpack_path(part.payload["file"])

    @property
    def _columns(self) -> ColumnMap:
        if self.config.text:
            return text_map(self.config.text)
        found = map_named(self.config.columns) if self.config.columns else map_of(self.config.id)
        if found is None:
            known = ", ".join(entry.name for entry in DATASET_MAPS)
            raise UserError(
                f"no column map for {self.config.columns or self.config.id}; set columns to one of {known}, "
                "or text to the column that holds the text"
            )
        return found

    def _local_parts(self, columns: ColumnMap) -> list[Part]:
        root = Path(self.config.path).expanduser()
        files = data_files(root)
        if not files:
            raise UserError(f"{root} holds no data file; expected one that ends in {', '.join(SUFFIXES)}")
        parts: list[Part] = []
        self._check_layout(files[0], columns)
        for file in files:
            try:
                sizes = row_groups(file) if columns.form != "tree" else []
            except READ_ERRORS:
                sizes = []  # read names the damage
            runs: Sequence[list[int] | None] = cut(range(len(sizes)), sizes.__getitem__, max_bytes=PART_BYTES) or [None]
            state = file_state(file)
            parts += [
                Part(f"rows-{len(parts) + place:05d}", {"file": pack_path(str(file)), "groups": groups}, state)
                for place, groups in enumerate(runs)
            ]
        return parts

    def _check_layout(self, file: Path, columns: ColumnMap) -> None:
        """Refuse a data set that is another one; of a damaged file nothing can be told, and `read` names the damage."""
        try:
            found = column_names(file, MAX_ROW_BYTES)
        except READ_ERRORS:
            return
        if found is not None and (missing := missing_columns(found, columns)):
            raise UserError(f"{file}: {_wrong_layout(found, missing, columns)}")

    def _hub_parts(self) -> list[Part]:
        hub = import_extra("huggingface_hub", "data")
        import_extra("datasets", "data")
        try:
            info = hub.HfApi().dataset_info(
                self.config.id, revision=self.config.revision or None, timeout=HUB_TIMEOUT_SECONDS
            )
            shards = self._stream(info.sha).num_shards
        except Exception as error:  # the Hub's clients raise errors of many libraries
            raise UserError(
                f"data set {self.config.id} cannot be reached on the Hub ({type(error).__name__}: "
                f"{(str(error).splitlines() or [''])[0][:200]}); check its id and the network, unset HF_HUB_OFFLINE, "
                "or give the path of a copy"
            ) from None
        return [
            Part(f"hub-{number:05d}", {"revision": info.sha, "shard": number, "shards": shards})
            for number in range(shards)
        ]

    def _stream(self, revision: str) -> Any:
        load = import_extra("datasets", "data").load_dataset
        config = self.config
        return load(config.id, config.config or None, split=config.split, revision=revision, streaming=True)

    def _hub_rows(self, part: Part) -> Iterator[Named]:
        number = 0
        try:
            stream = self._stream(part.payload["revision"])
            if part.payload["shards"] > 1:
                stream = stream.shard(part.payload["shards"], part.payload["shard"])
            for number, row in enumerate(stream):
                yield f"{part.name} row {number}", row
        except Exception as error:  # see above
            raise StreamLost(f"breaks off after row {number}: {type(error).__name__}: {str(error)[:200]}") from None

    def _local_rows(self, part: Part) -> Iterator[Named]:
        file, root = Path(self.file_of(part)), Path(self.config.path).expanduser()
        name = file.relative_to(root).as_posix() if file != root else file.name
        for place, row in read_rows(file, max_bytes=MAX_ROW_BYTES, groups=part.payload["groups"]):
            yield f"{name} {place}", row

    def _document(self, place: str, row: Any, columns: ColumnMap, origin: Origin, max_bytes: int) -> Document:
        if isinstance(row, Unreadable):
            raise row
        if missing := missing_columns(row, columns):
            raise Unreadable(_wrong_layout(list(row), missing, columns))
        found = extract(row, columns, language=self.config.language)
        details = dict(found.details)
        if found.license is not None and not self.config.license:
            details["license"] = found.license
            details["license_evidence"] = f"column {columns.license_column}"
        if columns.revision == "":
            details.pop("revision", None)
        return record_document(
            origin,
            found.text,
            path=found.path or place,
            language=found.language,
            raw=found.text.encode("utf-8", "surrogatepass"),
            max_bytes=max_bytes,
            row=place,
            **details,
        )


def _wrong_layout(found: list[str], missing: list[str], columns: ColumnMap) -> str:
    return (
        f"found the columns {', '.join(map(str, found[:40]))}; the layout {columns.name} expects "
        f"{', '.join(columns.columns)}; missing: {', '.join(missing)}"
    )
