"""A run that is killed in every stage ends with the same bits as a run left alone."""

import signal
from pathlib import Path

from shrunken_run import run_process

from better_ai.artifacts import lineage
from better_ai.pipeline import STAGES

MODELS = ("pretrain", "sft", "rl")


def identities(run: Path) -> dict[str, str]:
    return {node.name: node.manifest.content_id for node in lineage(run)}


def test_killed_in_every_stage_a_run_ends_with_the_same_bits(undisturbed: Path, tmp_path: Path) -> None:
    for stage, completed in (
        ("data", 1), ("tokenizer", 2), ("tasks", 1), ("pretrain", 1), ("pretrain", 9), ("pretrain", 20), ("sft", 50),
        ("rl", 1), ("rl", 4), ("evaluate", 8), ("report", 0),
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
    def stamps() -> dict[Path, int]:
        files = (path for stage in STAGES for path in (undisturbed / stage.name).rglob("*"))
        return {path: path.stat().st_mtime_ns for path in files if path.is_file()}

    before = stamps()
    # A stage that did work would report progress and be killed for it.
    again = run_process(undisturbed.parent, {stage.name: 0 for stage in STAGES})
    assert again.returncode == 0, again.stderr
    assert stamps() == before
