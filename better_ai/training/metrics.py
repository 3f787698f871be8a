"""The log of a run: one JSON object per line, named `area/thing_unit`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from better_ai.artifacts import atomic_write
from better_ai.artifacts.atomic import cannot_write


class MetricsLog:
    """`metrics.jsonl`: appended to line by line, cut back when a run resumes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def drop_after(self, step: int) -> None:
        """Start the file, or drop what a killed run logged after its last checkpoint: those steps come again."""
        kept = [line for line in _whole_lines(self.path) if json.loads(line)["step"] <= step]
        with atomic_write(self.path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept), "utf-8")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append the values of one step. Raises ArtifactError when the disk is full."""
        line = json.dumps({"step": step, **values}, allow_nan=False) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def flush(self) -> None:
        """Wait until what was written is on the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The logged steps, in order."""
    return [json.loads(line) for line in _whole_lines(path)]


def _whole_lines(path: Path) -> list[str]:
    """The lines that were written to their end: a killed process may leave half a line."""
    if not path.exists():
        return []
    text = path.read_text("utf-8")
    return text[: text.rfind("\n") + 1].splitlines()
