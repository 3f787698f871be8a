"""A mixture of experts in place of the feed-forward: softmax router, top-k, no token dropped.

The balancing loss is Switch Transformers' (arXiv 2101.03961), the z-loss ST-MoE's (arXiv 2202.08906). Left out:
capacity limits, sigmoid scores with a selection bias (DeepSeek-V3, arXiv 2412.19437), group-limited routing.

N tokens, k experts per token, E experts, R rows of all experts, D model width, F inner width of an expert.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from better_ai.config import ModelConfig
from better_ai.errors import ConfigError
from better_ai.model.feedforward import FeedForward, swiglu
from better_ai.model.linear import Linear

ROW_MULTIPLE = 8
"""The grouped product needs rows of a multiple of 16 bytes: 8 values in bf16."""


@dataclass(frozen=True)
class Routing:
    """Where one layer sent its tokens.

    Attributes:
        experts_Nk: chosen experts, best first.
        weights_Nk: their weights, fp32.
        logits_NE: the router's scores before the softmax, fp32.
    """

    experts_Nk: Tensor
    weights_Nk: Tensor
    logits_NE: Tensor

    def of_tokens(self, counted_N: Tensor) -> "Routing":
        """Of the tokens that a bool mask marks."""
        return Routing(self.experts_Nk[counted_N], self.weights_Nk[counted_N], self.logits_NE[counted_N])

    def load(self) -> Tensor:
        """load_E: tokens sent to each expert, fp32, without gradient."""
        return torch.bincount(self.experts_Nk.flatten(), minlength=self.logits_NE.shape[1]).float()

    def load_balance_loss(self) -> Tensor:
        """E · Σ_e f_e P_e, with f the share of assignments and P the mean probability: 1 when balanced, E at worst."""
        load_E = self.load()
        mean_probability_E = self.logits_NE.softmax(-1).mean(0)
        return load_E.shape[0] * (load_E / load_E.sum() * mean_probability_E).sum()

    def z_loss(self) -> Tensor:
        """Mean squared log-partition of the router: keeps its scores small."""
        return self.logits_NE.logsumexp(-1).square().mean()


def route(logits_NE: Tensor, experts_per_token: int, *, normalize: bool) -> Routing:
    """The k most probable experts of each token, weighted by their probabilities (divided by their sum if asked)."""
    weights_Nk, experts_Nk = logits_NE.softmax(-1).topk(experts_per_token, dim=-1)
    if normalize:
        weights_Nk = weights_Nk / weights_Nk.sum(-1, keepdim=True)
    return Routing(experts_Nk, weights_Nk, logits_NE)


class Experts(nn.Module):
    """E SwiGLU experts in two stacked weights; tokens are sorted by expert and meet them in one grouped product."""

    def __init__(self, num_experts: int, width: int, inner_width: int) -> None:
        super().__init__()
        if width % ROW_MULTIPLE or inner_width % ROW_MULTIPLE:
            raise ConfigError(
                f"experts need widths that are multiples of {ROW_MULTIPLE}: found hidden_dim={width}, "
                f"expert width {inner_width}; change hidden_dim, ffn_dim or moe.expert_dim"
            )
        self.gate_up = nn.Parameter(torch.empty(num_experts, 2 * inner_width, width))
        self.down = nn.Parameter(torch.empty(num_experts, width, inner_width))

    def forward(self, x_ND: Tensor, routing: Routing) -> Tensor:
        """Each token's experts, weighted and summed: out_ND."""
        source_R, slot_Nk, ends_E = _dispatch(routing.experts_Nk, self.gate_up.shape[0])
        rows_RD = x_ND.index_select(0, source_R)
        gate_up, down = self.gate_up.to(x_ND.dtype), self.down.to(x_ND.dtype)
        inner_RF = swiglu(F.grouped_mm(rows_RD, gate_up.transpose(1, 2), offs=ends_E))
        outputs_RD = F.grouped_mm(inner_RF, down.transpose(1, 2), offs=ends_E)
        outputs_NkD = outputs_RD.index_select(0, slot_Nk.flatten()).view(*slot_Nk.shape, -1)
        return torch.bmm(routing.weights_Nk.to(x_ND.dtype)[:, None], outputs_NkD)[:, 0]


def _dispatch(experts_Nk: Tensor, num_experts: int) -> tuple[Tensor, Tensor, Tensor]:
    """Lay the tokens out by expert in R rows.

    On the CPU every expert's rows are padded (by copies of token 0 that nobody reads) to a multiple of about a quarter
    of their mean: oneDNN compiles and keeps a kernel for every new number of rows, which cost 15 % of the time and a
    third of the memory of a training step.

    Returns:
        source_R: the token of each row.
        slot_Nk: the row of each token's each expert.
        ends_E: where each expert's rows end, int32 as the grouped product wants it.
    """
    N, k = experts_Nk.shape
    assignment = experts_Nk.flatten()
    multiple = 1 << max(0, (N * k // num_experts).bit_length() - 3) if experts_Nk.is_cpu else 1
    order = assignment.argsort(stable=True)
    count_E = torch.bincount(assignment, minlength=num_experts)
    padded_E = (count_E + multiple - 1) // multiple * multiple
    ends_E = padded_E.cumsum(0)
    padding_before_E = ends_E - padded_E - (count_E.cumsum(0) - count_E)
    slot = torch.arange(N * k, device=order.device) + padding_before_E[assignment[order]]
    source_R = order.new_zeros(N * k if multiple == 1 else int(ends_E[-1]))
    source_R[slot] = order // k
    slot_Nk = torch.empty_like(order).index_copy_(0, order, slot).view(N, k)
    return source_R, slot_Nk, ends_E.to(torch.int32)


class MixtureOfExperts(nn.Module):
    """Routed experts, plus a shared one that every token passes through if configured."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        moe = config.moe
        assert moe is not None
        self.experts_per_token = moe.num_experts_per_token
        self.normalize = moe.normalize_weights
        self.router = Linear(config.hidden_dim, moe.num_experts)
        self.experts = Experts(moe.num_experts, config.hidden_dim, config.expert_width)
        self.shared = FeedForward(config.hidden_dim, moe.shared_expert_dim) if moe.shared_expert_dim else None
        self.shared_gate = Linear(config.hidden_dim, 1) if moe.shared_expert_gate else None

    def forward(self, x_BTD: Tensor) -> tuple[Tensor, Routing]:
        x_ND = x_BTD.flatten(0, 1)
        routing = route(self.router(x_ND.float()), self.experts_per_token, normalize=self.normalize)
        out_ND = self.experts(x_ND, routing)
        if self.shared is not None:
            shared_ND = self.shared(x_ND)
            if self.shared_gate is not None:
                shared_ND = torch.sigmoid(self.shared_gate(x_ND)) * shared_ND
            out_ND = out_ND + shared_ND
        return out_ND.view_as(x_BTD), routing
