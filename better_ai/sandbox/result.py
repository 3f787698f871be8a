"""What comes back from the jail, and what is asked of it."""

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from better_ai.errors import UserError
from better_ai.sandbox.limits import Limits

Tier = Literal["jail"]
ExecutionStatus = Literal["exit", "signal", "timeout", "error", "lost"]
VerdictStatus = Literal["passed", "failed", "lost"]
Integrity = Literal["split", "shared", "shared+controls"]


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """How a program ended.

    `status` is "exit" (the program ended by itself, see `exit_code`), "signal" (killed, see `signal`), "timeout" (a
    CPU or wall limit was reached), "error" (the jail could not be set up around it; `stderr` says why) or "lost" (the
    jail died with it, twice). The last two say nothing about the program.
    """

    status: ExecutionStatus
    exit_code: int | None  # None unless status is "exit"
    signal: int | None  # None unless a signal ended the program
    stdout: str  # the first 64 KiB of each stream; bytes that are not UTF-8 show as U+FFFD
    stderr: str
    output_bytes: int  # written to both streams, kept or not
    wall_seconds: float
    cpu_seconds: float  # of the program and of the children it waited for
    peak_memory_bytes: int  # largest resident size of one process, the warm interpreter's pages included
    tier: Tier = "jail"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a solution passed its tests, and how far that can be believed.

    `status` "lost" means that no verdict was reached for a reason that is not the solution's: never count it as a
    failure. `integrity` is "split" (the tests ran in a process that the solution cannot reach), "shared+controls" (one
    process, and the solution failed two control tests that it had to fail) or "shared" (one process, and the tests
    held no literal that a control could change, so only the canary was tried).
    """

    passed: bool
    status: VerdictStatus
    integrity: Integrity
    reason: str  # one sentence: the assertion or exception that failed, a limit, or why the verdict was lost
    cpu_seconds: float  # of all processes that the verdict took
    wall_seconds: float
    tier: Tier = "jail"


@dataclass(frozen=True, slots=True)
class JudgeJob:
    """A solution to be judged.

    `tests` is trusted source: either it defines `check(candidate)`, called with the solution's `entry_point`
    (HumanEval's form), or it asserts at the top level (MBPP's form). Names that the tests use and neither define nor
    import are looked up in the solution; a helper that must not be the solution's word belongs into `tests`. So a
    HumanEval prompt may stand before its tests: `prompt + "    pass\\n" + test`.

    Raises `UserError` where the tests do not compile or are empty, since then nothing would be tested.
    """

    candidate: str
    tests: str
    entry_point: str
    integrity: Literal["split", "shared"] = "split"
    limits: Limits | None = None  # None takes the sandbox's own

    def __post_init__(self) -> None:
        _require_tests(self.tests)
        if self.integrity not in ("split", "shared"):
            raise UserError(f'integrity must be "split" or "shared", found {self.integrity!r}')


@lru_cache(maxsize=4096)
def _require_tests(tests: str) -> None:
    try:
        tree = ast.parse(tests, "tests.py")
        compile(tree, "tests.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UserError(f"the tests do not compile: {error}; mend the task, no solution can pass it") from None
    if not tree.body:
        raise UserError("the tests are empty: a task needs assertions or a check(candidate) function")
