"""What the training stages share: seeds, progress, and where the model is written."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from better_ai.config import TrainingConfig
from better_ai.model import Transformer
from better_ai.pipeline.stage import Progress, StageContext, StageResult, Throttle
from better_ai.training import StepReport, TrainingResult

MODEL = "model"
CHECKPOINTS = "checkpoints"
METRICS = "metrics.jsonl"


def seeded(config: TrainingConfig, context: StageContext) -> TrainingConfig:
    """The training configuration with the recipe's seed added to its own."""
    return config.model_copy(update={"seed": config.seed + context.recipe.seed})


def report_steps(progress: Progress, figures: Callable[[StepReport], dict[str, str]]) -> Callable[[StepReport], None]:
    """A callback for the trainer that draws its steps, a few times a second at most."""
    throttle = Throttle()

    def on_step(report: StepReport) -> None:
        if throttle.ready(always=report.step == report.max_steps):
            progress.update(report.step, report.max_steps, **figures(report))

    return on_step


def finish_training(
    context: StageContext, model: Transformer, result: TrainingResult, metrics: dict[str, Any]
) -> StageResult:
    """Write the model and say what the stage made. The checkpoints are dropped once the stage is in its place."""
    folder = context.folder / MODEL
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    products = [path.relative_to(context.folder).as_posix() for path in sorted(Path(folder).iterdir())]
    return StageResult(
        products=products,
        metrics={
            "steps": result.steps,
            "tokens": result.tokens,
            "training_seconds": result.seconds,
            "training_cpu_seconds": result.cpu_seconds,
            "last_step": result.metrics,
            **metrics,
        },
        discard=(CHECKPOINTS,),
    )
