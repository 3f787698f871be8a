"""Any folder of Python files whose licence its owner declares."""

from collections.abc import Iterator
from pathlib import Path

from better_ai.config import FolderSource
from better_ai.data.collectors.python_files import Origin, collect_python_files
from better_ai.data.step import Stepped


def collect_folder(source: FolderSource, *, max_bytes: int) -> Iterator[Stepped]:
    """Yield every Python file below the folder. Raises UserError when there is none."""
    origin = Origin(
        name=source.path,
        license=source.license,
        provenance={
            "origin": source.path,
            "revision": None,
            "license_evidence": f"declared as {source.license} in the configuration",
        },
    )
    return collect_python_files(Path(source.path).expanduser(), origin, max_bytes=max_bytes)
