"""The jail: untrusted programs run in fresh Linux namespaces behind a warm pool, and verdicts that they cannot forge.

The names are resolved on first use: the jailed side imports its own modules through this package, and everything that
it loads is copied into every run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from better_ai.sandbox.limits import Limits
    from better_ai.sandbox.result import ExecutionResult, JudgeJob, Verdict
    from better_ai.sandbox.sandbox import Sandbox

__all__ = ["ExecutionResult", "JudgeJob", "Limits", "Sandbox", "Verdict"]

_HOMES = {
    "ExecutionResult": "result",
    "JudgeJob": "result",
    "Limits": "limits",
    "Sandbox": "sandbox",
    "Verdict": "result",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
