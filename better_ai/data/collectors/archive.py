"""Files in zip and tar archives, read member by member; nothing is unpacked to disk.

Names are never used as paths on this machine; those that try to lead out of the archive are refused all the same. What
an archive unpacks to is bounded as a whole, and each member by the size it may have, whatever its header says.
"""

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from better_ai.config.data.sources import ArchiveSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.evidence import (
    MAX_EVIDENCE_BYTES,
    Evidence,
    as_configured,
    find_licenses,
    speaks_of_license,
)
from better_ai.data.collectors.files import file_state
from better_ai.data.collectors.rows import FILES_PER_BATCH, Origin, Unreadable
from better_ai.data.collectors.selection import Selection
from better_ai.data.collectors.source_file import source_document
from better_ai.data.collectors.tree import DETECT
from better_ai.data.step import Reject, Stepped, document_batch, rejected_batch
from better_ai.errors import UserError

try:
    from lzma import LZMAError
except ImportError:  # a Python built without it reads no such archives either
    LZMAError = OSError  # type: ignore[misc, assignment]

MAX_MEMBERS = 2_000_000
MAX_HEADER_BYTES = 1_000_000
_LONG_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
                 tarfile.GNUTYPE_LONGLINK)  # fmt: skip
_BROKEN = (OSError, EOFError, zlib.error, LZMAError, tarfile.TarError, zipfile.BadZipFile, RuntimeError,
           NotImplementedError, ValueError, OverflowError)  # fmt: skip
"""What the readers of the standard library raise for archives that are torn, lie or use what they do not know."""


@dataclass(frozen=True)
class Member:
    """A regular file in an archive, or why it is refused."""

    path: str
    num_bytes: int
    refusal: str | None
    open: Callable[[], IO[bytes] | None]


@dataclass(frozen=True)
class ArchiveCollector:
    """The files of archives, one part for each archive, since most can only be read from the front."""

    config: ArchiveSource

    def parts(self) -> list[Part]:
        if not self.config.paths:
            raise UserError("a source of type archive names no files; list zip or tar files in `paths`")
        return [
            Part(f"archive-{number:05d}", {"path": path}, state=file_state(Path(path).expanduser()))
            for number, path in enumerate(self.config.paths)
        ]

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        """Raises UserError when there is no such archive."""
        path = part.payload["path"]
        origin = Origin(path, "unknown", None)
        selection = Selection(frozenset(self.config.languages), frozenset(self.config.exclude))
        licenses = self._licenses(path)
        documents: list[Mapping[str, Any]] = []
        rejects: list[Reject] = []
        for name, content in self._contents(path, selection.lists, max_document_bytes):
            try:
                if isinstance(content, Unreadable):
                    raise content
                if reason := selection.refuse_path(name):
                    raise Unreadable(reason)
                documents += source_document(content, name, selection=selection, licenses=licenses, origin=origin)
            except Unreadable as problem:
                rejects.append(problem.reject(origin.source(name) if name else path))
            if len(documents) + len(rejects) >= FILES_PER_BATCH:
                yield Stepped(document_batch(documents), rejected_batch(rejects))
                documents, rejects = [], []
        yield Stepped(document_batch(documents), rejected_batch(rejects))

    def _licenses(self, path: str) -> dict[str, Evidence]:
        if self.config.license != DETECT:
            return as_configured(self.config.license)
        contents = self._contents(path, speaks_of_license, MAX_EVIDENCE_BYTES)
        return find_licenses((name, content) for name, content in contents if isinstance(content, bytes))

    def _contents(
        self, path: str, wanted: Callable[[str], bool], max_bytes: int
    ) -> Iterator[tuple[str, bytes | Unreadable]]:
        """Names and contents of the members that are wanted, to the end or to where the archive cannot be read on."""
        file = Path(path).expanduser()
        if not file.is_file():
            raise UserError(f"{path} is no archive; correct `paths` of the source")
        left = self.config.max_bytes
        name = ""
        try:
            with _opened(file) as members:
                for number, member in enumerate(members):
                    name = member.path
                    left -= member.num_bytes
                    if left < 0 or number == MAX_MEMBERS:
                        limit = f"{self.config.max_bytes} bytes" if left < 0 else f"{MAX_MEMBERS} members"
                        yield "", Unreadable(f"unpacks to more than {limit}; the rest is not read")
                        return
                    if wanted(name):
                        yield name, _content(member, max_bytes)
        except _BROKEN as error:
            yield "", Unreadable(f"cannot be read beyond {name or 'its start'} ({type(error).__name__}: {error})")


def _content(member: Member, max_bytes: int) -> bytes | Unreadable:
    """The bytes of a member, never more than may be, whatever size its header claims."""
    if member.refusal:
        return Unreadable(member.refusal)
    if member.num_bytes > max_bytes:
        return Unreadable(f"{member.num_bytes} bytes, more than {max_bytes}")
    try:
        file = member.open()
        if file is None:
            return Unreadable("not a regular file")
        with file:
            content = file.read(max_bytes + 1)
    except _BROKEN as error:
        return Unreadable(f"cannot be unpacked ({type(error).__name__}: {error})")
    return content if len(content) == member.num_bytes else Unreadable("has not the size its header says")


class _StrictInfo(tarfile.TarInfo):
    """Refuses what tarfile accepts: facts of any length, held in memory, and an end without the end marker."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictInfo":
        if len(buf) != tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it ends early")
        info = super().frombuf(buf, encoding, errors)
        if info.type in _LONG_HEADERS and info.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[Member]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield _zip_members(archive)
    else:
        with tarfile.open(path, "r|*", errorlevel=1, tarinfo=_StrictInfo) as archive:
            yield _tar_members(archive)


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        if info.is_dir():
            continue
        kind = info.external_attr >> 28
        refusal = _refusal(info.filename) or ("a symbolic link, which is not followed" if kind == 0o12 else None)
        refusal = refusal or ("encrypted" if info.flag_bits & 1 else None)
        yield Member(info.filename, info.file_size, refusal, lambda info=info: archive.open(info))  # type: ignore[misc]


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    while (info := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # a stream never goes back to them
        if info.isdir():
            continue
        refusal = _refusal(info.name) or (None if info.isreg() else "not a regular file")
        size = info.size if info.isreg() else 0
        name = info.name.removeprefix("./")
        yield Member(name, size, refusal, lambda info=info: archive.extractfile(info))  # type: ignore[misc]


def _refusal(name: str) -> str | None:
    leads_out = name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or name[1:2] == ":"
    return "its name leads out of the archive" if leads_out else None
