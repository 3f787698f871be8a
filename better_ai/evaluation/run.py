"""Running an evaluation: sample from the engine, judge in the sandbox, sum up."""

import hashlib
from collections.abc import Callable, Sequence

from better_ai.config import EvaluateConfig
from better_ai.evaluation.answers import Answer, JudgedAnswer, judge_answers
from better_ai.evaluation.scores import TaskEvaluation, summarize
from better_ai.inference import Completion, Engine, Request, SamplingParams
from better_ai.rewards import Judge
from better_ai.tasks import Task

_TASKS_AT_ONCE = 32


def evaluate_tasks(
    engine: Engine,
    tasks: Sequence[Task],
    sandbox: Judge,
    config: EvaluateConfig,
    *,
    prompt_of: Callable[[Task], Sequence[int]],
    stop: tuple[str, ...] = (),
    on_progress: Callable[[int], object] | None = None,
) -> TaskEvaluation:
    """Sample `config.samples_per_task` answers to each task and judge them.

    `prompt_of` gives the tokens that put a task to the model, such as its chat template; `on_progress` is told the
    number of tasks done. Each task has a seed of its own, made of `config.seed` and its id, so all systems draw from
    the same random numbers, whatever else is evaluated with them. A verdict that the sandbox lost is counted apart,
    never as a failure. Raises UserError when there are no tasks or a prompt does not fit the model.
    """
    judged: list[list[JudgedAnswer]] = []
    for start in range(0, len(tasks), _TASKS_AT_ONCE):
        some = tasks[start : start + _TASKS_AT_ONCE]
        completions = engine.generate([_request(task, prompt_of(task), config, stop) for task in some])
        answers = iter(map(_answer, completions))
        judged += judge_answers(some, [[next(answers) for _ in range(config.samples_per_task)] for _ in some], sandbox)
        if on_progress:
            on_progress(len(judged))
    return summarize(tasks, judged, config)


def evaluate_answers(
    tasks: Sequence[Task], answers: Sequence[Sequence[str]], sandbox: Judge, config: EvaluateConfig
) -> TaskEvaluation:
    """Judge answers that exist already, such as a baseline's. Raises UserError when a task has none."""
    given = [[Answer(text) for text in texts] for texts in answers]
    return summarize(tasks, judge_answers(tasks, given, sandbox), config)


def _request(task: Task, prompt: Sequence[int], config: EvaluateConfig, stop: tuple[str, ...]) -> Request:
    digest = hashlib.sha256(f"{config.seed}:{task.id}".encode()).digest()
    seed = int.from_bytes(digest[:8], "big")
    sampling = SamplingParams.from_config(config.sampling, n=config.samples_per_task, seed=seed, stop=stop)
    return Request(tuple(prompt), sampling, task.id)


def _answer(completion: Completion) -> Answer:
    return Answer(completion.text, len(completion.tokens), completion.finish_reason == "length")
