"""What a process and all that it starts take: CPU seconds, and the peak of their memory.

Memory is what processes have of their own (anonymous pages, none of them shared), from `/proc`; file pages mapped into
them are told apart, since the system takes them back when memory is short.
"""

import contextlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident memory of a process: its own, and that of mapped files."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0, 0.0
    found = dict(re.findall(r"^(Rss\w+):\s+(\d+)", status, re.MULTILINE))
    return int(found.get("RssAnon", 0)) * 1024 / 1e6, int(found.get("RssFile", 0)) * 1024 / 1e6


def tree(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from tree(int(child))


def cpu_seconds(pid: int) -> float:
    """Of a process, its descendants, and those of them that have ended and were waited for."""
    total = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))  # utime, stime and those of its dead children
    return total / _TICKS


class Measured:
    """A command that runs in a process group of its own, watched until it ends. Use as a context manager."""

    def __init__(self, command: list[str], environment: dict[str, str], *, every: float = 0.1) -> None:
        self._command, self._environment, self._every = command, environment, every
        self.peak_mb = self.first_mb = self.largest_mb = self.cpu_s = 0.0
        """Peak of the sum over all processes, of the first one, of the largest; CPU seconds, known at the end."""

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.returncode is None:
            self.kill(15 if kind is KeyboardInterrupt else 9)
        self._stop.set()
        self._watcher.join()

    def kill(self, signal: int) -> None:
        """Send a signal to the whole group; its CPU seconds are read just before."""
        self.cpu_s = cpu_seconds(self.process.pid)
        os.killpg(self.process.pid, signal)
        self.process.communicate()

    def finish(self) -> str:
        """Wait for its end; what it has printed. Raises SystemExit when it failed."""
        assert self.process.stdout
        output = self.process.stdout.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_s = usage.ru_utime + usage.ru_stime
        if self.process.returncode:
            raise SystemExit(f"exit status {self.process.returncode}: {' '.join(self._command)}")
        return output

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            sizes = [memory_mb(pid)[0] for pid in tree(self.process.pid)]
            self.peak_mb = max(self.peak_mb, sum(sizes))
            self.first_mb = max(self.first_mb, sizes[0])
            self.largest_mb = max(self.largest_mb, *sizes)
