"""Whole evaluations: same seeds for every system, losses apart from failures, figures without NaN."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from better_ai.config import EvaluateConfig, SamplingConfig, TasksConfig
from better_ai.errors import BetterAIError, UserError
from better_ai.evaluation import check_tasks, difference, evaluate_answers, evaluate_tasks
from better_ai.inference import Completion, Request
from better_ai.sandbox import JudgeJob, Limits, Sandbox, Verdict
from better_ai.tasks import Task, generate_tasks

CONFIG = EvaluateConfig(
    samples_per_task=4, k=(1, 2, 4), bootstrap_resamples=300, sampling=SamplingConfig(max_new_tokens=9)
)
TASKS = generate_tasks(TasksConfig(), "heldout", 40, seed=0)
LOSE = "lose()"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1, limits=Limits(cpu_seconds=1)) as box:
        yield box


class Losing:
    """A sandbox that loses the verdict of every program that says so."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def judge_many(self, jobs: Sequence[JudgeJob]) -> list[Verdict]:
        verdicts = self._sandbox.judge_many(jobs)
        lost = Verdict(False, "lost", "split", "the jail died twice while judging", 0.0, 0.0)
        return [lost if LOSE in job.candidate else verdict for job, verdict in zip(jobs, verdicts, strict=True)]


class ScriptedEngine:
    """Answers sample i of a task with the i-th text that `script` gives for it."""

    def __init__(self, script: dict[str, list[str]]) -> None:
        self.script = script
        self.requests: list[Request] = []

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        self.requests += requests
        return [
            Completion(request.id, index, (7,) * (index + 1), text, (), (), "length" if index == 3 else "eos")
            for request in requests
            for index, text in enumerate(self.script[request.id][: request.sampling.n])
        ]


def _evaluate(script: dict[str, list[str]], sandbox, tasks: Sequence[Task] = TASKS, **options):
    engine = ScriptedEngine(script)
    result = evaluate_tasks(engine, tasks, sandbox, CONFIG, prompt_of=lambda task: [1, 2], **options)  # type: ignore[arg-type]
    return result, engine


def _answers(passing: int) -> dict[str, list[str]]:
    return {task.id: [task.reference] * passing + ["no code"] * (4 - passing) for task in TASKS}


def test_an_evaluation_counts_what_passed(sandbox: Sandbox) -> None:
    done: list[int] = []
    result, engine = _evaluate(_answers(passing=2), sandbox, on_progress=done.append)
    assert {k: interval.value for k, interval in result.pass_at_k.items()} == pytest.approx({1: 1 / 2, 2: 5 / 6, 4: 1})
    assert (result.num_lost, result.parse_rate, result.truncated_rate, result.mean_tokens) == (0, 0.5, 0.25, 2.5)
    assert sum(interval.count for interval in result.by_family.values()) == len(TASKS)
    assert {"easy", "medium"} <= set(result.by_difficulty) <= {"easy", "medium", "hard"}
    assert set(result.by_novelty) == {"new values", "new structure", "new structure and new values"}
    assert done == [32, 40]
    assert [request.id for request in engine.requests] == [task.id for task in TASKS]
    assert all(request.sampling.max_new_tokens == 9 and request.prompt_tokens == (1, 2) for request in engine.requests)


def test_seeds_belong_to_tasks_not_to_places(sandbox: Sandbox) -> None:
    _, engine = _evaluate(_answers(passing=0), sandbox)
    _, reversed_engine = _evaluate(_answers(passing=4), sandbox, tasks=TASKS[::-1])
    seeds = {request.id: request.sampling.seed for request in engine.requests}
    assert seeds == {request.id: request.sampling.seed for request in reversed_engine.requests}
    assert len(set(seeds.values())) == len(TASKS)


def test_a_lost_verdict_is_no_failure(sandbox: Sandbox) -> None:
    script = _answers(passing=2)
    first, second = TASKS[:2]
    lost = f"def {first.entry_point}(x):\n    {LOSE}\n"
    script[first.id] = [first.reference, lost, "no code", first.reference]
    script[second.id] = [f"def {second.entry_point}(x):\n    {LOSE}\n"] * 4
    result, _ = _evaluate(script, Losing(sandbox))
    assert (result.scores[0].passed, result.scores[0].failed, result.scores[0].lost) == (2, 1, 1)
    assert result.scores[0].pass_at_k(1) == pytest.approx(2 / 3)
    assert result.num_lost == 5
    counts = {k: interval.count for k, interval in result.pass_at_k.items()}
    assert counts == {1: len(TASKS) - 1, 2: len(TASKS) - 1, 4: len(TASKS) - 2}
    assert all(answer.parses for answer in result.answers if answer.status == "lost")


def test_figures_are_json_and_those_that_do_not_exist_are_absent(sandbox: Sandbox) -> None:
    answers = [[task.reference] for task in TASKS]
    result = evaluate_answers(TASKS, answers, sandbox, CONFIG)
    metrics = json.loads(json.dumps(result.metrics(), allow_nan=False))
    assert metrics["pass_at_k"] == {"1": {"value": 1.0, "low": 1.0, "high": 1.0, "count": len(TASKS)}}
    assert metrics["mean_tokens"] is None
    assert metrics["num_answers"] == metrics["num_tasks"] == len(TASKS)


def test_every_answer_is_written_with_its_verdict(sandbox: Sandbox, tmp_path: Path) -> None:
    result, _ = _evaluate(_answers(passing=1), sandbox)
    result.write_answers(tmp_path / "answers.jsonl")
    records = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [(record["task_id"], record["sample"]) for record in records] == [
        (task.id, index) for task in TASKS for index in range(4)
    ]
    assert records[0]["text"] == TASKS[0].reference
    assert [record["status"] for record in records[:4]] == ["passed", "failed", "failed", "failed"]
    assert "does not parse" in records[1]["reason"]
    assert records[3]["truncated"] and records[3]["num_tokens"] == 4


def test_two_systems_are_compared_task_by_task(sandbox: Sandbox) -> None:
    before, _ = _evaluate(_answers(passing=1), sandbox)
    after, _ = _evaluate(_answers(passing=3), sandbox)
    gain = difference(after, before, CONFIG)
    assert (gain.value, gain.low, gain.high, gain.count) == (0.5, 0.5, 0.5, len(TASKS))
    other, _ = _evaluate(_answers(passing=3), sandbox, tasks=TASKS[1:])
    with pytest.raises(UserError, match="same tasks"):
        difference(after, other, CONFIG)


def test_nothing_to_evaluate_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(UserError, match="nothing to evaluate"):
        evaluate_answers([], [], sandbox, CONFIG)
    with pytest.raises(UserError, match="at least one answer"):
        evaluate_answers(TASKS[:1], [[]], sandbox, CONFIG)


def test_good_tasks_pass_the_self_check(sandbox: Sandbox) -> None:
    done: list[int] = []
    check_tasks(TASKS * 2, sandbox, on_progress=done.append)
    assert done == [64, 80]


def test_the_self_check_names_the_task_whose_reference_fails(sandbox: Sandbox) -> None:
    bad = replace(TASKS[3], reference=TASKS[3].reference.replace("return", "return None and"))
    with pytest.raises(UserError, match=f"reference of task {bad.id} fails its own tests: assertion failed"):
        check_tasks([*TASKS[:3], bad, *TASKS[4:]], sandbox)


def test_the_self_check_names_the_task_whose_tests_test_nothing(sandbox: Sandbox) -> None:
    bad = replace(TASKS[2], tests=f"{TASKS[2].entry_point}\nassert True\n")
    with pytest.raises(UserError, match=f"tests of task {bad.id} pass a function that only returns None"):
        check_tasks([*TASKS[:2], bad], sandbox)


def test_the_self_check_does_not_blame_a_task_for_a_lost_verdict(sandbox: Sandbox) -> None:
    odd = replace(TASKS[0], reference=f"def {LOSE}: pass\n{TASKS[0].reference}")
    with pytest.raises(BetterAIError, match=f"could not judge task {odd.id}") as caught:
        check_tasks([odd], Losing(sandbox))
    assert not isinstance(caught.value, UserError)
