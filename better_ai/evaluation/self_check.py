"""Before any score: the judge must pass every reference and fail a program that is known to be wrong."""

from collections.abc import Callable, Sequence

from better_ai.errors import BetterAIError, UserError
from better_ai.rewards import Judge
from better_ai.sandbox import JudgeJob
from better_ai.tasks import Task

_TASKS_AT_ONCE = 64


def check_tasks(tasks: Sequence[Task], sandbox: Judge, *, on_progress: Callable[[int], object] | None = None) -> None:
    """Judge each task's reference, which must pass, and a function that returns None, which must not.

    `on_progress` is told the number of tasks done. Raises UserError that names the first task at fault and why, and
    BetterAIError when the sandbox lost a verdict: nothing is known about the task then.
    """
    for start in range(0, len(tasks), _TASKS_AT_ONCE):
        some = tasks[start : start + _TASKS_AT_ONCE]
        jobs = [
            JudgeJob(program, task.tests, task.entry_point, task.integrity)
            for task in some
            for program in (task.reference, _nothing(task))
        ]
        verdicts = sandbox.judge_many(jobs)
        for task, right, wrong in zip(some, verdicts[::2], verdicts[1::2], strict=True):
            for verdict in (right, wrong):
                if verdict.status == "lost":
                    raise BetterAIError(
                        f"the sandbox could not judge task {task.id}: {verdict.reason}; run the check again"
                    )
            if not right.passed:
                raise UserError(f"the reference of task {task.id} fails its own tests: {right.reason}; mend the task")
            if wrong.passed:
                raise UserError(
                    f"the tests of task {task.id} pass a function that only returns None, so they test nothing;"
                    " mend the task"
                )
        if on_progress:
            on_progress(start + len(some))


def _nothing(task: Task) -> str:
    return f"def {task.entry_point}(*_, **__):\n    return None\n"
