"""Python files below a folder, as documents with their origin; what cannot be read is turned away with the reason."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from better_ai.data.schema import document_id
from better_ai.data.step import Reject, Stepped, document_batch, rejected_batch
from better_ai.errors import UserError

STEP = "collect"
FILES_PER_BATCH = 64


@dataclass(frozen=True)
class Origin:
    """What all files of one collection share."""

    name: str
    """The part of `source` before the path."""
    license: str
    provenance: dict[str, Any]
    """Goes into every document's metadata: origin, revision, licence evidence."""


def collect_python_files(
    root: Path, origin: Origin, *, max_bytes: int, skip: Callable[[str], bool] = lambda path: False
) -> Iterator[Stepped]:
    """Yield documents and rejects in the order of their paths, which are relative to `root` and use slashes.

    Links to folders are not followed, so loops cannot occur. Files above `max_bytes` are turned away unread.
    `skip` tells which paths are no part of the collection. Raises UserError when no folder or no file is there.
    """
    if not root.is_dir():
        raise UserError(f"{root} is no folder with Python files; correct the path of the source")
    paths, rejects = _python_paths(root, origin)
    paths = sorted(path for path in paths if not skip(path))
    if not paths:
        raise UserError(f"{root} holds no Python files that can be read; correct the path of the source")
    if rejects:
        yield Stepped(document_batch([]), rejected_batch(rejects))
    for start in range(0, len(paths), FILES_PER_BATCH):
        documents, rejects = [], []
        for path in paths[start : start + FILES_PER_BATCH]:
            try:
                documents.append(_document(_read(root / path, max_bytes), path, origin))
            except _Unreadable as problem:
                id = None if problem.content is None else document_id(problem.content)
                rejects.append((id, _source(origin, path), STEP, str(problem)))
        yield Stepped(document_batch(documents), rejected_batch(rejects))


class _Unreadable(Exception):
    def __init__(self, reason: str, content: bytes | None = None) -> None:
        super().__init__(reason)
        self.content = content


def _python_paths(root: Path, origin: Origin) -> tuple[list[str], list[Reject]]:
    """Paths of the files, and the folders that could not be listed."""
    paths: list[str] = []
    problems: list[OSError] = []
    for folder, subfolders, files in os.walk(root, onerror=problems.append):
        subfolders[:] = [name for name in subfolders if name != "__pycache__"]
        paths += [Path(folder, file).relative_to(root).as_posix() for file in files if file.endswith(".py")]
    rejects = [
        (
            None,
            _source(origin, Path(error.filename).relative_to(root).as_posix()),
            STEP,
            f"cannot be listed: {error.strerror}",
        )
        for error in problems
    ]
    return paths, sorted(rejects)


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _Unreadable("not a regular file")
        if status.st_size > max_bytes:
            raise _Unreadable(f"{status.st_size} bytes, more than {max_bytes}")
        return path.read_bytes()
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror}") from None


def _document(content: bytes, path: str, origin: Origin) -> dict[str, Any]:
    try:
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise _Unreadable(f"not UTF-8 at byte {error.start}", content) from None
    metadata = {**origin.provenance, "path": _printable(path), "sha256": document_id(content)}
    return {
        "id": document_id(text.encode()),
        "content": text,
        "language": "python",
        "source": _source(origin, path),
        "license": origin.license,
        "quality_score": None,
        "metadata": json.dumps(metadata, sort_keys=True, ensure_ascii=False),
    }


def _source(origin: Origin, path: str) -> str:
    return f"{origin.name}:{_printable(path)}"


def _printable(path: str) -> str:
    """A path as UTF-8 can carry it; file names may hold any bytes."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")
