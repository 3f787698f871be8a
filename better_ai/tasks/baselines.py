"""Answers without a model: what a trained one must beat.

All look at prompts only, never at the references or tests of the tasks that they answer.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from better_ai.errors import UserError
from better_ai.tasks.task import Task

_VALUE = re.compile(r'\d+|"[^"]*"')

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
    nearest_to = _nearest(train_tasks, _words)

    def answer(task: Task) -> str:
        nearest = nearest_to(task)
        return _renamed(nearest.reference, nearest.entry_point, task.entry_point)

    return answer


def adapting_baseline(train_tasks: Sequence[Task]) -> Baseline:
    """Copy as `copy_baseline` does, then put the prompt's own numbers and quoted strings in the place of the copied.

    The nearest prompt is sought with its values blanked out, and the values are exchanged in order; where the prompts
    differ in how many they have, the copy stays as it is. It solves tasks whose structure and wording training has
    shown, so what a model scores above it is more than filling in. Raises UserError without tasks.
    """
    nearest_to = _nearest(train_tasks, lambda task: _words(replace(task, prompt=_VALUE.sub("?", task.prompt))))

    def answer(task: Task) -> str:
        nearest = nearest_to(task)
        old, new = _VALUE.findall(nearest.prompt), _VALUE.findall(task.prompt)
        exchanged = dict(zip(old, new, strict=True)) if len(old) == len(new) else {}
        program = _VALUE.sub(lambda found: exchanged.get(found.group(), found.group()), nearest.reference)
        return _renamed(program, nearest.entry_point, task.entry_point)

    return answer


def _nearest(train_tasks: Sequence[Task], words_of: Callable[[Task], frozenset[str]]) -> Callable[[Task], Task]:
    """Finds the training task whose words overlap most with a task's."""
    _require_tasks(train_tasks)
    known = [words_of(task) for task in train_tasks]

    def find(task: Task) -> Task:
        words = words_of(task)
        overlaps = [len(words & other) / len(words | other) for other in known]
        return train_tasks[max(range(len(overlaps)), key=overlaps.__getitem__)]

    return find


def _renamed(program: str, old: str, new: str) -> str:
    return re.sub(rf"\b{re.escape(old)}\b", new, program)


def _words(task: Task) -> frozenset[str]:
    return frozenset(re.findall(r"\w+|[^\w\s]", task.prompt)) - {task.entry_point}


def _arguments(task: Task) -> str:
    """The argument list of the function, as the prompt gives it."""
    found = re.search(rf"\b{re.escape(task.entry_point)}\(([^()]*)\)", task.prompt)
    return found.group(1) if found else ""


def _require_tasks(tasks: Sequence[Task]) -> None:
    if not tasks:
        raise UserError("a baseline needs training tasks to copy from, found none")
