"""The execution reward: right and wrong programs told apart in the jail, and losses never taken for failures."""

import math
from collections.abc import Iterator, Sequence

import pytest

from better_ai.config import TasksConfig
from better_ai.errors import ConfigError
from better_ai.rewards import ExecutionReward, Sample
from better_ai.rewards.reward import RewardResult
from better_ai.sandbox import JudgeJob, Limits, Sandbox, Verdict
from better_ai.tasks import Task, generate_tasks

TASK = Task(
    id="t", prompt="Write f.", entry_point="f", tests="assert f(1) == 2\nassert f(2) == 4\n", reference="",
    difficulty=0.1, tags=("t",),
)  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1, limits=Limits(cpu_seconds=1)) as box:
        yield box


class Recorder:
    """A judge that counts its jobs; jobs whose program holds "lose" are lost."""

    def __init__(self) -> None:
        self.jobs: list[JudgeJob] = []

    def judge_many(self, jobs: Sequence[JudgeJob]) -> list[Verdict]:
        self.jobs += jobs
        return [self._verdict(job) for job in jobs]

    def _verdict(self, job: JudgeJob) -> Verdict:
        if "lose" in job.candidate:
            return Verdict(False, "lost", "split", "the jail died twice while judging", 0.0, 0.0)
        passed = "2 * x" in job.candidate
        return Verdict(passed, "passed" if passed else "failed", "split", "judged", 0.0, 0.0)


def test_programs_are_scored_in_the_order_of_the_samples(sandbox: Sandbox) -> None:
    texts = {
        "def f(x):\n    return 2 * x": (1, 1, 1),
        "def f(x):\n    return x + 1": (1, 1, 0),
        "def f(x):\n    return undefined": (1, 1, 0),
        "def f(x):\n    while True: pass": (1, 1, 0),
        "def g(x):\n    return 2 * x": (1, 0, 0),
        "def f(x) return 2 * x": (0, 0, 0),
        "```python\ndef f(x):\n    return 2 * x\n```": (1, 1, 1),
    }
    results = ExecutionReward(sandbox).score([Sample(TASK, text) for text in texts])
    assert [tuple(result.parts.values()) for result in results] == list(texts.values())
    assert [result.value for result in results] == [parts[-1] for parts in texts.values()]
    assert all(result.status == "ok" and result.why and result.uncertainty is None for result in results)
    assert results[1].why == "assertion failed: assert f(2) == 4"
    assert "does not define f" in results[4].why


def test_an_answer_that_equals_everything_earns_nothing(sandbox: Sandbox) -> None:
    forgery = "class Any:\n    def __eq__(self, other): return True\ndef f(x): return Any()"
    (result,) = ExecutionReward(sandbox).score([Sample(TASK, forgery)])
    assert result.value == 0.0


def test_generated_references_earn_one_and_giving_the_argument_back_nothing(sandbox: Sandbox) -> None:
    tasks = generate_tasks(TasksConfig(), "train", 40, seed=5)
    right = [Sample(task, f"```python\n{task.reference}```") for task in tasks]
    wrong = [Sample(task, f"def {task.entry_point}(x):\n    return x\n") for task in tasks]
    results = ExecutionReward(sandbox).score(right + wrong)
    assert [result.value for result in results] == [1.0] * len(right) + [0.0] * len(wrong)


def test_hopeless_programs_are_not_run_and_equal_ones_run_once() -> None:
    judge = Recorder()
    texts = ["def f(x): return 2 * x"] * 3 + ["no code", "def g(x): return 1", "def f(x): return 2 * x", "def f(x): 1"]
    results = ExecutionReward(judge).score([Sample(TASK, text) for text in texts])
    assert [result.value for result in results] == [1, 1, 1, 0, 0, 1, 0]
    assert [job.candidate for job in judge.jobs] == ["def f(x): return 2 * x", "def f(x): 1"]


def test_nothing_to_judge_asks_for_no_judge() -> None:
    judge = Recorder()
    assert ExecutionReward(judge).score([]) == []
    assert not judge.jobs


def test_a_lost_verdict_is_lost_and_has_no_value() -> None:
    texts = ["def f(x): return 2 * x", "def f(x): lose()", "def f(x): return 3"]
    results = ExecutionReward(Recorder()).score([Sample(TASK, text) for text in texts])
    assert [result.status for result in results] == ["ok", "lost", "ok"]
    assert math.isnan(results[1].value)
    assert results[1].why == "the jail died twice while judging"
    with pytest.raises(AssertionError):
        RewardResult(0.0, status="lost")
    with pytest.raises(AssertionError):
        RewardResult(math.nan)


def test_weights_mix_the_parts() -> None:
    reward = ExecutionReward(Recorder(), weights={"parses": 0.1, "defines": 0.2, "passed": 0.7})
    texts = ["def f(x): return 2 * x", "def f(x): return 1", "def g(x): return 1", "def g(x"]
    values = [result.value for result in reward.score([Sample(TASK, text) for text in texts])]
    assert values == pytest.approx([1.0, 0.3, 0.1, 0.0])


@pytest.mark.parametrize("weights", [{}, {"style": 1.0}, {"passed": math.nan}])
def test_weights_that_cannot_work_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="parses, defines, passed"):
        ExecutionReward(Recorder(), weights=weights)


def test_objects_of_the_solution_are_tested_in_its_process(sandbox: Sandbox) -> None:
    task = Task(
        id="t", prompt="Write Node.", entry_point="get", tests="assert get(Node(3)) == 3\nassert Node(4).v == 4\n",
        reference="", difficulty=0.1, tags=("t",), integrity="shared",
    )  # fmt: skip
    code = "class Node:\n    def __init__(self, v):\n        self.v = v\ndef get(node):\n    return node.v"
    good, bad = ExecutionReward(sandbox).score([Sample(task, code), Sample(task, code.replace("= v", "= 1"))])
    assert (good.value, bad.value) == (1.0, 0.0)
