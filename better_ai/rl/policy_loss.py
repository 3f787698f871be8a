"""The policy objective as small pure functions over flat action tokens (N), in fp32 or fp64.

Two choices are independent: what one token's loss is (`clipped_surrogate`, `kl_estimate`), and how tokens are summed
(`token_weights`, `normalizer`). The normaliser takes the counts of the whole optimizer step, so that the gradient
does not depend on how the step is cut into micro-batches.

Left out: sequence-level ratios (GSPO), CISPO, dual clipping, truncated importance weights.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Normalization = Literal["token", "sequence", "constant"]
KLEstimator = Literal["k1", "k2", "k3", "ratio_k3"]


@dataclass(frozen=True, slots=True)
class Surrogate:
    """Per token: the loss, the probability ratio, and where a clip bound took the gradient away."""

    loss_N: Tensor
    ratio_N: Tensor
    clipped_low_N: Tensor
    clipped_high_N: Tensor


def clipped_surrogate(
    logprobs_N: Tensor, behaviour_logprobs_N: Tensor, advantages_N: Tensor, *, clip_low: float, clip_high: float
) -> Surrogate:
    """`-min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A)` (PPO, arXiv 1707.06347), ratio per token.

    Different bounds are DAPO's (arXiv 2503.14476). With A < 0 a large ratio is not clipped: its gradient grows with it.
    """
    ratio_N = (logprobs_N - behaviour_logprobs_N).exp()
    clipped_N = ratio_N.clamp(1 - clip_low, 1 + clip_high)
    loss_N = -torch.minimum(ratio_N * advantages_N, clipped_N * advantages_N)
    return Surrogate(
        loss_N=loss_N,
        ratio_N=ratio_N,
        clipped_low_N=(ratio_N < 1 - clip_low) & (advantages_N < 0),
        clipped_high_N=(ratio_N > 1 + clip_high) & (advantages_N > 0),
    )


def kl_estimate(
    logprobs_N: Tensor, reference_logprobs_N: Tensor, ratio_N: Tensor, kind: KLEstimator = "ratio_k3"
) -> Tensor:
    """One-sample estimates of KL(policy || reference) at tokens drawn from the behaviour policy.

    With d = log reference - log policy: k1 = -d, k2 = d^2 / 2, k3 = e^d - d - 1 (Schulman 2020), and `ratio_k3` =
    ratio * k3, the ratio being policy / behaviour with its gradient. As *values* on on-policy tokens k1 and k3 are
    unbiased. As *losses* they are not alike: on on-policy tokens the expected gradient of k1 is zero, of k2 that of
    KL(policy || reference), of k3 that of the other direction, KL(reference || policy). `ratio_k3` is unbiased in
    value and gradient, off-policy too.
    """
    difference_N = reference_logprobs_N - logprobs_N
    if kind == "k1":
        return -difference_N
    if kind == "k2":
        return difference_N.square() / 2
    k3_N = difference_N.expm1() - difference_N
    return k3_N if kind == "k3" else ratio_N * k3_N


def token_weights(lengths_R: Tensor, normalization: Normalization, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Weight of each token of R completions laid end to end: 1, or 1 / length for the mean of sequence means."""
    weights_R = torch.ones_like(lengths_R, dtype=dtype)
    if normalization == "sequence":
        weights_R = weights_R / lengths_R
    return weights_R.repeat_interleave(lengths_R)


def normalizer(num_tokens: int, num_sequences: int, max_new_tokens: int, normalization: Normalization) -> float:
    """What the weighted sum over a whole step is divided by; it adds up over micro-batches.

    token: the tokens (DAPO). sequence: the sequences (GRPO). constant: the sequences times the token budget (Dr. GRPO),
    so that a long wrong answer is not blamed less per token.
    """
    counts = {"token": num_tokens, "sequence": num_sequences, "constant": num_sequences * max_new_tokens}
    return float(counts[normalization])
