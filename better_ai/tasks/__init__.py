"""Tasks: verifiable programming tasks, generated or read from benchmark files, and the baselines a model must beat."""

from better_ai.tasks.baselines import adapting_baseline, copy_baseline, majority_baseline
from better_ai.tasks.benchmarks import read_humaneval, read_mbpp
from better_ai.tasks.generate import FAMILIES, generate_tasks
from better_ai.tasks.task import SPLITS, Split, Task, read_tasks, write_tasks

__all__ = [
    "FAMILIES",
    "SPLITS",
    "Split",
    "Task",
    "adapting_baseline",
    "copy_baseline",
    "generate_tasks",
    "majority_baseline",
    "read_humaneval",
    "read_mbpp",
    "read_tasks",
    "write_tasks",
]
