"""Who runs the tasks of a phase. An executor knows nothing of documents: it maps a function over items."""

import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import pyarrow as pa

from better_ai.config.data import ExecutorConfig, RayExecutorConfig

MAX_ATTEMPTS = 3
"""How often an item may end its worker before an executor gives up."""


class Executor(Protocol):
    """Runs a picklable function over picklable items, somewhere."""

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position of the item, result) in the order in which they finish.

        A task whose worker dies is run again. An exception of the task itself ends the iteration.
        """
        ...


class InlineExecutor:
    """Runs everything in this process, in order."""

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        for position, item in enumerate(items):
            yield position, function(item)


def open_executor(config: ExecutorConfig) -> AbstractContextManager[Executor]:
    """The executor a configuration describes; its processes end with the context."""
    if isinstance(config, RayExecutorConfig):
        from better_ai.data.engine.ray import RayExecutor

        return RayExecutor(config.address, config.workers)
    from better_ai.data.engine.local import LocalExecutor

    return nullcontext(InlineExecutor()) if config.workers == 1 else LocalExecutor(config.workers)


def cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _WithoutPandas:
    """An import finder for which there is no pandas."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def leave_pandas_out() -> None:
    """Let pyarrow make its first array without importing pandas, which takes 0.7 CPU seconds in each process.

    For processes whose arrays are all ours: pandas can be imported later as ever, but until pyarrow has turned a table
    into a frame, `pyarrow.array` takes a Series for any other sequence. pyarrow has no setting for this. Nothing
    happens where pandas is there already.
    """
    if "pandas" not in sys.modules:
        finder = _WithoutPandas()
        sys.meta_path.insert(0, finder)
        pa.array([0])
        sys.meta_path.remove(finder)


def attempt(function: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    """In a worker: the result of a function, or its exception in a form that can be sent.

    What the function has freed goes back to the system: pyarrow would keep twice what a task holds.
    """
    try:
        return function(item), None
    except Exception as error:
        return None, _sendable(error)
    finally:
        pa.default_memory_pool().release_unused()


def _sendable(error: Exception) -> Exception:
    """The error with its traceback as a note, or that text alone where it cannot be sent."""
    text = "".join(traceback.format_exception(error))
    try:
        sent = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own exception, to see whether it survives
    except Exception:
        return RuntimeError(text)
    sent.add_note(f"in a worker process:\n{text}")
    return sent
