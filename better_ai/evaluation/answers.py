"""Judging answers, whoever gave them: a model, a baseline, a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from better_ai.rewards import ExecutionReward, Judge, RewardResult, Sample
from better_ai.tasks import Task


@dataclass(frozen=True)
class Answer:
    """What was answered to a task."""

    text: str
    num_tokens: int | None = None
    """Tokens that a model sampled for it."""
    truncated: bool = False
    """Whether it ended only because no more tokens were allowed."""


@dataclass(frozen=True)
class JudgedAnswer:
    """An answer and its verdict."""

    task_id: str
    sample: int
    answer: Answer
    status: Literal["passed", "failed", "lost"]
    reason: str
    parses: bool


def judge_answers(
    tasks: Sequence[Task], answers: Sequence[Sequence[Answer]], sandbox: Judge
) -> list[list[JudgedAnswer]]:
    """Judge the answers to each task. A verdict that the sandbox lost, after trying again, has the status "lost"."""
    samples = [Sample(task, answer.text) for task, given in zip(tasks, answers, strict=True) for answer in given]
    results = iter(ExecutionReward(sandbox).score(samples))
    return [
        [_judged(task, index, answer, next(results)) for index, answer in enumerate(given)]
        for task, given in zip(tasks, answers, strict=True)
    ]


def _judged(task: Task, index: int, answer: Answer, result: RewardResult) -> JudgedAnswer:
    if result.status == "lost":
        # Only a program that parses is run at all, so only such a one can be lost.
        return JudgedAnswer(task.id, index, answer, "lost", result.why, parses=True)
    status: Literal["passed", "failed"] = "passed" if result.parts["passed"] else "failed"
    return JudgedAnswer(task.id, index, answer, status, result.why, parses=bool(result.parts["parses"]))
