"""Run folders: `runs/<run>/<stage>/`, built aside under `.partial` and renamed when finished.

A finished stage is never written to again. A stage asked for with another configuration is built aside too; only when
that is finished does it take the place of the old one, which moves to `.replaced`.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from better_ai.artifacts.atomic import cannot_write
from better_ai.artifacts.digest import sha256_file
from better_ai.artifacts.manifest import (
    MANIFEST,
    FileRecord,
    Manifest,
    artifact_id,
    environment,
    request_key,
)
from better_ai.errors import ArtifactError


class StageFolder:
    """One stage of one run: either finished (`manifest` is set) or being built in `partial`."""

    def __init__(
        self,
        run: Path,
        name: str,
        *,
        kind: str,
        config: dict[str, Any],
        inputs: dict[str, str],
        seeds: dict[str, int] | None = None,
    ) -> None:
        self.run, self.name, self.kind = run, name, kind
        self.config, self.inputs, self.seeds = config, inputs, seeds or {}
        self.key = request_key(kind, config, inputs, self.seeds)
        self.path = run / name
        self.partial = run / ".partial" / f"{name}-{self.key[:12]}"
        self.manifest = self._finished()

    def _finished(self) -> Manifest | None:
        if (self.path / MANIFEST).exists():
            manifest = Manifest.read(self.path)
            if manifest.key == self.key:
                manifest.verify(self.path, products_only=True)
                return manifest
        if (self.partial / MANIFEST).exists():
            # Its manifest was written, so it is finished; the process was killed before it could move the folder.
            manifest = Manifest.read(self.partial)
            manifest.verify(self.partial, products_only=True)
            self._move_into_place()
            return manifest
        return None

    def begin(self) -> Path:
        """The folder to build in; what an interrupted run left there is still there."""
        try:
            self.partial.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.partial, error) from error
        return self.partial

    def finish(self, *, products: list[str], metrics: dict[str, Any], discard: tuple[str, ...] = ()) -> Manifest:
        """Record every file, drop what `discard` names, and move the folder to its place.

        `products` are the files that make up the artifact's identity; all others are recorded as logs.
        """
        files = {}
        for path in sorted(self.partial.rglob("*")):
            name = path.relative_to(self.partial).as_posix()
            if path.is_file() and name != MANIFEST and name.split("/")[0] not in discard:
                files[name] = FileRecord(sha256=sha256_file(path), bytes=path.stat().st_size, product=name in products)
        if missing := [name for name in products if name not in files]:
            raise ArtifactError(
                f"stage {self.name} did not write {', '.join(missing)}; this is a bug, please report it"
            )
        manifest = Manifest(
            kind=self.kind,
            key=self.key,
            content_id=artifact_id(self.kind, self.inputs, files),
            config=self.config,
            inputs=self.inputs,
            files=files,
            metrics=metrics,
            seeds=self.seeds,
            environment=environment(),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        manifest.write(self.partial)
        self._move_into_place()
        for name in discard:
            shutil.rmtree(self.path / name, ignore_errors=True)
        self.manifest = manifest
        return manifest

    def _move_into_place(self) -> None:
        try:
            if self.path.exists():
                old = Manifest.read(self.path).content_id if (self.path / MANIFEST).exists() else "unfinished"
                replaced = self.run / ".replaced" / f"{self.name}-{old[:12]}"
                replaced.parent.mkdir(exist_ok=True)
                shutil.rmtree(replaced, ignore_errors=True)
                self.path.rename(replaced)
            self.partial.rename(self.path)
        except OSError as error:
            raise cannot_write(self.path, error) from error


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Hold the run folder alone. Raises ArtifactError at once when another process holds it."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise ArtifactError(
            f"another process is working on {run}; wait for it, stop it, or choose another name"
        ) from None
    except OSError as error:
        raise cannot_write(run, error) from error
    try:
        yield
    finally:
        lock.release()
