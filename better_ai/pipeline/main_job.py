"""The main job: from source code to a model that writes tested code."""

from pathlib import Path

from better_ai.artifacts import Manifest, write_json
from better_ai.config import Recipe
from better_ai.pipeline.data_job import DATA
from better_ai.pipeline.run import run_stages
from better_ai.pipeline.stage import Progress, Stage
from better_ai.pipeline.stages import evaluate, pretrain, report, rl, sft, tasks, tokenizer
from better_ai.pipeline.summary import SUMMARY, summarize

# Tasks come before the long stages: where the jail cannot be had, a run ends within seconds and not after minutes.
STAGES = (
    DATA,
    Stage("tokenizer", lambda recipe: {"tokenizer": recipe.tokenizer}, ("data",), tokenizer.work, seeded=False),
    Stage("tasks", lambda recipe: {"tasks": recipe.tasks, "sandbox": recipe.sandbox}, (), tasks.work),
    Stage("pretrain", lambda recipe: {"pretrain": recipe.pretrain}, ("data", "tokenizer"), pretrain.work),
    Stage("sft", lambda recipe: {"sft": recipe.sft}, ("tokenizer", "pretrain", "tasks"), sft.work),
    Stage("rl", lambda recipe: {"rl": recipe.rl, "sandbox": recipe.sandbox}, ("tokenizer", "tasks", "sft"), rl.work),
    Stage(
        "evaluate",
        lambda recipe: {"evaluate": recipe.evaluate, "sandbox": recipe.sandbox},
        ("tokenizer", "tasks", "pretrain", "sft", "rl"),
        evaluate.work,
    ),
    Stage(
        "report",
        lambda recipe: {"recipe": recipe},
        ("data", "tokenizer", "pretrain", "tasks", "sft", "rl", "evaluate"),
        report.work,
        seeded=False,
    ),
)


def run_main_job(
    recipe: Recipe, runs: Path, *, until: str | None = None, progress: Progress | None = None
) -> dict[str, Manifest]:
    """Run the recipe in `runs/<name>` and write its `summary.json`; see `run_stages`."""
    manifests = run_stages(recipe, STAGES, runs, until=until, progress=progress)
    run = runs / recipe.name
    write_json(run / SUMMARY, summarize(run))
    return manifests
