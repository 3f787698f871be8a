"""Reading JSON lines written by strangers: bounded in every size, and one error that names each bad line."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from better_ai.errors import UserError

Record = TypeVar("Record")

MAX_LINE_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30
_MAX_PROBLEMS_SHOWN = 20


def read_records(path: Path | str, parse: Callable[[dict[str, Any]], Record]) -> list[Record]:
    """`parse` every line's object of a JSON-lines file, gzip or not (told by its first bytes); blank lines are skipped.

    `parse` raises ValueError or KeyError (a missing field) for a record it refuses. Raises UserError for a file that
    is missing, unreadable, larger than `MAX_FILE_BYTES` once decompressed, or holds bad lines: one line of the
    message for each of the first twenty.
    """
    path = Path(path)
    records: list[Record] = []
    problems: list[str] = []
    try:
        for number, line in _lines(path):
            try:
                records.append(parse(_object(line)))
            except KeyError as error:
                problems.append(f"line {number}: the field {error} is missing")
            except (ValueError, RecursionError) as error:
                problems.append(f"line {number}: {error}")
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {error}; expected a JSON-lines file, plain or gzip") from None
    if problems:
        more = len(problems) - _MAX_PROBLEMS_SHOWN
        shown = [*problems[:_MAX_PROBLEMS_SHOWN], *([f"and {more} more bad lines"] if more > 0 else [])]
        raise UserError("\n".join([f"{path} holds {len(problems)} bad lines; mend or remove them:", *shown]))
    return records


def text(record: dict[str, Any], field: str) -> str:
    """A field that must hold a string. Raises KeyError or ValueError."""
    value = record[field]
    if not isinstance(value, str):
        raise ValueError(f"{field} must be a string, found {type(value).__name__}")
    return value


def texts(record: dict[str, Any], field: str) -> list[str]:
    """A field that must hold a list of strings. Raises KeyError or ValueError."""
    value = record[field]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{field} must be a list of strings, found {str(value)[:60]!r}")
    return value


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank. An overlong line comes as its first bytes, which `_object` refuses."""
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        file = gzip.GzipFile(fileobj=raw) if compressed else raw
        number = total = 0
        at_line_start = True
        while chunk := file.readline(MAX_LINE_BYTES + 1):
            total += len(chunk)
            if total > MAX_FILE_BYTES:
                raise OSError(f"it holds more than {MAX_FILE_BYTES} bytes")
            if at_line_start:
                number += 1
                if not chunk.isspace():
                    yield number, chunk
            at_line_start = chunk.endswith(b"\n")


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")
    return value
