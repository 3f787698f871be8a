"""Logits equal those of `transformers` with the same random weights, both ways through files."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from better_ai.config import MODEL_PRESETS, ModelConfig, MoEConfig
from better_ai.errors import UserError
from better_ai.model import Transformer, from_pretrained
from better_ai.model.huggingface import CLASSES, architecture_of, import_config

transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity(logging.ERROR)
transformers.logging.disable_progress_bar()

VOCABULARY = 61
CONFIG_CLASS = {
    "llama": transformers.LlamaConfig,
    "qwen2": transformers.Qwen2Config,
    "qwen3": transformers.Qwen3Config,
    "mixtral": transformers.MixtralConfig,
    "qwen2_moe": transformers.Qwen2MoeConfig,
    "qwen3_moe": transformers.Qwen3MoeConfig,
}


def tokens() -> Tensor:
    return torch.randint(0, VOCABULARY, (2, 19), generator=torch.Generator().manual_seed(0))


def randomize(model: nn.Module, seed: int) -> None:
    """Weights of a size that makes logits of order one and every part matter, norms and biases included."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator) * (0.3 if parameter.dim() < 2 else 0.15)
        parameter.data.copy_(noise + (1.0 if "norm" in name else 0.0))


@st.composite
def hugging_face_configs(draw: st.DrawFn, model_type: str) -> Any:
    kv_heads, group = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    head_width = draw(st.sampled_from([4, 8]))
    explicit_head = model_type not in ("qwen2", "qwen2_moe") and draw(st.booleans())
    hidden = 48 if explicit_head else kv_heads * group * head_width * (1 if head_width == 8 else 2)
    values: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": hidden,
        "intermediate_size": draw(st.sampled_from([24, 40])),
        "num_hidden_layers": draw(st.integers(1, 3)),
        "num_attention_heads": kv_heads * group,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": 64,
        "rms_norm_eps": draw(st.sampled_from([1e-6, 1e-5])),
        "tie_word_embeddings": draw(st.booleans()),
        "rope_parameters": {"rope_type": "default", "rope_theta": draw(st.sampled_from([1e4, 5e5]))},
        "attn_implementation": "eager",
    }
    if explicit_head or model_type == "qwen3":
        values["head_dim"] = head_width
    if model_type in ("mixtral", "qwen2_moe", "qwen3_moe"):
        values["num_local_experts" if model_type == "mixtral" else "num_experts"] = draw(st.integers(2, 5))
        values["num_experts_per_tok"] = draw(st.integers(1, 2))
    if model_type in ("qwen2_moe", "qwen3_moe"):
        values |= {
            "moe_intermediate_size": draw(st.sampled_from([16, 24])),
            "norm_topk_prob": draw(st.booleans()),
            "mlp_only_layers": draw(st.sampled_from([[], [0]])),
            "decoder_sparse_step": draw(st.sampled_from([1, 2])),
        }
    if model_type == "qwen2_moe":
        values |= {"shared_expert_intermediate_size": 24, "qkv_bias": draw(st.booleans())}
    return CONFIG_CLASS[model_type](**values)


@pytest.mark.parametrize("model_type", CLASSES)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_logits_are_equal_both_ways(
    model_type: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp(model_type)
    theirs = transformers.AutoModelForCausalLM.from_config(data.draw(hugging_face_configs(model_type))).eval()
    randomize(theirs, seed=data.draw(st.integers(0, 99)))
    theirs.tie_weights()
    theirs.save_pretrained(folder / "theirs")
    with torch.no_grad():
        expected = theirs(tokens()).logits
        ours = from_pretrained(folder / "theirs")
        torch.testing.assert_close(ours(tokens()).logits, expected, rtol=1e-5, atol=1e-5)
        ours.save_pretrained(folder / "ours", layout="hf")
        again = transformers.AutoModelForCausalLM.from_pretrained(folder / "ours", attn_implementation="eager").eval()
        assert type(again) is type(theirs)
        torch.testing.assert_close(again(tokens()).logits, expected, rtol=1e-5, atol=1e-5)
        for name, parameter in from_pretrained(folder / "ours").named_parameters():
            assert torch.equal(parameter, ours.get_parameter(name)), f"{name} changed on the way"


BASE: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_dim": 32, "num_layers": 2, "num_attention_heads": 4, "ffn_dim": 40,
    "max_seq_len": 64,
}  # fmt: skip
EXPORTABLE = {
    "llama": ModelConfig(**BASE, num_key_value_heads=2, head_dim=6),
    "qwen2": ModelConfig(**BASE, qkv_bias=True, head_dim=6, tie_embeddings=False),
    "qwen3": ModelConfig(**BASE, qk_norm=True),
    "mixtral": ModelConfig(**BASE, moe=MoEConfig(num_experts=3, expert_dim=16)),
    "qwen2_moe": ModelConfig(
        **BASE, head_dim=6,
        moe=MoEConfig(num_experts=3, expert_dim=16, shared_expert_dim=24, shared_expert_gate=True, dense_layers=(1,)),
    ),
    "qwen3_moe": ModelConfig(**BASE, qk_norm=True, moe=MoEConfig(num_experts=3, normalize_weights=False)),
}  # fmt: skip


@pytest.mark.parametrize("model_type", EXPORTABLE)
def test_features_choose_the_architecture(model_type: str, tmp_path: Path) -> None:
    model = Transformer(EXPORTABLE[model_type])
    randomize(model, seed=1)
    model.save_pretrained(tmp_path, layout="hf", special_tokens={"bos": 1, "eos": 2, "pad": 0, "user": 9})
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert theirs.config.model_type == model_type
    assert (theirs.config.bos_token_id, theirs.config.eos_token_id, theirs.config.pad_token_id) == (1, 2, 0)
    with torch.no_grad():
        torch.testing.assert_close(model(tokens()).logits, theirs(tokens()).logits, rtol=1e-5, atol=1e-5)
    again = from_pretrained(tmp_path).config
    assert (again.moe and again.moe.dense_layers) == (model.config.moe and model.config.moe.dense_layers)
    assert (again.moe and again.moe.aux_loss_weight) == (model.config.moe and model.config.moe.aux_loss_weight)


@pytest.mark.parametrize(
    ("change", "feature"),
    [
        ({"qk_norm": True, "qkv_bias": True}, "qk_norm together with qkv_bias"),
        ({"moe": MoEConfig(shared_expert_dim=8)}, "a shared expert without a gate"),
        ({"moe": MoEConfig(shared_expert_dim=8, shared_expert_gate=True), "qk_norm": True}, "together with qk_norm"),
        ({"moe": MoEConfig(), "qkv_bias": True}, "qkv_bias but no shared expert"),
        ({"moe": MoEConfig(normalize_weights=False)}, "unnormalised experts"),
        ({"moe": MoEConfig(dense_layers=(0,))}, "dense_layers"),
        ({"hidden_dim": 36, "num_attention_heads": 8, "head_dim": 4}, "hidden_dim=36"),
    ],
)
def test_a_model_without_a_home_is_not_exported(change: dict[str, Any], feature: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=feature):
        Transformer(ModelConfig(**BASE | change)).save_pretrained(tmp_path / "model", layout="hf")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("model_type", "change", "named"),
    [
        ("llama", {"model_type": "gpt2"}, "model_type 'gpt2'"),
        ("llama", {"attention_bias": True}, "attention_bias=True"),
        ("llama", {"mlp_bias": True}, "mlp_bias=True"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act='gelu'"),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}, "linear"),
        ("llama", {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, "llama3"),
        ("llama", {"quantization_config": {"bits": 4}}, "quantization_config"),
        ("qwen3", {"use_sliding_window": True}, "use_sliding_window"),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "sliding_attention"),
        ("mixtral", {"sliding_window": 32, "max_position_embeddings": 64}, "sliding_window=32"),
        ("mixtral", {"num_experts_per_tok": None}, "'num_experts_per_tok' is missing"),
        ("llama", {"num_attention_heads": 5}, "num_attention_heads=5 does not divide hidden_dim=32"),
    ],
)
def test_what_we_cannot_run_is_refused_by_name(model_type: str, change: dict[str, Any], named: str) -> None:
    values = {
        "model_type": model_type, "vocab_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 16, "num_local_experts": 4, "num_experts_per_tok": 2,
    }  # fmt: skip
    import_config(values, "config.json")
    with pytest.raises(UserError, match=named):
        import_config(values | change, "config.json")


def test_keys_of_transformers_4_mean_the_same() -> None:
    values = {
        "model_type": "llama", "vocab_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 16, "rope_theta": 123.0, "rope_scaling": None, "torch_dtype": "bfloat16",
    }  # fmt: skip
    assert import_config(values, "config.json").rope_theta == 123.0


def test_sharded_bf16_folder(tmp_path: Path) -> None:
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8,
    )  # fmt: skip
    transformers.Qwen3ForCausalLM(config).to(torch.bfloat16).save_pretrained(tmp_path, max_shard_size="10KB")
    files = set(json.loads((tmp_path / "model.safetensors.index.json").read_text())["weight_map"].values())
    ours = from_pretrained(tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert len(files) > 1 and ours.embedding.dtype == torch.float32
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens()).logits, theirs(tokens()).logits, rtol=1e-5, atol=1e-5)


def test_which_presets_can_be_exported() -> None:
    homeless = {name for name, config in MODEL_PRESETS.items() if not _has_home(config)}
    assert homeless == {"better-ai"}, "its ungated shared expert is in no supported architecture"


def _has_home(config: ModelConfig) -> bool:
    try:
        return bool(architecture_of(config))
    except UserError:
        return False
