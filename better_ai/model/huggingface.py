"""Hugging Face's form of our models: config.json and tensor names of six architectures, both ways.

| architecture | what it adds to llama                                                       |
| llama        |                                                                             |
| qwen2        | biases on the query, key and value projections                              |
| qwen3        | RMSNorm on query and key heads                                              |
| mixtral      | experts in every block, their weights normalised                            |
| qwen2_moe    | experts beside a shared expert behind a sigmoid gate; dense blocks possible |
| qwen3_moe    | experts and RMSNorm on query and key heads; dense blocks possible           |

Tensors are renamed, concatenated and stacked, never permuted or computed with: rotary positions use the same half-split
layout. What an architecture can say and we cannot (sliding windows in use, scaled rotary positions, biases elsewhere)
is refused by name, as is the reverse.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from better_ai.config import ModelConfig
from better_ai.errors import UserError

CLASSES = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {"head_dim": 128},
    "mixtral": {"rms_norm_eps": 1e-5, "rope_theta": 1e6},
    "qwen2_moe": {"qkv_bias": True},
    "qwen3_moe": {},
}
"""What a key missing in config.json stands for, where that differs between architectures."""

REQUIRED_VALUES: dict[str, Any] = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "attention_dropout": 0,
    "use_sliding_window": False,
    "quantization_config": None,
    "partial_rotary_factor": 1,
}
"""Keys of config.json with the only value we can run; a missing key has it."""


def import_config(values: Mapping[str, Any], where: str) -> ModelConfig:
    """Our configuration of a Hugging Face config.json.

    Raises UserError naming the key that is missing or asks for something this model does not have.
    """
    model_type = values.get("model_type")
    if model_type not in CLASSES:
        raise UserError(f"{where}: model_type {model_type!r} is not supported; expected one of {', '.join(CLASSES)}")
    values = DEFAULTS[model_type] | {key: value for key, value in values.items() if value is not None}
    _refuse_unsupported(values, where)

    def required(key: str) -> Any:
        if key not in values:
            raise UserError(f"{where}: {key!r} is missing; a {model_type} config.json must name it")
        return values[key]

    ours = {
        "vocab_size": required("vocab_size"),
        "hidden_dim": required("hidden_size"),
        "num_layers": required("num_hidden_layers"),
        "num_attention_heads": required("num_attention_heads"),
        "num_key_value_heads": values.get("num_key_value_heads"),
        "head_dim": values.get("head_dim"),
        "ffn_dim": required("intermediate_size"),
        "max_seq_len": values.get("max_position_embeddings", 2048),
        "rope_theta": _rope_theta(values, where),
        "norm_eps": values.get("rms_norm_eps", 1e-6),
        "qk_norm": model_type in ("qwen3", "qwen3_moe"),
        "qkv_bias": model_type == "qwen2" or (model_type == "qwen2_moe" and values["qkv_bias"]),
        "tie_embeddings": values.get("tie_word_embeddings", False),
        "init_std": values.get("initializer_range", 0.02),
    }
    if model_type in ("mixtral", "qwen2_moe", "qwen3_moe"):
        experts_per_token = required("num_experts_per_tok")
        ours["moe"] = {
            "num_experts": values.get("num_local_experts") or required("num_experts"),
            "num_experts_per_token": experts_per_token,
            "expert_dim": ours["ffn_dim"] if model_type == "mixtral" else required("moe_intermediate_size"),
            "normalize_weights": model_type == "mixtral" or values.get("norm_topk_prob", False),
            "aux_loss_weight": values.get("router_aux_loss_coef", 0.001) * experts_per_token,
            "dense_layers": tuple(_dense_layers(values)) if model_type != "mixtral" else (),
        }
        if model_type == "qwen2_moe":
            ours["moe"] |= {
                "shared_expert_dim": required("shared_expert_intermediate_size"),
                "shared_expert_gate": True,
            }
    return ModelConfig.parse(ours, where=where)


def export_config(config: ModelConfig, special_tokens: Mapping[str, int]) -> dict[str, Any]:
    """config.json for `AutoModelForCausalLM`; raises UserError when no architecture can hold the model.

    Args:
        special_tokens: ids by name; bos, eos and pad are written.
    """
    model_type = architecture_of(config)
    values: dict[str, Any] = {
        "model_type": model_type,
        "architectures": [CLASSES[model_type]],
        "dtype": "float32",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_dim,
        "intermediate_size": config.ffn_width,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_seq_len,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        "initializer_range": config.init_std,
        "use_sliding_window": False,
        "sliding_window": None,
        **{f"{name}_token_id": special_tokens.get(name) for name in ("bos", "eos", "pad")},
    }
    moe = config.moe
    if moe is not None:
        values |= {
            "num_experts" if model_type != "mixtral" else "num_local_experts": moe.num_experts,
            "num_experts_per_tok": moe.num_experts_per_token,
            # their balancing loss is k at balance, ours is 1
            "router_aux_loss_coef": moe.aux_loss_weight / moe.num_experts_per_token,
        }
        if model_type == "mixtral":
            values["intermediate_size"] = config.expert_width
        else:
            values |= {
                "moe_intermediate_size": config.expert_width,
                "shared_expert_intermediate_size": moe.shared_expert_dim,
                "norm_topk_prob": moe.normalize_weights,
                "mlp_only_layers": list(moe.dense_layers),
                "qkv_bias": config.qkv_bias,
            }
    return values


def architecture_of(config: ModelConfig) -> str:
    """The model_type that holds this model exactly. Raises UserError naming the feature that has no home in any."""
    moe = config.moe
    homeless = None
    if config.qk_norm and config.qkv_bias:
        homeless = "qk_norm together with qkv_bias"
    elif moe is not None and moe.shared_expert_dim and not moe.shared_expert_gate:
        homeless = "a shared expert without a gate (set moe.shared_expert_gate)"
    elif moe is not None and moe.shared_expert_dim and config.qk_norm:
        homeless = "a shared expert together with qk_norm"
    elif moe is not None and not moe.shared_expert_dim and config.qkv_bias:
        homeless = "experts with qkv_bias but no shared expert"
    elif moe is not None and not (moe.shared_expert_dim or config.qk_norm or moe.normalize_weights):
        homeless = "unnormalised experts with neither qk_norm nor a shared expert"
    elif moe is not None and not (moe.shared_expert_dim or config.qk_norm) and moe.dense_layers:
        homeless = "dense_layers with neither qk_norm nor a shared expert"
    elif moe is None and not (config.qk_norm or config.qkv_bias) and config.hidden_dim % config.num_attention_heads:
        homeless = (
            f"hidden_dim={config.hidden_dim} that num_attention_heads={config.num_attention_heads} does not divide"
        )
    if homeless:
        raise UserError(f"no Hugging Face architecture holds {homeless}; keep such a model in the native layout")
    if moe is None:
        return "qwen3" if config.qk_norm else "qwen2" if config.qkv_bias else "llama"
    return "qwen2_moe" if moe.shared_expert_dim else "qwen3_moe" if config.qk_norm else "mixtral"


@dataclass(frozen=True)
class Packing:
    """One tensor of ours in terms of theirs.

    Attributes:
        names: for every expert (once where there are none) the tensors that follow each other along the rows.
        rows: of each of those.
        stacked: experts are stacked in a leading dimension.
    """

    names: tuple[tuple[str, ...], ...]
    rows: tuple[int, ...]
    stacked: bool = False

    def pack(self, tensor: Callable[[str], Tensor]) -> Tensor:
        """Our tensor, from theirs by name."""
        parts = [
            torch.cat([tensor(name) for name in names]) if len(names) > 1 else tensor(names[0]) for names in self.names
        ]
        return torch.stack(parts) if self.stacked else parts[0]

    def unpack(self, packed: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Their tensors by name, from ours."""
        for names, part in zip(self.names, packed if self.stacked else [packed], strict=True):
            yield from zip(names, (rows.contiguous() for rows in part.split(self.rows)), strict=True)


def packings(config: ModelConfig, model_type: str) -> dict[str, Packing]:
    """Every parameter of `Transformer(config)` by name, in terms of that architecture's tensors."""
    D, C = config.hidden_dim, config.head_width
    result = {
        "embedding": _single("model.embed_tokens.weight", config.vocab_size),
        "norm.weight": _single("model.norm.weight", D),
    }
    if not config.tie_embeddings:
        result["head"] = _single("lm_head.weight", config.vocab_size)
    qkv_rows = (config.num_attention_heads * C, config.kv_heads * C, config.kv_heads * C)
    for layer in range(config.num_layers):
        ours, theirs = f"blocks.{layer}.", f"model.layers.{layer}."
        attention = theirs + "self_attn."
        result[ours + "attention_norm.weight"] = _single(theirs + "input_layernorm.weight", D)
        result[ours + "feedforward_norm.weight"] = _single(theirs + "post_attention_layernorm.weight", D)
        result[ours + "attention.out.weight"] = _single(attention + "o_proj.weight", D)
        for kind in ("weight", "bias") if config.qkv_bias else ("weight",):
            names = tuple(f"{attention}{part}_proj.{kind}" for part in "qkv")
            result[ours + f"attention.qkv.{kind}"] = Packing((names,), qkv_rows)
        if config.qk_norm:
            result[ours + "attention.query_norm.weight"] = _single(attention + "q_norm.weight", C)
            result[ours + "attention.key_norm.weight"] = _single(attention + "k_norm.weight", C)
        if config.is_moe_layer(layer):
            result |= _expert_packings(config, model_type, ours + "feedforward.", theirs)
        else:
            result |= _feedforward_packings(config.ffn_width, D, ours + "feedforward.", theirs + "mlp.")
    return result


def _expert_packings(config: ModelConfig, model_type: str, ours: str, layer: str) -> dict[str, Packing]:
    moe = config.moe
    assert moe is not None
    mixtral = model_type == "mixtral"
    theirs = layer + ("block_sparse_moe." if mixtral else "mlp.")
    gate, up, down = ("w1", "w3", "w2") if mixtral else ("gate_proj", "up_proj", "down_proj")
    experts = [f"{theirs}experts.{expert}." for expert in range(moe.num_experts)]
    gate_up = tuple((f"{expert}{gate}.weight", f"{expert}{up}.weight") for expert in experts)
    result = {
        ours + "router.weight": _single(theirs + "gate.weight", moe.num_experts),
        ours + "experts.gate_up": Packing(gate_up, (config.expert_width,) * 2, stacked=True),
        ours + "experts.down": Packing(
            tuple((f"{expert}{down}.weight",) for expert in experts), (config.hidden_dim,), stacked=True
        ),
    }
    if moe.shared_expert_dim:
        result |= _feedforward_packings(
            moe.shared_expert_dim, config.hidden_dim, ours + "shared.", theirs + "shared_expert."
        )
        result[ours + "shared_gate.weight"] = _single(theirs + "shared_expert_gate.weight", 1)
    return result


def _feedforward_packings(inner_width: int, width: int, ours: str, theirs: str) -> dict[str, Packing]:
    gate_up = (theirs + "gate_proj.weight", theirs + "up_proj.weight")
    return {
        ours + "gate_up.weight": Packing((gate_up,), (inner_width,) * 2),
        ours + "down.weight": _single(theirs + "down_proj.weight", width),
    }


def _single(name: str, rows: int) -> Packing:
    return Packing(((name,),), (rows,))


def _refuse_unsupported(values: Mapping[str, Any], where: str) -> None:
    for key, supported in REQUIRED_VALUES.items():
        if key in values and values[key] != supported:
            raise UserError(f"{where}: {key}={values[key]!r} is not supported; only {supported!r} is")
    other_layers = set(values.get("layer_types", ())) - {"full_attention"}
    if other_layers:
        raise UserError(f"{where}: layer_types {sorted(other_layers)} are not supported; only 'full_attention' is")
    window = values.get("sliding_window")
    windowed = values["model_type"] == "mixtral"  # the others ask for it by use_sliding_window
    if windowed and window is not None and window < values.get("max_position_embeddings", 0):
        raise UserError(f"{where}: sliding_window={window} is in use, which is not supported; only full attention is")


def _rope_theta(values: Mapping[str, Any], where: str) -> float:
    """From `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (4)."""
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default" or rope.get("partial_rotary_factor", 1) != 1:
        raise UserError(f"{where}: rotary positions {dict(rope)} are not supported; only rope_type 'default' is")
    return float(rope.get("rope_theta", values.get("rope_theta", 10_000.0)))


def _dense_layers(values: Mapping[str, Any]) -> list[int]:
    step, dense = values.get("decoder_sparse_step", 1), values.get("mlp_only_layers", ())
    return [layer for layer in range(values["num_hidden_layers"]) if layer in dense or (layer + 1) % step]
