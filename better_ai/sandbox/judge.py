"""From a judge job to its verdict: which runs to order, and what their endings mean.

A script is a generator: it yields an `Order`, is sent the `Outcome`, and returns its result. So the sandbox can drive
many of them at once, and no script knows about workers, retries or descriptors.
"""

import signal
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TypeVar

from better_ai.sandbox import controls, orders, programs
from better_ai.sandbox.limits import Limits
from better_ai.sandbox.orders import Ending, Reply
from better_ai.sandbox.result import ExecutionResult, ExecutionStatus, Integrity, JudgeJob, Verdict

T = TypeVar("T")

_MAX_REASON_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class Order:
    limits: Limits
    payload: bytes
    solution: bytes | None = None  # payload of the process that answers calls, for a split judgement


@dataclass(frozen=True, slots=True)
class Outcome:
    reply: Reply | None  # None: the jail died with the run
    stdout: str = ""
    stderr: str = ""
    output_bytes: int = 0

    @property
    def lost(self) -> bool:
        return self.reply is None or bool(self.reply.setup_error)


Script = Generator[Order, Outcome, T]

_FORGED = Verdict(
    passed=False,
    status="failed",
    integrity="shared",
    reason="the solution also passes tests that nothing can pass, so it forges its verdict",
    cpu_seconds=0.0,
    wall_seconds=0.0,
)


def execution(source: str, limits: Limits) -> Script[ExecutionResult]:
    """Run a program."""
    outcome = yield Order(limits, orders.payload("program", source=source))
    end = outcome.reply.main if outcome.reply else orders.NOT_RUN
    status = _status(outcome)
    stderr = outcome.reply.setup_error if outcome.reply and outcome.reply.setup_error else outcome.stderr
    return ExecutionResult(
        status=status,
        exit_code=end.exit_code if status == "exit" else None,
        signal=end.signal if status in ("signal", "timeout") and end.signal else None,
        stdout=outcome.stdout,
        stderr=stderr,
        output_bytes=outcome.output_bytes,
        wall_seconds=end.wall_seconds,
        cpu_seconds=end.cpu_seconds,
        peak_memory_bytes=end.peak_memory_bytes,
    )


def _status(outcome: Outcome) -> ExecutionStatus:
    if outcome.reply is None:
        return "lost"
    if outcome.reply.setup_error:
        return "error"
    if outcome.reply.main.timed_out:
        return "timeout"
    return "signal" if outcome.reply.main.signal else "exit"


def judgement(job: JudgeJob, default: Limits) -> Script[Verdict]:
    limits = job.limits or default
    return _split(job, limits) if job.integrity == "split" else _shared(job, limits)


def _split(job: JudgeJob, limits: Limits) -> Script[Verdict]:
    """The tests run in a process of their own, which reaches the solution over a link of plain values."""
    outcome = yield Order(
        limits,
        orders.payload("tests", tests=job.tests, entry_point=job.entry_point),
        orders.payload("solution", source=job.candidate),
    )
    verdict = _verdict(outcome, limits, "split")
    if verdict.status == "failed" and outcome.reply and outcome.reply.main.exit_code == programs.CANNOT_SPLIT:
        return replace(verdict, status="lost", reason=f'{verdict.reason}: judge this task with integrity="shared"')
    return verdict


def _shared(job: JudgeJob, limits: Limits) -> Script[Verdict]:
    """Tests and solution share a process; two controls that must fail tell most forged passes from earned ones."""

    def order(tests: str) -> Order:
        return Order(limits, orders.payload("shared", solution=job.candidate, tests=tests, entry_point=job.entry_point))

    changed = controls.with_changed_literals(job.tests)
    integrity: Integrity = "shared" if changed is None else "shared+controls"
    verdict = _verdict((yield order(job.tests)), limits, integrity)
    for control in filter(None, (controls.with_canary(job.tests), changed)):
        if not verdict.passed:
            break
        trial = _verdict((yield order(control)), limits, integrity)
        verdict = replace(
            trial if trial.status == "lost" else _FORGED if trial.passed else verdict,
            integrity=integrity,
            cpu_seconds=verdict.cpu_seconds + trial.cpu_seconds,
            wall_seconds=verdict.wall_seconds + trial.wall_seconds,
        )
    return verdict


def _verdict(outcome: Outcome, limits: Limits, integrity: Integrity) -> Verdict:
    """What one judged run says. Whatever a solution can bring about is a failure; only the jail's own end is a loss."""
    if outcome.reply is None:
        return Verdict(False, "lost", integrity, "the jail died twice while judging", 0.0, 0.0)
    main, solution = outcome.reply.main, outcome.reply.solution
    times = main.cpu_seconds + solution.cpu_seconds, main.wall_seconds
    if outcome.reply.setup_error:
        return Verdict(False, "lost", integrity, f"the jail could not be set up: {outcome.reply.setup_error}", *times)
    if main.signal == 0 and main.exit_code == programs.PASSED and not main.timed_out:
        return Verdict(True, "passed", integrity, "all tests passed", *times)
    return Verdict(False, "failed", integrity, _reason(outcome.stderr, main, solution, limits), *times)


def _reason(said: str, main: Ending, solution: Ending, limits: Limits) -> str:
    if main.hit_wall_limit:
        return f"the wall limit of {limits.wall_seconds:g} s was reached"
    if main.hit_cpu_limit:
        return f"the tests reached the CPU limit of {limits.cpu_seconds} s"
    if solution.hit_cpu_limit and main.exit_code == programs.BROKE_OFF:  # else it was only stopped at the end
        return f"the solution reached the CPU limit of {limits.cpu_seconds} s"
    if main.signal:
        return f"the tests were ended by {signal.Signals(main.signal).name}"
    return said.strip()[:_MAX_REASON_CHARACTERS] or f"the tests ended early with exit status {main.exit_code}"
