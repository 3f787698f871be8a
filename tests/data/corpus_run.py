"""Builds a corpus in a process of its own, which may be told to end itself by SIGKILL on the way."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from better_ai.config import DataConfig

TIMINGS = "timings.json"


def run_build(config: DataConfig, out: Path, work: Path, **faults: int) -> subprocess.CompletedProcess[str]:
    """Faults: `syncs` or `events`, after so many of which the process dies; `file_bytes`, no file may get larger."""
    order = {"config": config.model_dump(mode="json"), "out": str(out), "work": str(work), "faults": faults}
    return subprocess.run([sys.executable, __file__, json.dumps(order)], capture_output=True, text=True, timeout=300)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of all files of a corpus but the timings."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != TIMINGS)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write_modules(folder: Path, count: int, *, start: int = 0) -> None:
    """Write small Python modules, each unlike the others, the last tenth of them nearly a copy of another."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        twin = number - count // 2 if number % 10 == 9 else number
        lines = [f'"""Module {twin} of a corpus."""', ""]
        for part in range(6):
            word = hashlib.sha256(f"{twin} {part}".encode()).hexdigest()
            lines += [
                f"def f_{word[:8]}(x, y={part}):",
                f'    """Return {word[8:20]}."""',
                f"    z = x * {int(word[20:26], 16)}",
            ]
            lines += [f"    return z + y - {int(word[26:32], 16)}", ""]
        (folder / f"module_{number:05d}.py").write_text("\n".join(lines) + ("# a copy\n" if twin != number else ""))


class _Killer:
    """Ends the process at the call of this number."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _main(order: Mapping[str, Any]) -> None:
    from better_ai.data import build_corpus
    from better_ai.data.collectors import files

    files.PART_FILES = 40  # more parts than files this small would have
    faults = order["faults"]
    syncs, events = _Killer(faults.get("syncs", 0)), _Killer(faults.get("events", 0))
    fsync = os.fsync

    def counting_fsync(descriptor: int) -> None:
        syncs()
        fsync(descriptor)

    os.fsync = counting_fsync
    if limit := faults.get("file_bytes"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    config = DataConfig.parse(order["config"], where="config")
    build_corpus(config, order["out"], work=order["work"], on_progress=lambda *_: events())
    print(json.dumps({"syncs": -syncs.left, "events": -events.left}))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
