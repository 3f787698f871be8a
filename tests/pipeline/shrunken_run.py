"""Runs the shrunken recipe in a process of its own, which may be told to kill itself on the way."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

RECIPE = Path(__file__).with_name("shrunken.yaml")


def run_process(runs: Path, kills: dict[str, int]) -> subprocess.CompletedProcess[str]:
    """`kills` says after how much completed work of which stage the process dies by SIGKILL."""
    command = [sys.executable, __file__, str(runs), json.dumps(kills)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


class KillingProgress:
    """Ends the process by SIGKILL at the first sign that a stage has completed at least so much of its work."""

    def __init__(self, kills: dict[str, int]) -> None:
        self.kills, self.stage = kills, ""

    def begin(self, stage: str, position: int, count: int) -> None:
        self.stage = stage

    def update(self, completed: float, total: float, **fields: str) -> None:
        if completed >= self.kills.get(self.stage, math.inf):
            os.kill(os.getpid(), signal.SIGKILL)

    def note(self, text: str) -> None: ...

    def end(self, stage: str, *, skipped: bool, seconds: float) -> None: ...


if __name__ == "__main__":
    from better_ai.config import load_recipe
    from better_ai.pipeline import run_main_job

    run_main_job(load_recipe(RECIPE), Path(sys.argv[1]), progress=KillingProgress(json.loads(sys.argv[2])))
