"""Conversations made of a run's corpus: the stage that turns documents into task sets."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from better_ai.artifacts import Manifest
from better_ai.config import SandboxConfig
from better_ai.config.data import ProcessingConfig
from better_ai.data import TRAIN, corpus_files
from better_ai.data.engine import OnProgress
from better_ai.data.processing.build import build_task_sets
from better_ai.errors import SandboxUnavailable
from better_ai.pipeline.data_job import DATA, run_on_corpus
from better_ai.pipeline.jail import open_sandbox
from better_ai.pipeline.stage import Progress, StageResult
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

    def work(folder: Path, on_progress: OnProgress) -> StageResult:
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
        return StageResult(products, {NAME: stats.to_dict()}, discard=(WORK_FOLDER,))

    asked = {"processing": config.identity(), "verified": sandbox is not None}
    return run_on_corpus(run, NAME, asked=asked, work=work, progress=progress)


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
