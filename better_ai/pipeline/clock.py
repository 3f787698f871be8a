"""Wall seconds, CPU seconds and peak memory of a stage, summed over interruptions."""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from better_ai.artifacts import read_json, write_json

CLOCK = "clock.json"
SAVE_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Usage:
    """What a stage took. CPU seconds count this process and the children it has waited for."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    runs: int = 0
    """1 for a stage that was never interrupted."""


class StageClock:
    """Started with the stage; `tick` now and then keeps what a killed run has used."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / CLOCK
        self.before = Usage(**read_json(self.path)) if self.path.exists() else Usage()
        _reset_peak_memory()
        self.wall, self.cpu = time.monotonic(), _cpu_seconds()
        self.saved = self.wall

    def usage(self) -> Usage:
        return Usage(
            seconds=self.before.seconds + time.monotonic() - self.wall,
            cpu_seconds=self.before.cpu_seconds + _cpu_seconds() - self.cpu,
            peak_memory_bytes=max(self.before.peak_memory_bytes, _peak_memory_bytes()),
            runs=self.before.runs + 1,
        )

    def tick(self) -> None:
        if time.monotonic() - self.saved >= SAVE_EVERY_SECONDS:
            self.save()

    def save(self) -> Usage:
        usage = self.usage()
        write_json(self.path, asdict(usage))
        self.saved = time.monotonic()
        return usage


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _reset_peak_memory() -> None:
    """Linux can start the peak anew; elsewhere the peak is the process's so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_memory_bytes() -> int:
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        info = psutil.Process().memory_info()
        return int(getattr(info, "peak_wset", info.rss))
