import pytest
import torch
from byte_batches import tiny_config, tiny_model

from better_ai.config import MoEConfig
from better_ai.training.optim import Optimizers, fused_parts, parameter_role

MOE = MoEConfig(num_experts=4, shared_expert_dim=16, shared_expert_gate=True, dense_layers=(0,))


def test_every_parameter_has_the_role_its_shape_and_place_give_it() -> None:
    model = tiny_model(moe=MOE, qkv_bias=True, tie_embeddings=False)
    roles: dict[str, set[str]] = {}
    for name, parameter in model.named_parameters():
        kind = name.split(".", 2)[2] if name.startswith("blocks.") else name
        roles.setdefault(parameter_role(name, parameter), set()).add(kind)
    assert roles["embedding"] == {"embedding", "head"}
    assert roles["router"] == {"feedforward.router.weight", "feedforward.shared_gate.weight"}
    assert roles["matrix"] == {
        "attention.qkv.weight", "attention.out.weight", "feedforward.gate_up.weight", "feedforward.down.weight",
        "feedforward.experts.gate_up", "feedforward.experts.down", "feedforward.shared.gate_up.weight",
        "feedforward.shared.down.weight",
    }  # fmt: skip
    assert roles["vector"] == {
        "norm.weight", "attention_norm.weight", "feedforward_norm.weight", "attention.query_norm.weight",
        "attention.key_norm.weight", "attention.qkv.bias",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_without_gradient_matrices_decay_and_nothing_else_moves(kind: str) -> None:
    optimizer = {"type": kind, "weight_decay": 0.5} | ({"matrix_learning_rate": 0.1} if kind == "muon" else {})
    model = tiny_model(moe=MOE, zero_init_residual=False)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    config = tiny_config(learning_rate=0.1, optimizer=optimizer)
    Optimizers(model, config, newton_schulz_dtype=torch.float32).step(lr_multiplier=0.2)
    decayed = {"matrix", "router"} if kind == "adamw" else {"matrix"}
    for name, parameter in model.named_parameters():
        factor = 1 - 0.1 * 0.2 * 0.5 if parameter_role(name, parameter) in decayed else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * factor)
        assert parameter.grad is None


def test_the_multiplier_applies_to_the_peak_and_does_not_accumulate() -> None:
    model = tiny_model()
    optimizers = Optimizers(model, tiny_config(optimizer={"type": "muon"}), newton_schulz_dtype=torch.float32)
    for multiplier in (0.5, 0.5, 1.0):
        optimizers.step(multiplier)
    assert {group["lr"] for state in optimizers.state_dict() for group in state["param_groups"]} == {0.02, 0.01}


def test_fused_projections_are_split_where_the_model_splits_them() -> None:
    model = tiny_model(moe=MOE, num_attention_heads=4, num_key_value_heads=2)
    split = {
        name.split(".", 2)[2]: fused_parts(name, parameter, model.config)
        for name, parameter in model.named_parameters()
        if parameter_role(name, parameter) == "matrix"
    }
    assert split == {
        "attention.qkv.weight": (32, 16, 16), "attention.out.weight": (32,),
        "feedforward.gate_up.weight": (64, 64), "feedforward.down.weight": (32,),
        "feedforward.experts.gate_up": (64, 64), "feedforward.experts.down": (32,),
        "feedforward.shared.gate_up.weight": (16, 16), "feedforward.shared.down.weight": (32,),
    }  # fmt: skip
