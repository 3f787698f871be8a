"""The Python standard library of the running interpreter: real code, under the PSF licence, wherever Python is."""

import platform
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from better_ai.config import StdlibSource
from better_ai.data.collectors.python_files import Origin, collect_python_files
from better_ai.data.step import Stepped

TEST_FOLDERS = {"test", "tests", "idle_test"}
"""Names of the folders that hold the library's own tests and their data."""


def collect_stdlib(source: StdlibSource, *, max_bytes: int) -> Iterator[Stepped]:
    """Yield the library's files, without installed packages and, unless asked for, without its tests."""
    version = platform.python_version()
    origin = Origin(
        name="python-stdlib",
        license="PSF-2.0",
        provenance={
            "origin": "python-stdlib",
            "revision": f"{platform.python_implementation()} {version}",
            "license_evidence": "part of the Python distribution, whose LICENSE is the PSF License Version 2",
        },
    )

    def skip(path: str) -> bool:
        folders = path.split("/")[:-1]
        foreign = "site-packages" in folders or "dist-packages" in folders
        return foreign or (not source.include_tests and not TEST_FOLDERS.isdisjoint(folders))

    return collect_python_files(Path(sysconfig.get_path("stdlib")), origin, max_bytes=max_bytes, skip=skip)
