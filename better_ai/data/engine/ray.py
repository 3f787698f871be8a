"""The tasks of a phase as tasks of a Ray cluster: a running one by its address, or one of this machine's own.

All machines must see the work folder and the sources under the same paths, such as on a network file system: tasks
send counts through Ray, and never documents. Ray runs a task again when its worker or machine dies.

A local cluster gets no dashboard and keeps its logs in a folder that goes with it. Its workers end with this process,
even when that is killed. Usage statistics are never sent.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from better_ai.data.engine.executor import MAX_ATTEMPTS, attempt, cores, leave_pandas_out
from better_ai.errors import BetterAIError, UserError
from better_ai.extras import import_extra

_OBJECT_STORE_BYTES = 100_000_000
_CONNECT_SECONDS = 5.0
_PATIENCE_SECONDS = 10.0
"""Without a result for so long, the cluster is asked whether it lives."""
_QUEUED_PER_WORKER = 2
"""Tasks in flight for each worker: one that runs, one that waits beside it."""


class RayExecutor:
    """Use as a context manager. A connection to Ray that this process has already is used and left open."""

    def __init__(self, address: str | None = None, workers: int = 0) -> None:
        """`workers`: 0 for one per core. Raises MissingExtra when Ray is not installed."""
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ["RAY_TQDM_PATCH_PRINT"] = "0"  # or it would put a function of its own in the place of `print`
        self._ray = import_extra("ray", "ray")
        self.address, self.workers = address, workers
        self._folder: str | None = None
        self._connected = False

    def __enter__(self) -> Self:
        """Connect. Raises UserError when there is no cluster at the address."""
        if self._ray.is_initialized():
            return self
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if self.address is not None:
            try:
                _knock(self.address)
                self._ray.init(address=self.address, **quiet)
            except (OSError, ValueError, RuntimeError) as error:
                reason = " ".join(str(error).split())[:200]
                raise UserError(
                    f"there is no Ray cluster at executor.address={self.address} ({reason}); "
                    "start one with `ray start --head`, or leave the address out for one on this machine"
                ) from None
        else:
            self._folder = tempfile.mkdtemp(prefix="ray-")
            self._ray.init(
                num_cpus=self.workers or cores(),
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _node_ip_address="127.0.0.1",
                _temp_dir=self._folder,
                **quiet,
            )
        self._connected = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._connected:
            self._ray.shutdown()
            self._connected = False
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (position, result) as they finish. An exception of the function is raised here, with its traceback.

        Raises BetterAIError when an item has ended its worker `MAX_ATTEMPTS` times.
        """
        remote = self._ray.remote(num_cpus=1, max_retries=MAX_ATTEMPTS - 1)(_run)
        at_most = _QUEUED_PER_WORKER * (self.workers or int(self._ray.cluster_resources().get("CPU", 1)))
        shared = self._ray.put(function)
        positions = iter(range(len(items)))
        flying: dict[Any, int] = {}
        try:
            while True:
                while len(flying) < at_most and (position := next(positions, None)) is not None:
                    flying[remote.remote(shared, items[position])] = position
                if not flying:
                    return
                done, _ = self._ray.wait(list(flying), timeout=_PATIENCE_SECONDS)
                for ready in done:
                    position = flying.pop(ready)
                    yield position, self._result(ready, position, len(items))
                if not done and not any(node["Alive"] for node in self._ray.nodes()):
                    raise BetterAIError(
                        "the Ray cluster has no machine left; start it anew and run the same command again, which goes "
                        "on where this one stopped"
                    )
        finally:
            for task in flying:
                self._ray.cancel(task, force=True)

    def _result(self, task: Any, position: int, count: int) -> Any:
        try:
            result, error = self._ray.get(task)
        except self._ray.exceptions.RayError as problem:
            raise BetterAIError(
                f"item {position + 1} of {count} has ended its Ray worker {MAX_ATTEMPTS} times "
                f"({type(problem).__name__}), most likely for want of memory; the same command goes on where this one "
                "stopped"
            ) from None
        if error is not None:
            raise error
        return result


def _knock(address: str) -> None:
    """Raise OSError when nobody listens at a `host:port`; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()


def _run(function: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    """In a worker of the cluster."""
    pa.set_cpu_count(1)
    leave_pandas_out()
    return attempt(function, item)
