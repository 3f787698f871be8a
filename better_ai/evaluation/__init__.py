"""Evaluation: pass@k with intervals, and the check that a judge deserves belief before it judges a model."""

from better_ai.evaluation.answers import Answer, JudgedAnswer
from better_ai.evaluation.passk import Interval, mean_interval, paired_difference, pass_at_k
from better_ai.evaluation.run import evaluate_answers, evaluate_tasks
from better_ai.evaluation.scores import TaskEvaluation, TaskScore, difference
from better_ai.evaluation.self_check import check_tasks

__all__ = [
    "Answer",
    "Interval",
    "JudgedAnswer",
    "TaskEvaluation",
    "TaskScore",
    "check_tasks",
    "difference",
    "evaluate_answers",
    "evaluate_tasks",
    "mean_interval",
    "paired_difference",
    "pass_at_k",
]
