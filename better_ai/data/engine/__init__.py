"""The engine of a build: phases over shards, and who runs them."""

from better_ai.data.engine.executor import Executor, InlineExecutor, leave_pandas_out, open_executor
from better_ai.data.engine.local import LocalExecutor
from better_ai.data.engine.phase import (
    DONE,
    OnProgress,
    Phases,
    ShardResult,
    ShardTask,
    cpu_seconds,
    finish_output,
    is_done,
    new_output,
)

__all__ = [
    "DONE",
    "Executor",
    "InlineExecutor",
    "LocalExecutor",
    "OnProgress",
    "Phases",
    "ShardResult",
    "ShardTask",
    "cpu_seconds",
    "finish_output",
    "is_done",
    "leave_pandas_out",
    "new_output",
    "open_executor",
]
