"""A phase: one function over many shards, each with a finished folder of its own or none at all.

The output of item 12 of a phase lies in `<root>/<name>-<key>/00012/` with a `done.json` beside the files. The folder
appears by one rename, so it is whole or absent, and a phase that is run again does only what is missing. The key
digests all that the outputs depend on.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from better_ai.artifacts import atomic_folder, content_id, read_json, write_json
from better_ai.data.engine.executor import Executor, InlineExecutor

DONE = "done.json"

ShardTask = Callable[[Any, Path], Mapping[str, Any]]
"""Item, fresh folder -> counts as plain JSON values. Writes its files into the folder. Picklable, and a pure function
of the item: the same item gives the same bytes."""

OnProgress = Callable[[str, int, int, Mapping[str, Any]], None]
"""Told the phase, how many of its shards are done, of how many, and the counts of the latest (empty at the start)."""


@dataclass(frozen=True)
class ShardResult:
    """The finished output of one item."""

    folder: Path
    counts: dict[str, Any]


@dataclass(frozen=True)
class Phases:
    """Where phases put their output and who runs them."""

    root: Path
    executor: Executor = field(default_factory=InlineExecutor)
    on_progress: OnProgress = lambda name, done, total, counts: None

    def run(self, name: str, task: ShardTask, items: Sequence[Any], *, key: Mapping[str, Any]) -> list[ShardResult]:
        """The results of all items, in their order; those finished before are not computed again.

        `key`: plain JSON values that, with the items' positions, determine the outputs (settings, versions, the
        identity of the inputs).
        """
        home = self.root / f"{name}-{content_id(dict(key))[:12]}"
        home.mkdir(parents=True, exist_ok=True)
        for leftover in home.glob(".*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)
        folders = [home / f"{number:05d}" for number in range(len(items))]
        missing = [number for number, folder in enumerate(folders) if not (folder / DONE).exists()]
        done = len(items) - len(missing)
        self.on_progress(name, done, len(items), {})
        work = [(items[number], folders[number]) for number in missing]
        for _, counts in self.executor.map(partial(_run_task, task), work):
            done += 1
            self.on_progress(name, done, len(items), counts)
        return [ShardResult(folder, read_json(folder / DONE)) for folder in folders]


def _run_task(task: ShardTask, work: tuple[Any, Path]) -> dict[str, Any]:
    """In a worker: compute one shard and make it appear."""
    item, folder = work
    with atomic_folder(folder) as building:
        counts = dict(task(item, building))
        write_json(building / DONE, counts)
    return counts
