"""From a configuration to optimizers: which parameter is updated how."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from better_ai.config import AdamWConfig, ModelConfig, MuonConfig, TrainingConfig
from better_ai.model import Transformer
from better_ai.training.muon import Muon


class Optimizers:
    """The optimizers of one model, stepped together under one learning-rate multiplier.

    With `adamw`: one AdamW, weight decay on the blocks' matrices only. With `muon`: the blocks' matrices go to Muon at
    `matrix_learning_rate`; embeddings, output head, norms, biases and routers to AdamW at `learning_rate`. Vectors and
    embeddings never decay.
    """

    def __init__(self, model: Transformer, config: TrainingConfig, *, newton_schulz_dtype: torch.dtype) -> None:
        roles: dict[str, list[Tensor]] = {"matrix": [], "router": [], "embedding": [], "vector": []}
        for name, parameter in model.named_parameters():
            roles[parameter_role(name, parameter)].append(parameter)
        optimizer = config.optimizer
        self._optimizers: list[torch.optim.Optimizer] = []
        if isinstance(optimizer, MuonConfig):
            self._optimizers.append(_muon(model, optimizer, newton_schulz_dtype))
            decayed, adamw = roles["router"], optimizer.adamw
        else:
            decayed, adamw = roles["matrix"] + roles["router"], optimizer
        self._optimizers.append(_adamw(decayed, roles["embedding"] + roles["vector"], config.learning_rate, adamw))
        self._peaks = [group["lr"] for group in self._groups()]

    def step(self, lr_multiplier: float) -> None:
        """Update every parameter at its peak learning rate times the multiplier, and drop the gradients."""
        for group, peak in zip(self._groups(), self._peaks, strict=True):
            group["lr"] = peak * lr_multiplier
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        for optimizer, state in zip(self._optimizers, states, strict=True):
            optimizer.load_state_dict(state)

    def _groups(self) -> Iterator[dict[str, Any]]:
        for optimizer in self._optimizers:
            yield from optimizer.param_groups


def parameter_role(name: str, parameter: nn.Parameter) -> str:
    """What a parameter is to an optimizer: "matrix" (of a block, also a stack of experts'), "router" (a shared
    expert's gate too), "embedding" (the output head too) or "vector" (norms, biases)."""
    if parameter.ndim < 2:
        return "vector"
    if not name.startswith("blocks."):
        return "embedding"
    return "router" if ".router." in name or ".shared_gate." in name else "matrix"


def fused_parts(name: str, matrix: Tensor, config: ModelConfig) -> tuple[int, ...]:
    """Rows of the projections that a fused matrix holds: queries, keys and values; gate and up."""
    if name.endswith("attention.qkv.weight"):
        keys = config.kv_heads * config.head_width
        return (config.num_attention_heads * config.head_width, keys, keys)
    rows = matrix.shape[-2]
    return (rows // 2, rows // 2) if "gate_up" in name else (rows,)


def _muon(model: Transformer, config: MuonConfig, newton_schulz_dtype: torch.dtype) -> Muon:
    """Each projection of a fused matrix is orthogonalised by itself: they differ in scale, and it learns faster."""
    matrices = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter_role(name, parameter) == "matrix":
            matrices[fused_parts(name, parameter, model.config)].append(parameter)
    return Muon(
        [{"params": parameters, "parts": list(parts)} for parts, parameters in matrices.items()],
        lr=config.matrix_learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        newton_schulz_dtype=newton_schulz_dtype,
    )


def _adamw(
    decayed: list[Tensor], undecayed: list[Tensor], learning_rate: float, config: AdamWConfig
) -> torch.optim.AdamW:
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": undecayed, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=learning_rate, betas=config.betas, eps=config.eps, fused=True
    )
