"""Stage `tasks`: generated programming tasks, split by structure and by parameter values."""

from better_ai.evaluation import check_tasks
from better_ai.pipeline.jail import open_sandbox
from better_ai.pipeline.stage import StageContext, StageResult
from better_ai.tasks import Task, generate_tasks, write_tasks

FILES = {"sft": "sft.jsonl", "rl": "rl.jsonl", "validation": "validation.jsonl", "heldout": "heldout.jsonl"}

CHECKED_TRAINING_TASKS = 256
"""The judge sees every task that a score depends on, and this many of those that are only learned from."""


def work(context: StageContext) -> StageResult:
    """Draw the tasks; check in the jail that every reference passes its tests and a wrong program does not."""
    config, seed = context.recipe.tasks, context.recipe.tasks.seed + context.recipe.seed
    train = generate_tasks(config, "train", config.num_sft + config.num_rl, seed)
    sets = {
        "sft": train[: config.num_sft],
        "rl": train[config.num_sft :],
        "validation": generate_tasks(config, "validation", config.num_validation, seed),
        "heldout": generate_tasks(config, "heldout", config.num_heldout, seed),
    }
    checked = [*sets["validation"], *sets["heldout"], *train[:CHECKED_TRAINING_TASKS]]
    with open_sandbox(context.recipe.sandbox) as sandbox:
        check_tasks(checked, sandbox, on_progress=lambda done: context.progress.update(done, len(checked)))
    for name, tasks in sets.items():
        write_tasks(tasks, context.folder / FILES[name])
    return StageResult(
        products=list(FILES.values()),
        metrics={"tasks": {name: len(tasks) for name, tasks in sets.items()}, "heldout": _novelties(sets["heldout"])},
    )


def _novelties(tasks: list[Task]) -> dict[str, int]:
    """How many held-out tasks are new in structure, and how many in values only."""
    structure = sum("new structure" in task.tags for task in tasks)
    return {"new_structure": structure, "new_values_only": len(tasks) - structure}
