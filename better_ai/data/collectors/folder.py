"""Any folder of files whose licence its owner declares."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from better_ai.config.data import FolderSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.files import list_files, read_file, split_into_parts, unpack_path
from better_ai.data.collectors.rows import Origin, Unreadable, collect_files
from better_ai.data.collectors.text import decode_text
from better_ai.data.step import Stepped, document_batch, rejected_batch
from better_ai.errors import UserError


@dataclass(frozen=True)
class FolderCollector:
    """The Python files below a folder."""

    config: FolderSource

    def parts(self) -> list[Part]:
        root = self._root
        if not root.is_dir():
            raise UserError(f"{root} is no folder with Python files; correct the path of the source")
        listing = list_files(root, lambda path: path.endswith(".py"))
        if not listing.files:
            raise UserError(f"{root} holds no Python files that can be read; correct the path of the source")
        return split_into_parts(listing.files, unlisted=listing.unlisted)

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        declared = f"declared as {self.config.license} in the configuration"
        origin = Origin(self.config.path, self.config.license, declared)
        return read_python_files(part, self._root, origin, max_document_bytes=max_document_bytes)

    @property
    def _root(self) -> Path:
        return Path(self.config.path).expanduser()


def read_python_files(part: Part, root: Path, origin: Origin, *, max_document_bytes: int) -> Iterator[Stepped]:
    """What a part of a folder's listing holds; first the folders that could not be listed."""

    def read(path: str) -> Sequence[Mapping[str, Any]]:
        raw = read_file(root / path, max_document_bytes)
        return [origin.document(decode_text(raw), path=path, language="python", raw=raw)]

    unlisted = [
        Unreadable(reason).reject(origin.source(unpack_path(path))) for path, reason in part.payload["unlisted"]
    ]
    if unlisted:
        yield Stepped(document_batch([]), rejected_batch(unlisted))
    yield from collect_files([unpack_path(path) for path in part.payload["files"]], read, origin)
