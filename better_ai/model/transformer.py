"""The decoder-only transformer: one class for dense models and mixtures of experts.

Weights are fp32 masters; `compute_dtype` is the dtype of activations, and weights are cast to it where they are used:
no autocast, so what runs in which precision can be read off the code. Router and losses stay in fp32.

B batch, T time, S all keys, D model width, V vocabulary, L layers, E experts.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from better_ai.config import ModelConfig
from better_ai.model.attention import Attention, Visibility
from better_ai.model.feedforward import FeedForward
from better_ai.model.kv import KeyValues
from better_ai.model.moe import MixtureOfExperts, Routing
from better_ai.model.norm import RMSNorm
from better_ai.model.output import ModelOutput
from better_ai.model.rope import RotaryTable, Rotation


class Block(nn.Module):
    """Attention and feed-forward, each on the normalised residual stream and added back to it."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.attention_norm = RMSNorm(config.hidden_dim, config.norm_eps)
        self.attention = Attention(config)
        self.feedforward_norm = RMSNorm(config.hidden_dim, config.norm_eps)
        self.feedforward: FeedForward | MixtureOfExperts = (
            MixtureOfExperts(config) if config.is_moe_layer(layer) else FeedForward(config.hidden_dim, config.ffn_width)
        )

    def forward(
        self, x_BTD: Tensor, rotation: Rotation, visibility: Visibility, kv: KeyValues | None
    ) -> tuple[Tensor, Routing | None]:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), rotation, visibility, self.layer, kv)
        normed_BTD = self.feedforward_norm(x_BTD)
        if isinstance(self.feedforward, MixtureOfExperts):
            out_BTD, routing = self.feedforward(normed_BTD)
            return x_BTD + out_BTD, routing
        return x_BTD + self.feedforward(normed_BTD), None


class Transformer(nn.Module):
    """Tokens to hidden states, to logits on demand.

    Args:
        config: sizes; see `better_ai.config.ModelConfig`.
        seed: of the initial weights, drawn from a generator of the model's own; see `initialize`.
    """

    def __init__(self, config: ModelConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.compute_dtype = torch.float32
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.hidden_dim))
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_dim, config.norm_eps)
        self.head = None if config.tie_embeddings else nn.Parameter(torch.empty(config.vocab_size, config.hidden_dim))
        self._rotary = RotaryTable(config.head_width, config.rope_theta, config.max_seq_len)
        if not self.embedding.is_meta:
            self.initialize(seed)

    @property
    def head_weight_VD(self) -> Tensor:
        """The projection to the vocabulary: the embedding when tied."""
        return self.embedding if self.head is None else self.head

    @torch.no_grad()
    def initialize(self, seed: int) -> None:
        """Draw every weight anew. The same seed gives the same weights, whatever else uses random numbers.

        | parameter                                   | initial value                                             |
        | embedding, head, qkv, gate_up, router, gate | normal, standard deviation `init_std`                     |
        | attention.out, down                         | normal, `init_std` / √(2L) (GPT-2: they add to the        |
        |                                             | residual stream 2L times); 0 under `zero_init_residual`   |
        | norm scales                                 | 1                                                         |
        | biases                                      | 0                                                         |
        """
        generator = torch.Generator().manual_seed(seed)
        std = self.config.init_std
        for name, parameter in self.named_parameters():
            if name.endswith("norm.weight"):
                parameter.fill_(1)
            elif name.endswith("bias"):
                parameter.zero_()
            elif name.endswith(("attention.out.weight", ".down.weight", ".down")):
                if self.config.zero_init_residual:
                    parameter.zero_()
                else:
                    _fill_normal(parameter, std / math.sqrt(2 * self.config.num_layers), generator)
            else:
                _fill_normal(parameter, std, generator)

    def forward(
        self,
        tokens_BT: Tensor,
        *,
        positions_BT: Tensor | None = None,
        segment_ids_BT: Tensor | None = None,
        kv: KeyValues | None = None,
        mask_BTS: Tensor | None = None,
    ) -> ModelOutput:
        """Hidden states of every token.

        Args:
            tokens_BT: int64 ids.
            positions_BT: of each token in its text; 0, 1, ... in every row unless given.
            segment_ids_BT: documents packed in a row; attention stays causal and within equal ids. Give positions too.
                Id 0 beside others marks padding, which auxiliary losses do not count.
            kv: earlier keys and values, extended by this pass.
            mask_BTS: bool, True where a query may attend to a key; S counts the keys `kv.extend` returns. None with
                a `kv` means plain causal attention, right for a fresh cache only.

        Raises UserError when a row outgrows the model's `max_seq_len`.
        """
        rotation = self._rotary(tokens_BT, positions_BT, self.compute_dtype)
        visibility = Visibility.of(mask_BTS, segment_ids_BT, self.compute_dtype)
        x_BTD = F.embedding(tokens_BT, self.embedding).to(self.compute_dtype)
        routings = []
        for block in self.blocks:
            x_BTD, routing = block(x_BTD, rotation, visibility, kv)
            if routing is not None:
                routings.append(routing)
        output = ModelOutput(self.norm(x_BTD), self.head_weight_VD)
        if routings and torch.is_grad_enabled():
            self._report_routing(output, routings, segment_ids_BT)
        return output

    def _report_routing(self, output: ModelOutput, routings: list[Routing], segment_ids_BT: Tensor | None) -> None:
        moe = self.config.moe
        assert moe is not None
        if segment_ids_BT is not None and bool(segment_ids_BT.any()):
            routings = [routing.of_tokens(segment_ids_BT.flatten() != 0) for routing in routings]
        output.aux_losses = {
            "load_balance": torch.stack([routing.load_balance_loss() for routing in routings]).mean(),
            "router_z": torch.stack([routing.z_loss() for routing in routings]).mean(),
        }
        output.aux_loss_weights = {"load_balance": moe.aux_loss_weight, "router_z": moe.z_loss_weight}
        output.metrics = {"moe/expert_load_tokens": torch.stack([routing.load() for routing in routings])}

    def compute_copy(self) -> "Transformer":
        """A frozen copy whose weights are stored in the compute dtype: for sampling, where casting at every token costs
        more than the product itself. Its outputs are bit for bit those of this model at the time of the copy."""
        with torch.device("meta"):
            frozen = Transformer(self.config)
        weights = {
            name: parameter.detach().clone()
            if ".router." in name
            else parameter.detach().to(self.compute_dtype, copy=True)
            for name, parameter in self.named_parameters()
        }
        frozen.load_state_dict(weights, assign=True)
        frozen.compute_dtype = self.compute_dtype
        return frozen.requires_grad_(False).eval()

    def save_pretrained(
        self,
        path: str | Path,
        *,
        layout: Literal["native", "hf"] = "native",
        special_tokens: Mapping[str, int] | None = None,
    ) -> None:
        """Write config.json and model.safetensors to the folder `path`; see checkpoint.py."""
        from better_ai.model.checkpoint import save_pretrained

        save_pretrained(self, Path(path), layout=layout, special_tokens=special_tokens or {})


def _fill_normal(parameter: Tensor, std: float, generator: torch.Generator) -> None:
    """Drawn on the CPU, so that a seed means the same weights on every device."""
    parameter.copy_(torch.empty(parameter.shape).normal_(0, std, generator=generator))
