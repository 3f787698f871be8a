"""Models on disk: a folder of config.json and safetensors, in our own layout or Hugging Face's.

Only safetensors are read: a pickle can run any code while it loads. Every file is written whole or not at all, and
config.json last, so that a folder with a config.json is complete.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from better_ai.artifacts import atomic_write, read_json, write_json
from better_ai.config import ModelConfig
from better_ai.errors import ArtifactError, UserError
from better_ai.model.huggingface import Packing, export_config, import_config, packings
from better_ai.model.transformer import Transformer

FORMAT = "better-ai model"
CONFIG_FILE = "config.json"
STAGE_FOLDER = "model"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


def from_pretrained(path: str | Path) -> Transformer:
    """The model in a folder that `save_pretrained` wrote, of a run's stage, or in a Hugging Face folder of a supported
    architecture.

    Weights become fp32 masters whatever they are stored in. Raises UserError when the folder holds no model or one that
    is not supported, ArtifactError when files are damaged or do not fit each other; both name what is wrong.
    """
    folder = _model_folder(Path(path))
    values = _config_values(folder)
    config = _config_of(values, folder)
    with torch.device("meta"):
        model = Transformer(config)
    expected = {name: parameter.shape for name, parameter in model.named_parameters()}
    layout = (
        {name: Packing(((name,),), (shape[0],)) for name, shape in expected.items()}
        if _is_native(values)
        else packings(config, values["model_type"])
    )
    weights = WeightFiles(folder)
    weights.expect({name for packing in layout.values() for names in packing.names for name in names})
    model.load_state_dict({name: _load(weights, name, layout[name], expected[name]) for name in expected}, assign=True)
    return model


def read_config(path: str | Path) -> ModelConfig:
    """The configuration of the model in a folder, without its weights; raises as `from_pretrained` does."""
    folder = _model_folder(Path(path))
    return _config_of(_config_values(folder), folder)


def _model_folder(path: Path) -> Path:
    """The folder itself, or the one that a stage of a run keeps its model in."""
    inside = path / STAGE_FOLDER
    return inside if not (path / CONFIG_FILE).exists() and (inside / CONFIG_FILE).exists() else path


def _config_values(folder: Path) -> dict[str, Any]:
    if not (folder / CONFIG_FILE).is_file():
        raise UserError(f"{folder} holds no model: {CONFIG_FILE} is missing; name the folder that contains it")
    values = read_json(folder / CONFIG_FILE)
    if not isinstance(values, dict):
        raise ArtifactError(f"{folder / CONFIG_FILE} is not a JSON object; expected a model's configuration")
    return values


def _is_native(values: Mapping[str, Any]) -> bool:
    return values.get("format") == FORMAT


def _config_of(values: dict[str, Any], folder: Path) -> ModelConfig:
    where = str(folder / CONFIG_FILE)
    return ModelConfig.parse(values.get("model"), where=where) if _is_native(values) else import_config(values, where)


def save_pretrained(
    model: Transformer, folder: Path, *, layout: Literal["native", "hf"], special_tokens: Mapping[str, int]
) -> None:
    """Write config.json and model.safetensors in fp32 as stored; see `Transformer.save_pretrained`.

    Raises UserError when no Hugging Face architecture holds the model, ArtifactError when the folder cannot be written;
    a model that was there before is untouched then.
    """
    values: dict[str, Any]
    parameters = {name: parameter.detach().cpu().contiguous() for name, parameter in model.named_parameters()}
    if layout == "native":
        values = {"format": FORMAT, "model": model.config.model_dump(mode="json")}
        tensors = parameters
    else:
        values = export_config(model.config, special_tokens)
        tensors = {
            name: tensor
            for ours, packing in packings(model.config, values["model_type"]).items()
            for name, tensor in packing.unpack(parameters[ours])
        }
    with atomic_write(folder / WEIGHTS_FILE) as temporary:
        try:
            save_file(tensors, temporary, metadata={"format": "pt"})
        except SafetensorError as error:
            raise ArtifactError(f"cannot write {folder / WEIGHTS_FILE}: {error}") from error
    write_json(folder / CONFIG_FILE, values)


class WeightFiles:
    """The tensors of a folder's safetensors file or files, read by name, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if (folder / INDEX_FILE).is_file():
            self.file_of = self._read_index()
        elif (folder / WEIGHTS_FILE).is_file():
            self.file_of = dict.fromkeys(self._names(WEIGHTS_FILE), WEIGHTS_FILE)
        elif pickles := sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in folder.glob(pattern)):
            raise UserError(
                f"{folder} holds weights as pickles ({', '.join(pickles)}), which may run any code while they load "
                f"and are not read; convert them to {WEIGHTS_FILE}"
            )
        else:
            raise UserError(f"{folder} holds no weights: expected {WEIGHTS_FILE} or {INDEX_FILE}")

    def expect(self, names: set[str]) -> None:
        """Raises ArtifactError unless the files hold exactly these tensors.

        Two extras are no surprise: rotary frequencies that old exporters stored, and a head equal to the embedding it
        is tied to.
        """
        found = {name for name in self.file_of if not name.endswith("rotary_emb.inv_freq")}
        if "lm_head.weight" in found - names and "model.embed_tokens.weight" in found:
            if not torch.equal(self.read("lm_head.weight"), self.read("model.embed_tokens.weight")):
                raise ArtifactError(
                    f"{self.folder}: lm_head.weight differs from the embedding although tie_word_embeddings is set; "
                    f"set it to false in {CONFIG_FILE} if the head was trained apart"
                )
            found.remove("lm_head.weight")
        for problem, these in (("lacks", names - found), ("has unexpected", found - names)):
            if these:
                shown = ", ".join(sorted(these)[:5]) + (", ..." if len(these) > 5 else "")
                raise ArtifactError(f"{self.folder} {problem} tensors ({len(these)}): {shown}")

    def read(self, name: str) -> Tensor:
        """One tensor as stored. Raises ArtifactError when its file is missing or damaged."""
        return self._open(self.file_of[name], lambda file: file.get_tensor(name))

    def _names(self, file: str) -> list[str]:
        return self._open(file, lambda opened: list(opened.keys()))

    def _open(self, file: str, read: Any) -> Any:
        try:
            with safe_open(self.folder / file, framework="pt") as opened:
                return read(opened)
        except (SafetensorError, OSError) as error:
            raise ArtifactError(
                f"{self.folder / file} is missing or damaged ({error}); fetch or build it again"
            ) from None

    def _read_index(self) -> dict[str, str]:
        """The file of every tensor, as the index says and the files confirm."""
        index = read_json(self.folder / INDEX_FILE)
        file_of = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(file_of, dict) or any(Path(file).name != file for file in file_of.values()):
            raise ArtifactError(
                f"{self.folder / INDEX_FILE} is damaged: expected a weight_map of tensors to file names"
            )
        for file in sorted(set(file_of.values())):
            missing = {name for name, home in file_of.items() if home == file} - set(self._names(file))
            if missing:
                raise ArtifactError(f"{self.folder / file} lacks {sorted(missing)[0]}, which {INDEX_FILE} promises")
        return file_of


def _load(weights: WeightFiles, name: str, packing: Packing, shape: torch.Size) -> Tensor:
    """One of our tensors, checked: shapes fit and every value is finite."""
    try:
        tensor = packing.pack(weights.read)
    except RuntimeError as error:
        raise ArtifactError(f"{weights.folder}: the tensors of {name} do not fit each other ({error})") from None
    if tensor.shape != shape:
        raise ArtifactError(
            f"{weights.folder}: {packing.names[0][0]} gives {name} the shape {tuple(tensor.shape)}, but {CONFIG_FILE} "
            f"asks for {tuple(shape)}"
        )
    if not tensor.is_floating_point():
        raise ArtifactError(f"{weights.folder}: {packing.names[0][0]} holds {tensor.dtype}, expected floating point")
    if not bool(torch.isfinite(tensor).all()):
        raise ArtifactError(f"{weights.folder}: {packing.names[0][0]} holds infinite or undefined values")
    return tensor.float()
