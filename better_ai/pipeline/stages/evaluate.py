"""Stage `evaluate`: held-out tasks, put to a baseline, the base model, the fine-tuned one and the reinforced one."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from better_ai.artifacts import write_json
from better_ai.config import EvaluateConfig
from better_ai.evaluation import TaskEvaluation, check_tasks, difference, evaluate_answers, evaluate_tasks
from better_ai.inference import Engine
from better_ai.model import from_pretrained
from better_ai.pipeline.jail import open_sandbox
from better_ai.pipeline.prompts import COMPLETION_STOPS, as_completion, chat_prompt, completion_prompt
from better_ai.pipeline.stage import StageContext, StageResult
from better_ai.pipeline.stages.tasks import FILES
from better_ai.pipeline.training import MODEL
from better_ai.sandbox import Sandbox
from better_ai.tasks import Task, adapting_baseline, copy_baseline, majority_baseline, read_tasks
from better_ai.tokenizer import load as load_tokenizer

EVALUATION = "evaluation.json"
MODELS = {"base": "pretrain", "sft": "sft", "rl": "rl"}
"""The models by name, and the stages they come from."""
SYSTEMS = ("baseline", *MODELS)
"""In the order they are shown."""
MAX_ROWS = 64


def work(context: StageContext) -> StageResult:
    """Every system answers the same tasks from the same seeds. The judge proves itself on the references first."""
    config = context.recipe.evaluate
    config = config.model_copy(update={"seed": config.seed + context.recipe.seed})
    tasks = read_tasks(context.inputs["tasks"] / FILES["heldout"])
    train = read_tasks(context.inputs["tasks"] / FILES["sft"])
    total = len(tasks) * len(MODELS)
    with open_sandbox(context.recipe.sandbox) as sandbox:
        check_tasks(tasks, sandbox)
        systems = {"baseline": _baseline(train, tasks, sandbox, config)}
        for index, name in enumerate(MODELS):
            context.progress.update(index * len(tasks), total, model=name)
            systems[name] = _evaluate(context, name, tasks, sandbox, config, done=index * len(tasks), total=total)
    for name, evaluation in systems.items():
        evaluation.write_answers(context.folder / answers_file(name))
    metrics = {
        "confidence": config.confidence,
        "systems": {name: evaluation.metrics() for name, evaluation in systems.items()},
        "rl_minus_sft": asdict(difference(systems["rl"], systems["sft"], config)),
        "rl_minus_baseline": asdict(difference(systems["rl"], systems["baseline"], config)),
    }
    write_json(context.folder / EVALUATION, metrics)
    return StageResult(products=[EVALUATION, *map(answers_file, systems)], metrics=metrics)


def answers_file(system: str) -> str:
    """Where a system's judged answers are, one JSON object per line."""
    return f"answers-{system}.jsonl"


def read_answers(path: Path) -> list[dict[str, Any]]:
    """The judged answers of one system."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _baseline(train: Sequence[Task], tasks: Sequence[Task], sandbox: Sandbox, config: EvaluateConfig) -> TaskEvaluation:
    """The best of three programs that learn nothing: the commonest training answer, the answer to the nearest training
    prompt, and the same with the values of this prompt put in."""
    evaluations = [
        evaluate_answers(tasks, [[answer(task)] for task in tasks], sandbox, config)
        for answer in (majority_baseline(train), copy_baseline(train), adapting_baseline(train))
    ]
    return max(evaluations, key=lambda evaluation: evaluation.pass_at_k[1].value)


def _evaluate(
    context: StageContext,
    name: str,
    tasks: Sequence[Task],
    sandbox: Sandbox,
    config: EvaluateConfig,
    *,
    done: int,
    total: int,
) -> TaskEvaluation:
    """One model. The base model has never seen a chat, so it is asked to continue a comment and a `def` instead."""
    tokenizer = load_tokenizer(context.inputs["tokenizer"])
    engine = Engine(from_pretrained(context.inputs[MODELS[name]] / MODEL), tokenizer, max_rows=MAX_ROWS)

    def on_progress(finished: int) -> None:
        context.progress.update(done + finished, total, model=name)

    if name == "base":
        return evaluate_tasks(
            engine,
            [as_completion(task) for task in tasks],
            sandbox,
            config,
            prompt_of=lambda task: completion_prompt(task, tokenizer),
            stop=COMPLETION_STOPS,
            on_progress=on_progress,
        )
    return evaluate_tasks(
        engine, tasks, sandbox, config, prompt_of=lambda task: chat_prompt(task, tokenizer), on_progress=on_progress
    )
