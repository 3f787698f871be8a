"""Writes that are either whole or absent: a temporary neighbour, fsync, rename."""

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from better_ai.errors import ArtifactError


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it becomes `path`, on any error it is removed.

    Raises ArtifactError when the disk is full or the folder cannot be written; `path` is untouched then.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(NotADirectoryError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; on success it becomes `path`, which must not exist yet.

    Raises ArtifactError when the disk is full, the parent cannot be written or `path` exists.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        if path.exists():
            raise ArtifactError(f"{path} exists already and is not overwritten; remove it or choose another folder")
        temporary.mkdir(parents=True)
        yield temporary
        for file in sorted(temporary.rglob("*")):
            _sync(file)
        temporary.rename(path)
        _sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Another name for a finished file, which is never written to again; a copy where the file system has no links.

    What stands at `target` is replaced.
    """
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def write_json(path: Path | str, value: Any) -> None:
    """Write readable JSON with sorted keys, atomically. NaN is refused: it is not JSON."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_write(path) as temporary:
        temporary.write_text(text, "utf-8")


def read_json(path: Path | str) -> Any:
    """Read JSON. Raises ArtifactError that names the file when it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; the stage that writes it has not finished") from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read as JSON ({error}); remove its folder to build it again") from None


def cannot_write(path: Path, error: OSError) -> ArtifactError:
    """The error for a failed write, naming the path and what the system said."""
    return ArtifactError(f"cannot write {path}: {error.strerror or error}; free space or check the permissions")


def _sync(path: Path) -> None:
    """Flush a file or folder to the disk, so that a rename never outlives its contents."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
