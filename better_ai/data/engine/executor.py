"""Who runs the tasks of a phase. An executor knows nothing of documents: it maps a function over items."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from better_ai.config.data import ExecutorConfig, RayExecutorConfig


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
