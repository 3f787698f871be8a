import errno
import multiprocessing
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from byte_batches import ByteBatches, tiny_config, tiny_model, tiny_trainer

from better_ai.errors import ArtifactError
from better_ai.training import CausalLMObjective, Trainer, checkpoint
from better_ai.training.randomness import kept_rng, rng_state, set_rng_state

EVERY_TWO = tiny_config(checkpoint_every_steps=2)


def final_weights(folder: Path) -> dict[str, torch.Tensor]:
    model = tiny_model()
    tiny_trainer(EVERY_TWO, model, folder=folder).run()
    return model.state_dict()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    final_weights(folder)
    return folder


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    tiny_trainer(tiny_config(checkpoint_every_steps=1, keep_checkpoints=3), folder=tmp_path).run()
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000006", "step-00000007", "step-00000008"]


@pytest.mark.parametrize("name", ["checkpoint.json", "model.safetensors", "state.pt"])
@pytest.mark.parametrize("damage", ["one bit", "cut short", "missing"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_serves(
    name: str, damage: str, finished: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    newest = folder / "checkpoints/step-00000008"
    data = bytearray((newest / name).read_bytes())
    if damage == "missing":
        (newest / name).unlink()
    else:
        data[len(data) // 2] ^= 1
        (newest / name).write_bytes(data if damage == "one bit" else data[:-7])
    with pytest.raises(ArtifactError) as raised:
        final_weights(folder)
    assert name in str(raised.value) and "is damaged" in str(raised.value)
    assert f"delete {newest} to go on from step-00000006" in str(raised.value)

    shutil.rmtree(newest)
    again, expected = final_weights(folder), final_weights(finished)
    assert all(torch.equal(again[key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    ("changes", "model_changes", "said"),
    [
        ({"learning_rate": 0.5}, {}, r"train\.learning_rate was 0\.01 and is now 0\.5"),
        ({"optimizer": {"type": "muon"}}, {}, r"train\.optimizer\.type was 'adamw' and is now 'muon'"),
        ({"bf16": True}, {}, "compute_dtype was 'float32' and is now 'bfloat16'"),
        ({"max_steps": 20}, {}, "train.max_steps was 8 and is now 20"),
        ({}, {"num_layers": 3}, "model.num_layers was 2 and is now 3"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_with_what_differs(
    changes: dict[str, Any], model_changes: dict[str, Any], said: str, finished: Path
) -> None:
    with pytest.raises(ArtifactError, match=said):
        tiny_trainer(tiny_config(**changes), tiny_model(**model_changes), folder=finished).run()


def test_how_often_to_log_validate_and_save_may_change(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    changed = tiny_config(checkpoint_every_steps=5, keep_checkpoints=1, validate_every_steps=1, log_every_steps=2)
    assert tiny_trainer(changed, folder=folder).run().steps == 8


def test_a_full_disk_leaves_the_earlier_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json, calls = checkpoint.write_json, []

    def full(path: Path, value: Any) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_json(path, value)

    monkeypatch.setattr(checkpoint, "write_json", full)
    with pytest.raises(ArtifactError, match=r"cannot write .*step-00000006: No space left on device; free space"):
        final_weights(tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000002", "step-00000004"]
    monkeypatch.undo()
    assert tiny_trainer(EVERY_TWO, folder=tmp_path).run().steps == 8


@pytest.mark.parametrize("limit", [50_000, 200_000], ids=["weights do not fit", "state does not fit"])
def test_writers_that_hit_the_end_of_the_disk_are_reported(limit: int, tmp_path: Path) -> None:
    def child() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            final_weights(tmp_path)
        except ArtifactError as error:
            (tmp_path / "said").write_text(str(error))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert "cannot write" in (tmp_path / "said").read_text()
    assert "step-00000002" in (tmp_path / "said").read_text()
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_state_that_could_not_be_read_back_is_refused_by_name(tmp_path: Path) -> None:
    class Careless(ByteBatches):
        def state_dict(self) -> dict[str, Any]:
            return {"cursor": {"row": np.int64(3)}}

    trainer = Trainer(tiny_model(), CausalLMObjective(), Careless(), tiny_config(), folder=tmp_path)
    with pytest.raises(ArtifactError, match=r"state\['batches'\]\['cursor'\]\['row'\] is a int64"):
        trainer.run()


def test_random_generators_go_on_where_they_were() -> None:
    import random

    def draw() -> tuple[float, float, float, float]:
        return float(torch.rand(())), float(np.random.standard_normal()), random.gauss(0, 1), random.random()

    draw()
    state = rng_state()
    first = draw(), draw()
    set_rng_state(state)
    assert (draw(), draw()) == first
    set_rng_state(state)
    with kept_rng():
        draw()
    assert (draw(), draw()) == first
