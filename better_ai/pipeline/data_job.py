"""A corpus by itself: the main job's first stage, run from a data recipe."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from better_ai.artifacts import MANIFEST, Manifest, StageFolder, run_lock
from better_ai.config import DataRecipe, Recipe
from better_ai.data.corpus.collect import forget_parts
from better_ai.data.engine import OnProgress
from better_ai.data.takedown import read_requests
from better_ai.errors import UserError
from better_ai.pipeline.clock import stage_clock
from better_ai.pipeline.run import run_stages
from better_ai.pipeline.stage import Progress, Silent, Stage, StageResult
from better_ai.pipeline.stages import data

DATA = Stage(
    "data",
    lambda recipe: {"data": recipe.data},
    (),
    data.work,
    seeded=False,
    remembers=lambda run: read_requests(run).identity(),
)


def run_data_recipe(recipe: DataRecipe, runs: Path, *, progress: Progress | None = None) -> Manifest:
    """Build the corpus of a recipe in `runs/<name>/data`; a finished one is found and an interrupted one goes on.

    Raises UserError when too little is left of the sources, ArtifactError for a locked or damaged run folder.
    """
    # The runner and this stage read nothing of a recipe but what a data recipe has as well.
    manifests = run_stages(cast(Recipe, recipe), [DATA], runs, progress=progress)
    return manifests[DATA.name]


def require_corpus(run: Path) -> None:
    """Raises UserError when `run` is not the folder of a run with a finished corpus; to be asked before locking it."""
    if not (run / DATA.name / MANIFEST).is_file():
        raise UserError(
            f"{run} holds no finished corpus; give the folder of a run, such as runs/machine, "
            "or build one with `better-ai data build`"
        )


def run_on_corpus(
    run: Path,
    name: str,
    *,
    asked: Mapping[str, Any],
    work: Callable[[Path, OnProgress], StageResult],
    progress: Progress | None = None,
) -> Manifest:
    """A stage `run/<name>` made of the run's corpus: a finished one is found, an interrupted one goes on.

    `asked`: plain JSON values by which it is known. `work`: the folder to write in, and whom to tell of phases.
    Raises UserError when there is no corpus, ArtifactError for a locked or damaged run folder.
    """
    progress = progress or Silent()
    require_corpus(run)
    with run_lock(run):
        progress.begin(name, 1, 1)
        corpus = Manifest.read(run / DATA.name)
        stage = StageFolder(run, name, kind=name, config=dict(asked), inputs={DATA.name: corpus.content_id})
        if stage.manifest is not None:
            progress.end(name, skipped=True, seconds=0.0)
            return stage.manifest
        corpus.verify(run / DATA.name, products_only=True)
        folder = stage.begin()
        with stage_clock(folder) as clock:

            def on_progress(phase: str, done: int, total: int, counts: Mapping[str, Any]) -> None:
                clock.tick()
                if total:
                    progress.update(done, total, phase=phase, items=f"{done:,}/{total:,}")

            result = work(folder, on_progress)
        usage = clock.usage()
        metrics = {"usage": asdict(usage), **result.metrics}
        manifest = stage.finish(products=result.products, metrics=metrics, discard=result.discard)
        progress.end(name, skipped=False, seconds=usage.seconds)
        return manifest


def forget_sources(run: Path) -> None:
    """Make the next build list its sources anew and read what has changed. Raises ArtifactError when one is at work."""
    with run_lock(run):
        forget_parts(run / data.WORK_FOLDER)
        (run / DATA.name / MANIFEST).unlink(missing_ok=True)
