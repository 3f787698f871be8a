"""Folders round-trip exactly; damaged ones are refused by name."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from better_ai.config import ModelConfig, MoEConfig
from better_ai.errors import ArtifactError, UserError
from better_ai.model import Transformer, from_pretrained

CONFIG = ModelConfig(
    vocab_size=30, hidden_dim=16, num_layers=2, num_attention_heads=2, ffn_dim=24, qk_norm=True, tie_embeddings=False,
    moe=MoEConfig(num_experts=2, shared_expert_dim=8, dense_layers=(0,)), zero_init_residual=True,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Transformer(CONFIG, seed=3).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_native_folder_round_trips_exactly(folder: Path) -> None:
    model, loaded = Transformer(CONFIG, seed=3), from_pretrained(folder)
    assert loaded.config == CONFIG
    assert all(torch.equal(parameter, loaded.get_parameter(name)) for name, parameter in model.named_parameters())
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert {file.name for file in folder.iterdir()} == {"config.json", "model.safetensors"}


def edit_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    tensors = load_file(folder / "model.safetensors") | {name.replace("__", "."): t for name, t in changes.items()}
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, folder / "model.safetensors")


def test_missing_and_unexpected_tensors_are_named(folder: Path) -> None:
    edit_weights(folder, norm__weight=None)
    with pytest.raises(ArtifactError, match=r"lacks tensors \(1\): norm.weight"):
        from_pretrained(folder)
    edit_weights(folder, norm__weight=torch.ones(16), extra=torch.ones(1))
    with pytest.raises(ArtifactError, match=r"unexpected tensors \(1\): extra"):
        from_pretrained(folder)


@pytest.mark.parametrize(
    ("tensor", "problem"),
    [
        (torch.ones(17), r"shape \(17,\), but config.json asks for \(16,\)"),
        (torch.full((16,), float("nan")), "infinite or undefined"),
        (torch.full((16,), float("inf")), "infinite or undefined"),
        (torch.ones(16, dtype=torch.int64), "int64, expected floating point"),
    ],
)
def test_unfit_tensors_are_refused(folder: Path, tensor: torch.Tensor, problem: str) -> None:
    edit_weights(folder, norm__weight=tensor)
    with pytest.raises(ArtifactError, match=rf"norm.weight.*{problem}"):
        from_pretrained(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match=r"model.safetensors is missing or damaged"):
        from_pretrained(folder)


def test_truncated_config_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"format": "better-ai model", "mo')
    with pytest.raises(ArtifactError, match=r"config.json cannot be read"):
        from_pretrained(folder)


def test_an_unknown_configuration_key_is_refused(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    values["model"]["hiden_dim"] = 3
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"did you mean 'hidden_dim'"):
        from_pretrained(folder)


def test_pickles_are_not_read(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"pytorch_model.bin.*may run any code"):
        from_pretrained(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no model: config.json is missing"):
        from_pretrained(tmp_path)


@pytest.mark.parametrize("file", ["../outside.safetensors", "/etc/passwd"])
def test_an_index_cannot_point_outside_its_folder(folder: Path, file: str) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"norm.weight": file}}))
    with pytest.raises(ArtifactError, match=r"index.json is damaged"):
        from_pretrained(folder)


def test_a_failed_write_leaves_the_old_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("better_ai.model.checkpoint.save_file", full_disk)
    with pytest.raises(ArtifactError, match="No space left"):
        Transformer(CONFIG, seed=4).save_pretrained(folder)
    assert torch.equal(from_pretrained(folder).embedding, Transformer(CONFIG, seed=3).embedding)
    assert len(list(folder.iterdir())) == 2
