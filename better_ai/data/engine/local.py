"""Worker processes on this machine, each replaced when it dies.

A worker is a fresh interpreter (spawned, so it shares nothing with this one) that takes one item at a time. When the
system kills it, another is started and the item is tried again, a few times. When this process is killed, the workers
notice and end themselves.

Left out: a limit on a worker's memory. That is the collectors' and steps' business, who read in bounded batches.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from better_ai.data.engine.executor import MAX_ATTEMPTS, attempt, cores, leave_pandas_out
from better_ai.errors import BetterAIError

_JOIN_SECONDS = 5.0


@dataclass
class _Worker:
    process: Any
    connection: connection.Connection
    position: int
    """Of the item it works on."""


class LocalExecutor:
    """A pool of processes. Use as a context manager; the processes start with the first items and stay until its end.

    One worker, or one item, runs in this process.
    """

    def __init__(self, workers: int = 0) -> None:
        """`workers`: 0 for one per core this process may use."""
        self.workers = workers or cores()
        self._idle: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        while self._idle:
            _end(self._idle.pop())

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position, result) as they finish. An exception of the function is raised here, with its traceback.

        Raises BetterAIError when an item has ended its worker `MAX_ATTEMPTS` times.
        """
        if self.workers == 1 or len(items) < 2:
            for position, item in enumerate(items):
                yield position, function(item)
            return
        waiting, attempts = deque(range(len(items))), Counter[int]()
        busy: list[_Worker] = []
        try:
            while waiting or busy:
                while waiting and len(busy) < self.workers:
                    position = waiting.popleft()
                    attempts[position] += 1
                    busy.append(self._start(position, function, items[position]))
                ready = connection.wait([worker.connection for worker in busy])
                for worker in [worker for worker in busy if worker.connection in ready]:
                    busy.remove(worker)
                    answer = _receive(worker)
                    if answer is None:
                        worker.process.join(_JOIN_SECONDS)
                        _end(worker)
                        if attempts[worker.position] == MAX_ATTEMPTS:
                            raise BetterAIError(_death_message(worker, len(items)))
                        waiting.appendleft(worker.position)
                        continue
                    self._idle.append(worker)
                    result, error = answer
                    if error is not None:
                        raise error
                    yield worker.position, result
        finally:
            for worker in busy:
                _end(worker)

    def _start(self, position: int, function: Callable[[Any], Any], item: Any) -> _Worker:
        """Give an item to an idle worker or to a new one. A worker that dies at once is found dead by `_receive`."""
        worker = self._idle.pop() if self._idle else _spawn()
        worker.position = position
        with contextlib.suppress(ConnectionError):
            worker.connection.send((function, item))
        return worker


def _spawn() -> _Worker:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, mine, -1)


def _end(worker: _Worker) -> None:
    """End a worker, whatever it is doing."""
    worker.connection.close()
    worker.process.kill()
    worker.process.join(_JOIN_SECONDS)


def _receive(worker: _Worker) -> tuple[Any, BaseException | None] | None:
    """The answer of a worker; None when it has died."""
    try:
        return worker.connection.recv()
    except (EOFError, OSError):
        return None


def _death_message(worker: _Worker, count: int) -> str:
    code = worker.process.exitcode
    how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
    why = "most likely for want of memory; lower executor.workers" if code == -signal.SIGKILL else "see its output"
    return (
        f"item {worker.position + 1} of {count} has ended its worker process {MAX_ATTEMPTS} times ({how}), {why}; "
        "the same command goes on where this one stopped"
    )


def _serve(channel: connection.Connection) -> None:
    """A worker's life: take items until the parent hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; its end is ours
    threading.Thread(target=_die_with_parent, daemon=True).start()
    pa.set_cpu_count(1)
    leave_pandas_out()
    while True:
        try:
            function, item = channel.recv()
        except (EOFError, ConnectionError):
            return
        channel.send(attempt(function, item))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
