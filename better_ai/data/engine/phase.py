"""A phase: one function over many shards, each with a finished folder of its own or none at all.

The output of item 12 of a phase lies in `<root>/<name>-<key>/00012/`, or in a folder named by the item's identity
where there is one, with a `done.json` beside the files: counts, the SHA-256 of each file, CPU seconds. The folder
appears by one rename, so it is whole or absent, and a phase that is run again does only what is missing or what the
disk has damaged since. The key digests all that the outputs depend on besides the item's identity.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import better_ai
from better_ai.artifacts import atomic_folder, content_id, read_json, sha256_file, write_json
from better_ai.data.engine.executor import Executor, InlineExecutor
from better_ai.errors import ArtifactError

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
    files: dict[str, str]
    """SHA-256 by name."""
    cpu_seconds: float
    """What it took when it was computed; differs from run to run."""

    @classmethod
    def read(cls, folder: Path) -> "ShardResult":
        return cls(folder, **read_json(folder / DONE))

    @property
    def identity(self) -> str:
        """Digest of the files."""
        return content_id(self.files)


@dataclass(frozen=True)
class Phases:
    """Where phases put their output and who runs them."""

    root: Path
    executor: Executor = field(default_factory=InlineExecutor)
    on_progress: OnProgress | None = None
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    """By phase: what its outputs took when they were computed."""
    _used: set[Path] = field(default_factory=set)

    def run(
        self,
        name: str,
        task: ShardTask,
        items: Sequence[Any],
        *,
        key: Mapping[str, Any],
        identities: Sequence[str] | None = None,
    ) -> list[ShardResult]:
        """The results of all items, in their order; those finished before are not computed again.

        `key`: plain JSON values that determine the outputs (settings, versions, the identity of the inputs), with the
        items' positions or, if given, with their `identities`; equal identities share one folder.
        """
        names = identities or [f"{number:05d}" for number in range(len(items))]
        folders = [self.folder(name, identity, key=key) for identity in names]
        work = dict(zip(folders, items, strict=True))
        finished = self.finished(work)
        missing = [(item, folder) for folder, item in work.items() if folder not in finished]
        for _ in self.map(name, partial(_run_task, task), missing, done=len(work) - len(missing)):
            pass
        results = [ShardResult.read(folder) for folder in folders]
        self.cpu_seconds[name] = self.cpu_seconds.get(name, 0.0) + sum(result.cpu_seconds for result in results)
        return results

    def finished(self, folders: Iterable[Path]) -> set[Path]:
        """Those of the outputs that are there; one whose bytes are no longer what was written is removed."""
        found = [folder for folder in folders if is_done(folder)]
        finished = set()
        for position, intact in self.executor.map(is_intact, found):
            if intact:
                finished.add(found[position])
            else:
                shutil.rmtree(found[position])
        return finished

    def folder(self, name: str, identity: str, *, key: Mapping[str, Any]) -> Path:
        """Where an output of this name belongs. It will survive `prune`."""
        folder = self.root / f"{name}-{content_id([dict(key), better_ai.__version__])[:12]}" / identity[:32]
        self._used.add(folder)
        return folder

    def map(
        self, name: str, function: Callable[[Any], Mapping[str, Any]], work: Sequence[Any], *, done: int = 0
    ) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Run a function over work items and tell the progress; `done` others were finished before."""
        tell = self.on_progress or (lambda name, done, total, counts: None)
        total = done + len(work)
        tell(name, done, total, {})
        for position, counts in self.executor.map(function, work):
            done += 1
            tell(name, done, total, counts)
            yield position, counts

    def clear_leftovers(self) -> None:
        """Remove what killed processes have begun."""
        for leftover in self.root.rglob(".*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)

    def forget(self, folder: Path) -> None:
        """Let `prune` remove this output, so that the next build computes it again."""
        self._used.discard(folder)

    def prune(self) -> None:
        """Remove the outputs that this object was not asked for."""
        homes = {parent for folder in self._used for parent in folder.parents}
        waiting = [self.root]
        while waiting:
            for folder in waiting.pop().iterdir():
                if folder in homes:
                    waiting.append(folder)
                elif folder not in self._used:
                    shutil.rmtree(folder, ignore_errors=True)


def is_done(folder: Path) -> bool:
    """Whether an output is finished."""
    return (folder / DONE).exists()


def is_intact(folder: Path) -> bool:
    """Whether a finished output still has the bytes that were written."""
    try:
        files = ShardResult.read(folder).files
    except (ArtifactError, TypeError):
        return False
    return all((folder / name).is_file() and sha256_file(folder / name) == digest for name, digest in files.items())


@contextmanager
def new_output(folder: Path) -> Iterator[Path]:
    """A fresh folder that becomes `folder`, unless another process has finished the same output meanwhile.

    That may be a worker whose build was killed, or one that died before it could answer; its bytes are the same.
    """
    try:
        with atomic_folder(folder) as building:
            yield building
    except ArtifactError:
        if not is_done(folder):
            raise


def finish_output(folder: Path, counts: Mapping[str, Any], *, cpu_seconds: float) -> None:
    """Leave `done.json` beside the files of a folder that is ready to appear."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    files = {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
    write_json(folder / DONE, {"counts": dict(counts), "files": files, "cpu_seconds": round(cpu_seconds, 4)})


def cpu_seconds() -> float:
    """CPU time of this process, and of the programs that it has run."""
    programs = os.times()
    return time.process_time() + programs.children_user + programs.children_system


def _run_task(task: ShardTask, work: tuple[Any, Path]) -> dict[str, Any]:
    """In a worker: compute one shard and make it appear."""
    item, folder = work
    started = cpu_seconds()
    if not is_done(folder):
        with new_output(folder) as building:
            counts = task(item, building)
            finish_output(building, counts, cpu_seconds=cpu_seconds() - started)
    return ShardResult.read(folder).counts
