"""Killed at any moment and run again, a run ends with the bits of one left alone."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from byte_batches import tiny_config, tiny_model, tiny_trainer

from better_ai.artifacts import atomic
from better_ai.training import StepReport, checkpoint, read_metrics
from better_ai.training.muon import Muon

STEPS = 9
TIMES = ("train/tokens_per_second",)


def config(**changes: Any) -> Any:
    return tiny_config(max_steps=STEPS, checkpoint_every_steps=2, optimizer={"type": "muon"}, **changes)


def finish(folder: Path) -> dict[str, Any]:
    """Run to the end; everything that must not depend on how often the run was killed."""
    resumes = any(folder.glob("checkpoints/step-*"))
    model = tiny_model(seed=5 if resumes else 0)  # the weights of a resumed run come from its checkpoint
    tiny_trainer(config(), model, folder=folder, validate=lambda _: {"validation/x": 1.0}).run()
    state = torch.load(folder / f"checkpoints/step-{STEPS:08d}/state.pt", weights_only=True)
    log = [{key: line[key] for key in line if key not in TIMES} for line in read_metrics(folder / "metrics.jsonl")]
    return {"weights": model.state_dict(), **state, "log": log}


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return finish(tmp_path_factory.mktemp("left") / "alone")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_and_die(folder: Path, sabotage: Callable[[], Any] = lambda: None, at_step: int = 0) -> None:
    """Train in a forked process that kills itself, either through what `sabotage` plants or at a step."""

    def on_step(report: StepReport) -> None:
        if report.step == at_step:
            die()

    def child() -> None:
        sabotage()
        tiny_trainer(config(), folder=folder, on_step=on_step).run()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_killed_after_any_step(step: int, tmp_path: Path, left_alone: dict[str, Any]) -> None:
    run_and_die(tmp_path, at_step=step)
    assert_same(finish(tmp_path), left_alone)


def test_killed_again_and_again(tmp_path: Path, left_alone: dict[str, Any]) -> None:
    for step in (3, 5, 5, 6, 8):
        run_and_die(tmp_path, at_step=step)
    assert_same(finish(tmp_path), left_alone)


def _die_at(owner: Any, name: str, call: int, *, after: bool) -> Callable[[], None]:
    """Plant a death before or after the n-th call of a function."""

    def plant() -> None:
        original, calls = getattr(owner, name), []

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if len(calls) == call and not after:
                die()
            result = original(*args, **kwargs)
            if len(calls) == call:
                die()
            return result

        setattr(owner, name, wrapped)

    return plant


@pytest.mark.parametrize(
    "sabotage",
    [
        pytest.param(_die_at(Muon, "_update", 8, after=True), id="half the weights updated"),
        pytest.param(_die_at(torch.Tensor, "backward", 4, after=False), id="before a backward pass"),
        pytest.param(_die_at(checkpoint.safetensors.torch, "save_file", 2, after=True), id="weights written"),
        pytest.param(_die_at(checkpoint.torch, "save", 2, after=True), id="state written"),
        pytest.param(_die_at(atomic.Path, "rename", 2, after=False), id="before the rename"),
        pytest.param(_die_at(atomic.Path, "rename", 2, after=True), id="after the rename"),
        pytest.param(_die_at(checkpoint, "_remove", 1, after=False), id="before an old one is removed"),
        pytest.param(_die_at(checkpoint.shutil, "rmtree", 4, after=False), id="while an old one is removed"),
        pytest.param(_die_at(checkpoint, "_remove", 1, after=True), id="after an old one is removed"),
    ],
)
def test_killed_in_the_middle_of(sabotage: Callable[[], None], tmp_path: Path, left_alone: dict[str, Any]) -> None:
    run_and_die(tmp_path, sabotage)
    assert_same(finish(tmp_path), left_alone)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000008", "step-00000009"]


def test_a_log_line_cut_off_by_the_kill_is_written_again(tmp_path: Path, left_alone: dict[str, Any]) -> None:
    run_and_die(tmp_path, at_step=4)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "train/lo')
    assert_same(finish(tmp_path), left_alone)


def test_a_new_process_continues_to_the_same_bits(tmp_path: Path, left_alone: dict[str, Any]) -> None:
    run_and_die(tmp_path, at_step=5)
    source = "import sys, pathlib, test_training_resume; test_training_resume.finish(pathlib.Path(sys.argv[1]))"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", source, str(tmp_path)], env=environment, check=True)
    assert_same(finish(tmp_path)["weights"], left_alone["weights"])
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])["step"] == STEPS
