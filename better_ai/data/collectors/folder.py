"""Any folder of source files, whose licence its owner declares or its licence files tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from better_ai.config.data.sources import FolderSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.rows import Origin
from better_ai.data.collectors.selection import Selection
from better_ai.data.collectors.tree import list_folder, read_tree, source_reader
from better_ai.data.step import Stepped


@dataclass(frozen=True)
class FolderCollector:
    """The files of some languages below a folder."""

    config: FolderSource

    def parts(self) -> list[Part]:
        return list_folder(self._root, license=self.config.license, wanted=self._selection.lists)

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        origin = Origin(self.config.path, "unknown", None)
        read = source_reader(self._root, part, self._selection, origin, max_document_bytes=max_document_bytes)
        return read_tree(part, read, origin)

    @property
    def _root(self) -> Path:
        return Path(self.config.path).expanduser()

    @property
    def _selection(self) -> Selection:
        return Selection(frozenset(self.config.languages), frozenset(self.config.exclude))
