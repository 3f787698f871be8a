"""Files below a folder: listed once, cut into parts, and each read without trusting it.

Links are not followed, so nothing outside the folder is read and loops cannot occur.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

from better_ai.artifacts import content_id
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.rows import Unreadable

T = TypeVar("T")

PART_BYTES = 16_000_000
PART_FILES = 500


@dataclass(frozen=True)
class Entry:
    """A file that was listed."""

    path: str
    """Relative, with slashes."""
    num_bytes: int
    """By which parts are cut; 0 for what cannot be told, or is no file."""
    modified_ns: int = 0


@dataclass(frozen=True)
class Listing:
    """The files below a folder and the folders that could not be listed with the reasons, both sorted by path."""

    files: list[Entry]
    unlisted: list[tuple[str, str]]


def list_files(root: Path, wanted: Callable[[str], bool]) -> Listing:
    """All files whose path relative to `root` is wanted, whatever the order in which the file system names them."""
    files: list[Entry] = []
    problems: list[OSError] = []
    for folder, subfolders, names in os.walk(root, onerror=problems.append):
        subfolders[:] = [name for name in subfolders if name not in ("__pycache__", ".git")]
        inside = "" if Path(folder) == root else f"{Path(folder).relative_to(root).as_posix()}/"
        paths = [f"{inside}{name}" for name in names]
        files += [entry_of(root, path) for path in paths if wanted(path)]
    unlisted = [
        (Path(error.filename).relative_to(root).as_posix(), f"cannot be listed: {error.strerror}") for error in problems
    ]
    return Listing(sorted(files, key=lambda entry: entry.path), sorted(unlisted))


def split_into_parts(entries: Iterable[Entry], *, unlisted: Iterable[tuple[str, str]] = ()) -> list[Part]:
    """The parts of a sorted listing.

    Payload: `files`, the packed paths; `unlisted`, in the first part, pairs of packed path and reason. State: a digest
    of the files' sizes and times.
    """
    runs = cut(entries, lambda entry: entry.num_bytes)
    parts = [
        Part(
            f"files-{number:05d}",
            {"files": [pack_path(entry.path) for entry in run], "unlisted": []},
            state=content_id([[entry.num_bytes, entry.modified_ns] for entry in run]),
        )
        for number, run in enumerate(runs)
    ]
    if parts:
        parts[0].payload["unlisted"] = [[pack_path(path), reason] for path, reason in unlisted]
    return parts


def cut(items: Iterable[T], num_bytes: Callable[[T], int], *, max_bytes: int | None = None) -> list[list[T]]:
    """Runs of at most `max_bytes`, or PART_BYTES, and PART_FILES items, in order; what is larger makes its own run."""
    runs: list[list[T]] = []
    room = 0
    for item in items:
        size = num_bytes(item)
        if not runs or size > room or len(runs[-1]) == PART_FILES:
            runs.append([])
            room = max_bytes or PART_BYTES
        runs[-1].append(item)
        room -= size
    return runs


def entry_of(root: Path, path: str) -> Entry:
    """A file as it is now."""
    try:
        status = (root / path).lstat()
    except OSError:
        return Entry(path, 0)
    return Entry(path, status.st_size if stat.S_ISREG(status.st_mode) else 0, status.st_mtime_ns)


def file_state(path: Path) -> str:
    """State of a part that is read from one file: size and time, following links. Empty if they cannot be told."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns"


def pack_path(path: str) -> str:
    """A path as plain JSON can carry it and `unpack_path` gives it back; file names may hold any bytes."""
    return quote_from_bytes(os.fsencode(path), safe="/ ")


def unpack_path(packed: str) -> str:
    return os.fsdecode(unquote_to_bytes(packed))


def read_file(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file that stays as it is meanwhile. Raises Unreadable; larger files are not read."""
    try:
        if path.is_symlink():
            path.stat()
            raise Unreadable("a symbolic link, which is not followed")
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise Unreadable("not a regular file")
            if before.st_size > max_bytes:
                raise Unreadable(f"{before.st_size} bytes, more than {max_bytes}")
            content = file.read(max_bytes + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    if (len(content), after.st_size, after.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns):
        raise Unreadable("changed while it was read")
    return content


def check_regular(path: Path) -> None:
    """Raises OSError when a path, or what it links to, is no regular file: a pipe would be waited for without end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
