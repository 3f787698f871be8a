"""Wall seconds, CPU seconds and peak memory of a stage, summed over interruptions."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from better_ai.artifacts import read_json, write_json
from better_ai.training import PeakMemory

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
    """Runs with the stage; `tick` now and then keeps what a killed run has used."""

    def __init__(self, folder: Path, peak: PeakMemory) -> None:
        self.path, self.peak = folder / CLOCK, peak
        self.before = Usage(**read_json(self.path)) if self.path.exists() else Usage()
        self.wall, self.cpu = time.monotonic(), _cpu_seconds()
        self.saved = self.wall

    def usage(self) -> Usage:
        return Usage(
            seconds=self.before.seconds + time.monotonic() - self.wall,
            cpu_seconds=self.before.cpu_seconds + _cpu_seconds() - self.cpu,
            peak_memory_bytes=max(self.before.peak_memory_bytes, self.peak.bytes),
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


@contextmanager
def stage_clock(folder: Path) -> Iterator[StageClock]:
    """A clock over the block; saved at its end, however it ends."""
    with PeakMemory() as peak:
        clock = StageClock(folder, peak)
        try:
            yield clock
        finally:
            clock.save()


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
