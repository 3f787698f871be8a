"""The Python standard library of the running interpreter: real code, under the PSF licence, wherever Python is."""

import platform
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from better_ai.config.data import StdlibSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.files import list_files, read_file, split_into_parts
from better_ai.data.collectors.rows import Origin
from better_ai.data.collectors.text import decode_text
from better_ai.data.collectors.tree import read_tree
from better_ai.data.step import Stepped

TEST_FOLDERS = {"test", "tests", "idle_test"}
"""Names of the folders that hold the library's own tests and their data."""


@dataclass(frozen=True)
class StdlibCollector:
    """The library's files, without installed packages and, unless asked for, without its tests."""

    config: StdlibSource

    def parts(self) -> list[Part]:
        listing = list_files(self._root, self._wanted)
        return split_into_parts(listing.files, unlisted=listing.unlisted)

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        origin = Origin(
            name="python-stdlib",
            license="PSF-2.0",
            license_evidence="part of the Python distribution, whose LICENSE is the PSF License Version 2",
            revision=f"{platform.python_implementation()} {platform.python_version()}",
        )

        def read(path: str) -> Sequence[Mapping[str, Any]]:
            raw = read_file(self._root / path, max_document_bytes)
            return [origin.document(decode_text(raw, language="python")[0], path=path, language="python", raw=raw)]

        return read_tree(part, read, origin)

    @property
    def _root(self) -> Path:
        return Path(sysconfig.get_path("stdlib"))

    def _wanted(self, path: str) -> bool:
        folders = path.split("/")[:-1]
        foreign = "site-packages" in folders or "dist-packages" in folders
        tests = not self.config.include_tests and not TEST_FOLDERS.isdisjoint(folders)
        return path.endswith(".py") and not foreign and not tests
