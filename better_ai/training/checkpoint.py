"""Checkpoints: everything a run needs to go on as if it had never stopped.

`checkpoints/step-00000200/` holds the weights (`model.safetensors`), optimizer, batch source and random number states
(`state.pt`, plain tensors and containers only) and a readable `checkpoint.json` with the progress, the configuration
and the SHA-256 of both. A folder is written under a temporary name, flushed to the disk and renamed: a checkpoint that
has its name is whole.
"""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from better_ai.artifacts import atomic_folder, content_id, read_json, sha256_file, write_json
from better_ai.errors import ArtifactError
from better_ai.training.result import TrainingResult

_DESCRIPTION, _MODEL, _STATE = "checkpoint.json", "model.safetensors", "state.pt"


@dataclass(frozen=True)
class Checkpoint:
    """What is restored into the objects of a run."""

    so_far: TrainingResult
    model: dict[str, torch.Tensor]
    optimizers: list[dict[str, Any]]
    batches: dict[str, Any]
    rng: dict[str, Any]
    num_threads: int


class CheckpointFolder:
    """The checkpoints of one run. `identity` is what must not change on resuming: plain nested values."""

    def __init__(self, folder: Path, *, identity: dict[str, Any], keep: int) -> None:
        self.folder, self.identity, self.keep = folder, identity, keep

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint, then remove all but the newest `keep`.

        Raises ArtifactError when it cannot be written, and for state that could not be read back; the earlier
        checkpoints are intact then.
        """
        state = {"optimizers": checkpoint.optimizers, "batches": checkpoint.batches, "rng": checkpoint.rng}
        _check_plain(state, "state")
        path = self.folder / f"step-{checkpoint.so_far.steps:08d}"
        if path.exists():  # stopped again before its next step
            return path
        try:
            with atomic_folder(path) as temporary:
                safetensors.torch.save_file(checkpoint.model, temporary / _MODEL)
                torch.save(state, temporary / _STATE)
                description = {
                    "so_far": asdict(checkpoint.so_far),
                    "identity": self.identity,
                    "num_threads": checkpoint.num_threads,
                    "versions": {"torch": torch.__version__, "numpy": np.__version__},
                    "sha256": {name: sha256_file(temporary / name) for name in (_MODEL, _STATE)},
                }
                write_json(temporary / _DESCRIPTION, description | {"content_id": content_id(description)})
        except (RuntimeError, SafetensorError) as error:  # how the writers of torch and safetensors report a full disk
            raise ArtifactError(
                f"cannot write the checkpoint {path}: {error}; earlier checkpoints are intact, free space and run again"
            ) from error
        for old in self.paths()[: -self.keep]:
            _remove(old)
        return path

    def paths(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*"))

    def load_newest(self) -> Checkpoint | None:
        """The newest checkpoint; None when there is none.

        Raises ArtifactError when it is damaged, or was written by a run of another identity.
        """
        for leftover in self.folder.glob(".*.tmp"):
            shutil.rmtree(leftover)
        paths = self.paths()
        return self._load(paths[-1], previous=paths[-2:-1]) if paths else None

    def _load(self, path: Path, *, previous: list[Path]) -> Checkpoint:
        mend = f"delete {path} to go on from " + (previous[0].name if previous else "the beginning")
        try:
            description = read_json(path / _DESCRIPTION)
            damaged = [name for name, digest in description["sha256"].items() if sha256_file(path / name) != digest]
            if description.pop("content_id") != content_id(description):
                damaged.append(_DESCRIPTION)
        except (ArtifactError, OSError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"the checkpoint {path} is damaged ({error}); {mend}") from None
        if damaged:
            raise ArtifactError(
                f"the checkpoint {path} is damaged: {' and '.join(damaged)} changed since written; {mend}"
            )
        if changed := _differences(description["identity"], self.identity):
            raise ArtifactError(
                f"the checkpoint {path} belongs to another run: {'; '.join(changed)}. Use those values, or another "
                "folder to start anew"
            )
        state = torch.load(path / _STATE, map_location="cpu", weights_only=True)
        return Checkpoint(
            TrainingResult(**description["so_far"]),
            safetensors.torch.load_file(path / _MODEL),
            state["optimizers"],
            state["batches"],
            state["rng"],
            description["num_threads"],
        )


def _remove(path: Path) -> None:
    """Delete a checkpoint so that a half-deleted one never carries its name."""
    doomed = path.rename(path.with_name(f".{path.name}.tmp"))
    shutil.rmtree(doomed)


def _check_plain(value: Any, where: str) -> None:
    """Raise ArtifactError for a value that `torch.load(weights_only=True)` would refuse to read back."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_plain(item, f"{where}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check_plain(item, f"{where}[{index}]")
    elif type(value) not in (type(None), bool, int, float, str, bytes, torch.dtype) and not isinstance(
        value, torch.Tensor
    ):
        raise ArtifactError(
            f"{where} is a {type(value).__name__}, which a checkpoint cannot hold; state_dict() must return tensors, "
            "numbers, strings and containers of them"
        )


def _differences(before: Any, now: Any, where: str = "") -> list[str]:
    """Where two nested plain values differ, one phrase each."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            difference
            for key in sorted(before.keys() | now.keys())
            for difference in _differences(before.get(key), now.get(key), f"{where}.{key}".removeprefix("."))
        ]
    return [] if before == now else [f"{where} was {before!r} and is now {now!r}"]
