"""The runner: stages in order, each skipped when it is finished and nothing it depends on has changed."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from better_ai.artifacts import Manifest, StageFolder, run_lock
from better_ai.config import Recipe
from better_ai.errors import UserError
from better_ai.pipeline.clock import StageClock, stage_clock
from better_ai.pipeline.stage import Progress, Silent, Stage, StageContext


class _Ticking:
    """Passes progress on and lets the stage's clock save itself."""

    def __init__(self, inner: Progress, clock: StageClock) -> None:
        self.inner, self.clock = inner, clock
        self.begin, self.note, self.end = inner.begin, inner.note, inner.end

    def update(self, completed: float, total: float, **fields: str) -> None:
        self.clock.tick()
        self.inner.update(completed, total, **fields)


def run_stages(
    recipe: Recipe,
    stages: Sequence[Stage],
    runs: Path,
    *,
    until: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Manifest]:
    """Run a recipe's stages in `runs/<recipe name>`; returns the manifests by stage.

    Raises UserError for an unknown `until`, ArtifactError for a locked or damaged run folder.
    """
    progress = progress or Silent()
    names = [stage.name for stage in stages]
    if until is not None and until not in names:
        raise UserError(f"there is no stage {until!r}; the stages are {', '.join(names)}")
    wanted = stages[: names.index(until) + 1] if until else stages
    run = runs / recipe.name
    done: dict[str, Manifest] = {}
    with run_lock(run):
        for position, stage in enumerate(wanted, 1):
            progress.begin(stage.name, position, len(wanted))
            done[stage.name] = _run_stage(recipe, stage, run, done, progress)
    return done


def stage_folder(recipe: Recipe, stage: Stage, run: Path, done: dict[str, Manifest]) -> StageFolder:
    """The folder of a stage, keyed by what the recipe asks and by the content of its inputs."""
    return StageFolder(
        run,
        stage.name,
        kind=stage.name,
        config={**{name: section.identity() for name, section in stage.config(recipe).items()}, **stage.remembers(run)},
        inputs={name: done[name].content_id for name in stage.inputs},
        seeds={"recipe": recipe.seed} if stage.seeded else {},
    )


def _run_stage(recipe: Recipe, stage: Stage, run: Path, done: dict[str, Manifest], progress: Progress) -> Manifest:
    started = time.monotonic()
    folder = stage_folder(recipe, stage, run, done)
    if folder.manifest is not None:
        progress.end(stage.name, skipped=True, seconds=time.monotonic() - started)
        return folder.manifest
    partial = folder.begin()
    with stage_clock(partial) as clock:
        context = StageContext(
            recipe=recipe,
            run=run,
            folder=partial,
            inputs={name: run / name for name in stage.inputs},
            progress=_Ticking(progress, clock),
        )
        result = stage.work(context)
    usage = clock.usage()
    manifest = folder.finish(
        products=result.products, metrics={"usage": asdict(usage), **result.metrics}, discard=result.discard
    )
    progress.end(stage.name, skipped=False, seconds=usage.seconds)
    return manifest
