"""Conversations made of a run's corpus: the stage that turns documents into task sets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from better_ai.artifacts import Manifest, StageFolder, run_lock
from better_ai.config import SandboxConfig
from better_ai.config.data import ProcessingConfig
from better_ai.data import TRAIN, corpus_files
from better_ai.data.processing.build import build_task_sets
from better_ai.errors import SandboxUnavailable
from better_ai.pipeline.clock import stage_clock
from better_ai.pipeline.data_job import DATA, require_corpus
from better_ai.pipeline.jail import open_sandbox
from better_ai.pipeline.stage import Progress, Silent
from better_ai.sandbox import Sandbox

NAME = "conversations"
WORK_FOLDER = ".processing"
"""In the run's folder: what an interrupted build has left; removed at its end."""


def build_conversations(
    run: Path, config: ProcessingConfig, *, sandbox: SandboxConfig | None = None, progress: Progress | None = None
) -> Manifest:
    """Make conversations of the documents in `run/data/train`; a finished build is found, an interrupted one goes on.

    `sandbox`: where the examples in docstrings are run, so that a bug put into a function is known to fail them; None:
    no bug is verified. Raises UserError when nothing comes out or there is no corpus, ArtifactError for a locked or
    damaged run folder.
    """
    progress = progress or Silent()
    require_corpus(run)
    with run_lock(run):
        progress.begin(NAME, 1, 1)
        corpus = Manifest.read(run / DATA.name)
        asked = {"processing": config.identity(), "verified": sandbox is not None}
        stage = StageFolder(run, NAME, kind=NAME, config=asked, inputs={DATA.name: corpus.content_id})
        if stage.manifest is not None:
            progress.end(NAME, skipped=True, seconds=0.0)
            return stage.manifest
        corpus.verify(run / DATA.name, products_only=True)
        folder = stage.begin()
        with stage_clock(folder) as clock:

            def on_progress(phase: str, done: int, total: int, counts: Mapping[str, Any]) -> None:
                clock.tick()
                if total:
                    progress.update(done, total, phase=phase, items=f"{done:,}/{total:,}")

            try:
                stats = build_task_sets(
                    config,
                    corpus_files(run / DATA.name, TRAIN),
                    folder,
                    work=folder / WORK_FOLDER,
                    on_progress=on_progress,
                    passes=None if sandbox is None else JailedTests(sandbox),
                )
            finally:
                _jail.cache_clear()  # which ends the jail of this process
        files = [path.relative_to(folder) for path in sorted(folder.rglob("*.parquet"))]
        products = [path.as_posix() for path in files if path.parts[0] != WORK_FOLDER]
        usage = clock.usage()
        manifest = stage.finish(
            products=products, metrics={"usage": asdict(usage), NAME: stats.to_dict()}, discard=(WORK_FOLDER,)
        )
        progress.end(NAME, skipped=False, seconds=usage.seconds)
        return manifest


@dataclass(frozen=True)
class JailedTests:
    """Runs a program with its tests in a jail and says whether it ended well. Each process opens one jail of its own.

    Raises SandboxUnavailable where there can be none, or it gives no verdict.
    """

    config: SandboxConfig

    def __call__(self, program: str, tests: str) -> bool:
        result = _jail(self.config).run(f"{program}\n{tests}")
        if result.status in ("error", "lost"):
            raise SandboxUnavailable(
                f"the jail gave no verdict ({result.stderr.strip() or result.status}); run it again"
            )
        return result.status == "exit" and result.exit_code == 0


@cache
def _jail(config: SandboxConfig) -> Sandbox:
    return open_sandbox(config.model_copy(update={"workers": 1}))
