"""A corpus by itself: the main job's first stage, run from a data recipe."""

from pathlib import Path
from typing import cast

from better_ai.artifacts import MANIFEST, Manifest, run_lock
from better_ai.config import DataRecipe, Recipe
from better_ai.data.corpus.collect import forget_parts
from better_ai.data.takedown import read_requests
from better_ai.errors import UserError
from better_ai.pipeline.run import run_stages
from better_ai.pipeline.stage import Progress, Stage
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


def forget_sources(run: Path) -> None:
    """Make the next build list its sources anew and read what has changed. Raises ArtifactError when one is at work."""
    with run_lock(run):
        forget_parts(run / data.WORK_FOLDER)
        (run / DATA.name / MANIFEST).unlink(missing_ok=True)
