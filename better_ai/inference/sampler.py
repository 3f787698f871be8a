"""From logits to token ids: pure functions of tensors and given uniform numbers.

Sampling is by inversion of the cumulative distribution: one uniform number in [0, 1) decides one token, so whoever
fixes the uniforms fixes the draw, whatever else is in the batch. (It is also cheaper than `torch.multinomial`, which
draws one exponential per vocabulary entry.)
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Draw:
    """Sampled ids with the log-probability and the entropy (nats, fp32) of the distribution they came from."""

    ids_B: Tensor
    logprobs_B: Tensor
    entropies_B: Tensor


def request_uniforms(seed: int, sample_index: int, count: int) -> np.ndarray:
    """Uniform numbers in [0, 1) for the first `count` tokens of one completion, float64.

    Number t is a function of (seed, sample_index, t) alone: the counter-based Philox4x64 (Salmon et al., SC 2011),
    keyed by the first two, at position t of its stream.
    """
    return np.random.Generator(np.random.Philox(key=np.array([seed, sample_index], dtype=np.uint64))).random(count)


def sample(
    logits_BV: Tensor,
    uniforms_B: Tensor,
    temperature_B: Tensor,
    top_k_B: Tensor | None = None,
    top_p_B: Tensor | None = None,
) -> Draw:
    """Draw one id per row. Rows with temperature 0 take the most likely id, the lowest one among equals.

    `top_k_B` (int, 0 for all) and `top_p_B` are None where no row truncates. Temperature-0 rows ignore them and report
    the log-probability and entropy of the unscaled softmax.
    """
    assert (top_k_B is None) == (top_p_B is None), "give both or neither"
    greedy_B = temperature_B == 0
    scaled_BV = logits_BV / torch.where(greedy_B, 1.0, temperature_B)[:, None]
    kept_BV = scaled_BV
    if top_k_B is not None and top_p_B is not None:
        kept_BV = torch.where(greedy_B[:, None], scaled_BV, truncate(scaled_BV, top_k_B, top_p_B))
    logprobs_BV = kept_BV.log_softmax(-1)
    probs_BV = logprobs_BV.exp()
    ids_B = invert_cdf(probs_BV, uniforms_B)
    if bool(greedy_B.any()):
        ids_B = torch.where(greedy_B, first_argmax(logits_BV), ids_B)
    entropies_B = -(probs_BV * logprobs_BV.clamp(min=torch.finfo(logprobs_BV.dtype).min)).sum(-1)
    return Draw(ids_B, logprobs_BV.gather(-1, ids_B[:, None]).squeeze(-1), entropies_B)


def invert_cdf(probs_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """The ids at which the cumulative probability first exceeds the uniforms (in [0, 1)); never an id of mass zero.

    Torch accumulates the sum in fp64 and stores it in the dtype of `probs_BV`: in fp32 probabilities are resolved to
    2**-24.
    """
    cdf_BV = probs_BV.cumsum(-1)
    total_B = cdf_BV[:, -1]
    below_total_B = torch.nextafter(total_B, torch.zeros_like(total_B))
    target_B = torch.minimum(uniforms_B.to(cdf_BV.dtype) * total_B, below_total_B)
    ids_B = torch.searchsorted(cdf_BV, target_B[:, None], right=True).squeeze(-1)
    return ids_B.clamp_(max=probs_BV.shape[-1] - 1)  # a row of NaN finds no place; the caller sees its NaN log-prob


def truncate(logits_BV: Tensor, top_k_B: Tensor, top_p_B: Tensor) -> Tensor:
    """Logits with -inf outside each row's top-k (0: all) and, within it, outside its top-p (1: all).

    Among equal logits the lower id ranks first, so that exactly k remain. The most likely id always remains.
    """
    vocab_size = logits_BV.shape[-1]
    sorted_BV, order_BV = logits_BV.sort(dim=-1, descending=True, stable=True)
    rank_V = torch.arange(vocab_size, device=logits_BV.device)
    k_B = torch.where(top_k_B > 0, top_k_B, vocab_size)
    in_top_k_BV = rank_V < k_B[:, None]
    probs_BV = sorted_BV.masked_fill(~in_top_k_BV, -torch.inf).softmax(-1)
    mass_before_BV = probs_BV.cumsum(-1) - probs_BV
    in_top_p_BV = (mass_before_BV < top_p_B[:, None]) | (top_p_B >= 1)[:, None]
    kept_BV = in_top_k_BV & (in_top_p_BV | (rank_V == 0))
    return logits_BV.masked_fill(~torch.zeros_like(kept_BV).scatter(-1, order_BV, kept_BV), -torch.inf)


def first_argmax(logits_BV: Tensor) -> Tensor:
    """The most likely id of each row; the lowest among equals, which `torch.argmax` does not promise."""
    last_id = logits_BV.shape[-1] - 1
    ids_V = torch.arange(last_id + 1, device=logits_BV.device)
    return torch.where(logits_BV == logits_BV.amax(-1, keepdim=True), ids_V, last_id).amin(-1)
