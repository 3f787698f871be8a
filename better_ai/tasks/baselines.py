"""Answers without a model: what a trained one must beat.

Both look at prompts only, never at the references or tests of the tasks that they answer.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from better_ai.errors import UserError
from better_ai.tasks.task import Task

Baseline = Callable[[Task], str]
"""Gives a task's answer as a complete program."""


def majority_baseline(train_tasks: Sequence[Task]) -> Baseline:
    """Answer with the body that is most frequent among training references that take the same arguments.

    A signature that training never showed gets the body most frequent of all. Raises UserError without tasks.
    """
    _require_tasks(train_tasks)
    bodies: dict[str, Counter[str]] = defaultdict(Counter)
    for task in train_tasks:
        _, _, body = task.reference.partition("\n")
        bodies[_arguments(task)][body] += 1
    overall = sum(bodies.values(), Counter[str]())

    def answer(task: Task) -> str:
        arguments = _arguments(task)
        body = bodies.get(arguments, overall).most_common(1)[0][0]
        return f"def {task.entry_point}({arguments}):\n{body}"

    return answer


def copy_baseline(train_tasks: Sequence[Task]) -> Baseline:
    """Answer with the reference of the training prompt that shares most words (Jaccard index; the first of equals).

    The entry point is renamed, and names of functions do not count as shared words. Raises UserError without tasks.
    """
    _require_tasks(train_tasks)
    known = [_words(task) for task in train_tasks]

    def answer(task: Task) -> str:
        words = _words(task)
        overlaps = [len(words & other) / len(words | other) for other in known]
        nearest = train_tasks[max(range(len(overlaps)), key=overlaps.__getitem__)]
        return re.sub(rf"\b{re.escape(nearest.entry_point)}\b", task.entry_point, nearest.reference)

    return answer


def _words(task: Task) -> frozenset[str]:
    return frozenset(re.findall(r"\w+|[^\w\s]", task.prompt)) - {task.entry_point}


def _arguments(task: Task) -> str:
    """The argument list of the function, as the prompt gives it."""
    found = re.search(rf"\b{re.escape(task.entry_point)}\(([^()]*)\)", task.prompt)
    return found.group(1) if found else ""


def _require_tasks(tasks: Sequence[Task]) -> None:
    if not tasks:
        raise UserError("a baseline needs training tasks to copy from, found none")
