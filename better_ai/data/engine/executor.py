"""Who runs the tasks of a phase. An executor knows nothing of documents: it maps a function over items."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol


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
