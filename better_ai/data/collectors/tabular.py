"""Rows out of files: Parquet, Arrow, JSON Lines (packed or not) and JSON arrays, streamed and bounded.

Damage ends the file it is in, as one named row that cannot be read; a bad line costs only itself.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.data.collectors.files import check_regular
from better_ai.data.collectors.rows import Unreadable
from better_ai.data.collectors.stream import READ_BYTES, bounded_lines

SUFFIXES = (".parquet", ".arrow", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".json.gz", ".ndjson")
BATCH_ROWS = 64
MAX_GROUP_BYTES = 1_000_000_000
"""Unpacked size above which a Parquet row group is not read."""

Named = tuple[str, Mapping[str, Any] | Unreadable]
"""Where a row stands in its file, and the row or why there is none."""

READ_ERRORS = (OSError, EOFError, pa.ArrowException, ValueError, MemoryError, RecursionError, OverflowError)
"""What libraries raise for damaged files."""


def data_files(path: Path) -> list[Path]:
    """The data files at or below a path, sorted; empty when there is none."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES) and not file.is_dir())


def row_groups(path: Path) -> list[int]:
    """Unpacked bytes of each row group of a Parquet file, [] for any other. Raises READ_ERRORS."""
    if path.suffix != ".parquet":
        return []
    check_regular(path)
    with pq.ParquetFile(path) as file:
        return [file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups)]


def column_names(path: Path, max_bytes: int) -> list[str] | None:
    """Top-level columns of a file, by its schema or its first row; None when it has no row. Raises READ_ERRORS."""
    check_regular(path)
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            return list(file.schema_arrow.names)
    if path.suffix == ".arrow":
        with pa.memory_map(str(path)) as source:
            return list(_arrow_reader(source).schema.names)
    for _, row in read_rows(path, max_bytes=max_bytes):
        if not isinstance(row, Unreadable):
            return list(row)
    return None


def read_rows(path: Path, *, max_bytes: int, groups: Sequence[int] | None = None) -> Iterator[Named]:
    """The rows of a file or of some row groups of it; lines above `max_bytes` are passed over and named."""
    try:
        check_regular(path)
        if path.suffix == ".parquet":
            yield from _parquet(path, groups)
        elif path.suffix == ".arrow":
            yield from _arrow(path)
        else:
            with pa.input_stream(str(path), compression="detect") as stream, io.BufferedReader(stream) as file:
                is_array = path.name.removesuffix(".gz").endswith(".json") and file.peek(64).lstrip()[:1] == b"["
                yield from _array(file, max_bytes) if is_array else _lines(file, max_bytes)
    except READ_ERRORS as error:
        yield "end", Unreadable(f"breaks off: {type(error).__name__}: {_first_line(error)}")


def _parquet(path: Path, groups: Sequence[int] | None) -> Iterator[Named]:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups) if groups is None else groups:
            size = file.metadata.row_group(group).total_byte_size
            if size > MAX_GROUP_BYTES:
                yield f"row group {group}", Unreadable(f"{size} unpacked bytes, more than {MAX_GROUP_BYTES}")
                continue
            number = 0
            try:
                for batch in file.iter_batches(BATCH_ROWS, row_groups=[group]):
                    for row in batch.to_pylist():
                        yield f"row {group}.{number}", row
                        number += 1
            except READ_ERRORS as error:
                reason = f"breaks off at row {number}: {type(error).__name__}: {_first_line(error)}"
                yield f"row group {group}", Unreadable(reason)


def _arrow(path: Path) -> Iterator[Named]:
    number = 0
    with pa.memory_map(str(path)) as source:
        reader = _arrow_reader(source)
        batches = (
            (reader.get_batch(index) for index in range(reader.num_record_batches))
            if isinstance(reader, pa.RecordBatchFileReader)
            else iter(reader)
        )
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                for row in batch.slice(start, BATCH_ROWS).to_pylist():
                    yield f"row {number}", row
                    number += 1


def _arrow_reader(source: pa.NativeFile) -> Any:
    try:
        return pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source)


def _lines(file: BinaryIO, max_bytes: int) -> Iterator[Named]:
    for number, line in bounded_lines(file, max_bytes):
        if line is None:
            yield f"line {number}", Unreadable(f"more than {max_bytes} bytes")
        elif line.strip():
            yield f"line {number}", parse_object(line)


def parse_object(line: bytes) -> Mapping[str, Any] | Unreadable:
    """A JSON object, or why it is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Unreadable(f"no JSON: {_first_line(error)}", line)
    return value if isinstance(value, dict) else Unreadable(f"no JSON object but {type(value).__name__}", line)


def _array(file: BinaryIO, max_bytes: int) -> Iterator[Named]:
    """Elements of one JSON array, without holding more than one of them."""
    decoder, text = json.JSONDecoder(), io.TextIOWrapper(file, "utf-8")
    buffer, number, ended = text.read(READ_BYTES).lstrip()[1:], 0, False
    try:
        while True:
            buffer = buffer.lstrip(" \t\r\n,")
            if buffer.startswith("]"):
                return
            try:
                value, end = decoder.raw_decode(buffer)
                if end == len(buffer) and not ended:
                    raise ValueError("may go on")
            except ValueError as error:
                if ended:
                    yield f"element {number}", Unreadable(f"breaks off: {_first_line(error)}")
                    return
                if len(buffer) > max_bytes:
                    yield f"element {number}", Unreadable(f"more than {max_bytes} bytes; the rest cannot be read")
                    return
                more = text.read(max(READ_BYTES, len(buffer)))
                ended = not more
                buffer += more
                continue
            buffer = buffer[end:]
            is_object = isinstance(value, dict)
            yield f"element {number}", value if is_object else Unreadable(f"no object but {type(value).__name__}")
            number += 1
    finally:
        text.detach()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]
