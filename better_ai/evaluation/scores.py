"""From verdicts to figures: pass@k overall and by kind of task, with intervals, and the difference of two systems."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from better_ai.artifacts import atomic_write
from better_ai.config import EvaluateConfig
from better_ai.errors import UserError
from better_ai.evaluation.answers import JudgedAnswer
from better_ai.evaluation.passk import Interval, mean_interval, paired_difference, pass_at_k
from better_ai.tasks import Task

_BANDS = ((1 / 3, "easy"), (2 / 3, "medium"), (1.0, "hard"))


@dataclass(frozen=True)
class TaskScore:
    """The verdicts of one task's answers. Lost ones count neither as passed nor as failed."""

    task_id: str
    passed: int
    failed: int
    lost: int

    def pass_at_k(self, k: int) -> float:
        """NaN when fewer than k answers were judged."""
        return pass_at_k(self.passed + self.failed, self.passed, k)


@dataclass(frozen=True)
class TaskEvaluation:
    """How one system did on a set of tasks.

    Means and intervals are over tasks. A figure that no task gives, such as pass@8 of four answers, is left out of
    `pass_at_k`; a task of which too many verdicts were lost is left out of the mean, and the interval's count says so.
    """

    scores: tuple[TaskScore, ...]
    answers: tuple[JudgedAnswer, ...]
    pass_at_k: Mapping[int, Interval]
    by_family: Mapping[str, Interval]
    """pass@1 by the tasks' families."""
    by_difficulty: Mapping[str, Interval]
    """pass@1 of easy (up to 1/3), medium (up to 2/3) and hard tasks."""
    by_novelty: Mapping[str, Interval]
    """pass@1 by what else the tasks' tags say: what of them training has never shown."""
    confidence: float

    @property
    def num_lost(self) -> int:
        return sum(score.lost for score in self.scores)

    @property
    def parse_rate(self) -> float:
        return sum(answer.parses for answer in self.answers) / len(self.answers)

    @property
    def truncated_rate(self) -> float:
        return sum(judged.answer.truncated for judged in self.answers) / len(self.answers)

    @property
    def mean_tokens(self) -> float | None:
        """Mean length of the sampled completions; None for answers that no model sampled."""
        lengths = [judged.answer.num_tokens for judged in self.answers if judged.answer.num_tokens is not None]
        return sum(lengths) / len(lengths) if lengths else None

    def metrics(self) -> dict[str, Any]:
        """All figures as plain JSON values, without NaN."""
        tables = {name: getattr(self, name) for name in ("pass_at_k", "by_family", "by_difficulty", "by_novelty")}
        return {
            "num_tasks": len(self.scores),
            "num_answers": len(self.answers),
            "num_lost": self.num_lost,
            "confidence": self.confidence,
            **{name: {str(key): asdict(value) for key, value in table.items()} for name, table in tables.items()},
            "parse_rate": self.parse_rate,
            "truncated_rate": self.truncated_rate,
            "mean_tokens": self.mean_tokens,
        }

    def write_answers(self, path: Path | str) -> None:
        """Every answer with its verdict, one JSON object per line, written atomically."""
        with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            for judged in self.answers:
                record = asdict(judged)
                file.write(json.dumps({**record.pop("answer"), **record}, sort_keys=True) + "\n")


def summarize(
    tasks: Sequence[Task], judged: Sequence[Sequence[JudgedAnswer]], config: EvaluateConfig
) -> TaskEvaluation:
    """The figures of judged answers, given task by task. Raises UserError when there is nothing to take a mean of."""
    if not tasks or not all(judged):
        raise UserError(f"nothing to evaluate: found {len(tasks)} tasks, each of which needs at least one answer")
    scores = [_score(task, answers) for task, answers in zip(tasks, judged, strict=True)]
    first = [score.pass_at_k(1) for score in scores]

    def grouped(key: Callable[[Task], str]) -> dict[str, Interval]:
        groups: dict[str, list[float]] = defaultdict(list)
        for task, value in zip(tasks, first, strict=True):
            groups[key(task)].append(value)
        return _known({name: _interval(values, config) for name, values in sorted(groups.items())})

    return TaskEvaluation(
        scores=tuple(scores),
        answers=tuple(answer for answers in judged for answer in answers),
        pass_at_k=_known({k: _interval([score.pass_at_k(k) for score in scores], config) for k in config.k}),
        by_family=grouped(lambda task: task.family),
        by_difficulty=grouped(lambda task: next(name for limit, name in _BANDS if task.difficulty <= limit)),
        by_novelty=grouped(lambda task: " and ".join(task.tags[1:]) or "none"),
        confidence=config.confidence,
    )


def difference(after: TaskEvaluation, before: TaskEvaluation, config: EvaluateConfig, *, k: int = 1) -> Interval:
    """The paired difference of two systems' pass@k. Raises UserError when they answered different tasks."""
    if [score.task_id for score in after.scores] != [score.task_id for score in before.scores]:
        raise UserError("two systems can be compared on the same tasks in the same order only; evaluate both alike")
    return paired_difference(
        [score.pass_at_k(k) for score in after.scores],
        [score.pass_at_k(k) for score in before.scores],
        confidence=config.confidence,
        resamples=config.bootstrap_resamples,
        seed=config.seed,
    )


def _score(task: Task, answers: Sequence[JudgedAnswer]) -> TaskScore:
    statuses = [answer.status for answer in answers]
    return TaskScore(task.id, statuses.count("passed"), statuses.count("failed"), statuses.count("lost"))


def _interval(values: Sequence[float], config: EvaluateConfig) -> Interval:
    return mean_interval(values, confidence=config.confidence, resamples=config.bootstrap_resamples, seed=config.seed)


def _known(intervals: dict[Any, Interval]) -> dict[Any, Interval]:
    return {key: interval for key, interval in intervals.items() if interval.count}
