"""A run that is killed in every stage ends with the same bits as a run left alone."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from better_ai.artifacts import lineage
from better_ai.config import load_recipe
from better_ai.pipeline import STAGES

RECIPE = Path(__file__).with_name("shrunken.yaml")
MODELS = ("pretrain", "sft", "rl")


def run_process(runs: Path, kills: dict[str, int]) -> subprocess.CompletedProcess[str]:
    """Run the shrunken recipe in a process of its own that kills itself when a stage has completed so much."""
    return subprocess.run(
        [sys.executable, __file__, str(runs), json.dumps(kills)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


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


def identities(run: Path) -> dict[str, str]:
    return {node.name: node.manifest.content_id for node in lineage(run)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("undisturbed")
    finished = run_process(runs, {})
    assert finished.returncode == 0, finished.stderr
    return runs / "shrunken"


@pytest.mark.slow
def test_killed_in_every_stage_a_run_ends_with_the_same_bits(undisturbed: Path, tmp_path: Path) -> None:
    for stage, completed in (
        ("data", 1), ("tokenizer", 2), ("pretrain", 1), ("pretrain", 9), ("pretrain", 20), ("tasks", 1), ("sft", 50),
        ("rl", 1), ("rl", 4), ("evaluate", 8),
    ):  # fmt: skip
        killed = run_process(tmp_path, {stage: completed})
        assert killed.returncode == -signal.SIGKILL, f"not killed in {stage}: {killed.stderr}"
    finished = run_process(tmp_path, {})
    assert finished.returncode == 0, finished.stderr
    assert identities(tmp_path / "shrunken") == identities(undisturbed)
    for name in MODELS:
        weights = f"{name}/model/model.safetensors"
        assert (tmp_path / "shrunken" / weights).read_bytes() == (undisturbed / weights).read_bytes()


def test_a_second_run_skips_everything(undisturbed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()}
    # Any stage that did work would report progress and be killed for it.
    again = run_process(undisturbed.parent, {stage.name: 0 for stage in STAGES})
    assert again.returncode == 0, again.stderr
    after = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()}
    assert {path for path in after if path.name != ".lock"} == {path for path in before if path.name != ".lock"}
    assert all(after[path] == before[path] for path in before if path.name != ".lock")


if __name__ == "__main__":
    from better_ai.pipeline import run_main_job

    run_main_job(load_recipe(RECIPE), Path(sys.argv[1]), progress=KillingProgress(json.loads(sys.argv[2])))
