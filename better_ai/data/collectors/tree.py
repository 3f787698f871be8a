"""Trees of files on this machine: what the collectors of folders and of installed distributions share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.evidence import (
    MAX_EVIDENCE_BYTES,
    Evidence,
    as_configured,
    find_licenses,
    pack_licenses,
    speaks_of_license,
    unpack_licenses,
)
from better_ai.data.collectors.files import Entry, list_files, read_file, split_into_parts, unpack_path
from better_ai.data.collectors.rows import Origin, Unreadable, collect_files
from better_ai.data.collectors.selection import Selection
from better_ai.data.collectors.source_file import source_document
from better_ai.data.step import Stepped, document_batch, rejected_batch
from better_ai.errors import UserError

DETECT = "detect"
"""As the licence in a configuration: read it from the licence files."""

Read = Callable[[str], Sequence[Mapping[str, Any]]]
"""Path -> documents. Raises Unreadable."""


def list_folder(root: Path, *, license: str, wanted: Callable[[str], bool]) -> list[Part]:
    """The parts of a folder. Raises UserError when it is none or holds no file that is wanted.

    Payload: that of `split_into_parts`, and `licenses`, what the folders above the files say.
    """
    if not root.is_dir():
        raise UserError(f"{root} is no folder; correct the path of the source")
    listing = list_files(root, lambda path: wanted(path) or (license == DETECT and speaks_of_license(path)))
    files = [entry for entry in listing.files if wanted(entry.path)]
    if not files:
        raise UserError(f"{root} holds no files of the kinds asked for that can be read; correct the source")
    return with_licenses(
        split_into_parts(files, unlisted=listing.unlisted), licenses_below(root, listing.files, license=license)
    )


def licenses_below(root: Path, entries: Sequence[Entry], *, license: str) -> dict[str, Evidence]:
    """What is declared for the whole folder, or else what its licence files and package metadata say."""
    if license != DETECT:
        return as_configured(license)
    return find_licenses(_speaking(root, entries))


def with_licenses(parts: list[Part], licenses: Mapping[str, Evidence]) -> list[Part]:
    """The parts, each with what concerns its files."""
    for part in parts:
        part.payload["licenses"] = pack_licenses(map(unpack_path, part.payload["files"]), licenses)
    return parts


def read_tree(part: Part, read: Read, origin: Origin) -> Iterator[Stepped]:
    """What `read` makes of the files of a part; first the folders that could not be listed."""
    folders = [(unpack_path(path), reason) for path, reason in part.payload["unlisted"]]
    unlisted = [Unreadable(reason).reject(origin.source(path)) for path, reason in folders]
    if unlisted:
        yield Stepped(document_batch([]), rejected_batch(unlisted))
    yield from collect_files([unpack_path(path) for path in part.payload["files"]], read, origin)


def source_reader(root: Path, part: Part, selection: Selection, origin: Origin, *, max_document_bytes: int) -> Read:
    """How source code is read: refused by name, else read, else refused by content."""
    licenses = unpack_licenses(part.payload["licenses"])

    def read(path: str) -> Sequence[Mapping[str, Any]]:
        if reason := selection.refuse_path(path):
            raise Unreadable(reason)
        raw = read_file(root / path, max_document_bytes)
        return source_document(raw, path, selection=selection, licenses=licenses, origin=origin)

    return read


def _speaking(root: Path, entries: Sequence[Entry]) -> Iterator[tuple[str, bytes]]:
    """Licence files and package metadata that can be read."""
    for entry in entries:
        if speaks_of_license(entry.path):
            try:
                yield entry.path, read_file(root / entry.path, MAX_EVIDENCE_BYTES)
            except Unreadable:
                continue
