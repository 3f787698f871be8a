"""The verifiable reward: whether a program passes its task's tests, run in the jail."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from better_ai.errors import ConfigError
from better_ai.rewards.extract import inspect_program, program_of
from better_ai.rewards.reward import RewardResult, Sample
from better_ai.sandbox import JudgeJob, Verdict

PARTS = ("parses", "defines", "passed")
PASS_OR_FAIL = {"passed": 1.0}


class Judge(Protocol):
    """What the reward needs of a sandbox."""

    def judge_many(self, jobs: Sequence[JudgeJob]) -> list[Verdict]: ...


class ExecutionReward:
    """1 for a program that passes all tests of its task, 0 for one that does not.

    The parts say how far a program came: whether it parses, defines the entry point, and passed. `weights` (by part)
    may reward the first two as well; the value is then the weighted sum. A program that fails one of them is not run,
    for it cannot pass; equal programs for one task are judged once in a call.

    A verdict that the sandbox lost, twice, gives a lost result and never a value. Raises ConfigError for weights that
    name no part or are not finite, and UserError for a task whose tests do not compile.
    """

    def __init__(self, sandbox: Judge, *, weights: Mapping[str, float] = PASS_OR_FAIL) -> None:
        unknown = sorted(weights.keys() - set(PARTS))
        if unknown or not weights or not all(map(math.isfinite, weights.values())):
            raise ConfigError(
                f"weights of the execution reward must be finite and name some of {', '.join(PARTS)}; found {weights}"
            )
        self._sandbox = sandbox
        self._weights = dict(weights)

    def score(self, samples: Sequence[Sample]) -> list[RewardResult]:
        results: dict[int, RewardResult] = {}
        waiting: dict[JudgeJob, list[int]] = {}
        for index, sample in enumerate(samples):
            task, program = sample.task, program_of(sample.task, sample.text)
            inspection = inspect_program(program, task.entry_point)
            if inspection.problem:
                results[index] = self._result(inspection.parses, inspection.defines, False, inspection.problem)
            else:
                job = JudgeJob(program, task.tests, task.entry_point, task.integrity)
                waiting.setdefault(job, []).append(index)
        verdicts = self._sandbox.judge_many(list(waiting)) if waiting else []
        for indices, verdict in zip(waiting.values(), verdicts, strict=True):
            if verdict.status == "lost":
                result = RewardResult.lost(verdict.reason)
            else:
                result = self._result(True, True, verdict.passed, verdict.reason)
            results.update(dict.fromkeys(indices, result))
        return [results[index] for index in range(len(samples))]

    def _result(self, parses: bool, defines: bool, passed: bool, why: str) -> RewardResult:
        parts = dict(zip(PARTS, map(float, (parses, defines, passed)), strict=True))
        return RewardResult(sum(weight * parts[name] for name, weight in self._weights.items()), parts, why=why)
