"""Texts from files: Parquet, JSON lines and plain text, one at a time, those for training apart from those held out.

A corpus folder (with `train/` and `validation/`) says itself what is held out. In any other input it is one text in
twenty, chosen by a hash of the text, so that whoever trains and whoever measures agree without a word.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.errors import UserError

Split = Literal["train", "heldout"]

TEXT_COLUMNS = ("content", "text")
HELDOUT_ONE_IN = 20
MAX_TEXT_BYTES = 1 << 26
"""A line or file beyond this is an error: it is no text to learn from."""
PARQUET_BATCH_ROWS = 256


@dataclass(frozen=True)
class Text:
    """A document and the language its file names, "text" if none does."""

    content: str
    language: str


def read_texts(path: Path | str, split: Split) -> Iterator[Text]:
    """The texts of a file or folder, in the order of their paths; hidden files and folders are left out.

    Parquet and JSON lines need a column `content` or `text` and may have `language`. Raises UserError that names the
    file (and the line) when something cannot be read, or when there is nothing to read.
    """
    path = Path(path)
    whole = {"train": "train", "heldout": "validation"}[split]
    is_corpus = (path / "train").is_dir() and (path / "validation").is_dir()
    files = _files(path / whole if is_corpus else path)
    for file in files:
        for text in _READERS[file.suffix](file):
            if is_corpus or is_heldout(text.content) == (split == "heldout"):
                yield text


def is_heldout(text: str) -> bool:
    """Whether a text is never learned from, one in twenty."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()[0] % HELDOUT_ONE_IN == 0


def _files(path: Path) -> list[Path]:
    if path.is_file() and path.suffix in _READERS:
        return [path]
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix in _READERS
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not found:
        raise UserError(f"{path} holds no .parquet, .jsonl or .txt files; give a file or folder with texts")
    return found


def _read_parquet(path: Path) -> Iterator[Text]:
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            column = _text_column(names, str(path))
            columns = [column, *(["language"] if "language" in names else [])]
            for batch in file.iter_batches(PARQUET_BATCH_ROWS, columns=columns):
                contents = batch.column(column).to_pylist()
                languages = batch.column("language").to_pylist() if len(columns) > 1 else [None] * len(contents)
                for content, language in zip(contents, languages, strict=True):
                    yield _text(content, language, str(path))
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"cannot read {path} ({str(error).splitlines()[0]}); remove it or write it again") from None


def _read_jsonl(path: Path) -> Iterator[Text]:
    with _open(path) as file:
        number = 0
        while line := file.readline(MAX_TEXT_BYTES + 1):
            number += 1
            where = f"{path}, line {number}"
            if len(line) > MAX_TEXT_BYTES:
                raise UserError(f"{where} is longer than {MAX_TEXT_BYTES:,} bytes; remove or split it")
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"{where} is not JSON ({error}); correct or remove it") from None
            if not isinstance(row, dict):
                raise UserError(f"{where} holds {type(row).__name__}, expected an object with `content` or `text`")
            yield _text(row[_text_column(list(row), where)], row.get("language"), where)


def _read_plain(path: Path) -> Iterator[Text]:
    with _open(path) as file:
        content = file.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise UserError(f"{path} is larger than {MAX_TEXT_BYTES:,} bytes; split it into several files")
    try:
        yield Text(content.decode(), "text")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 at byte {error.start}; convert it first") from None


_READERS = {".parquet": _read_parquet, ".jsonl": _read_jsonl, ".txt": _read_plain}


def _open(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _text_column(names: list[str], where: str) -> str:
    for name in TEXT_COLUMNS:
        if name in names:
            return name
    raise UserError(f"{where} has {', '.join(names) or 'nothing'}; expected a column named content or text")


def _text(content: object, language: object, where: str) -> Text:
    if not isinstance(content, str):
        raise UserError(f"{where}: the text is {type(content).__name__}, expected a string")
    return Text(content, language if isinstance(language, str) and language else "text")
