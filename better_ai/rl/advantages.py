"""Credit: from rewards to advantages. Pure functions.

Left out: leave-one-out baselines, REINFORCE++ and whitening over the batch.
"""

import torch
from torch import Tensor

STD_FLOOR = 1e-4
"""Added to a group's standard deviation, as in the reference implementations of GRPO."""


def group_advantages(rewards_PG: Tensor, *, normalize_std: bool) -> Tensor:
    """Rewards relative to their group: `r - mean`, divided by `std + STD_FLOOR` if asked (GRPO, arXiv 2402.03300).

    P prompts, G samples each; the standard deviation is the unbiased one (divided by G - 1). Each row of the result
    sums to zero. A group whose rewards are all equal gets exactly zero, not the rounding error of its mean. Without
    the division: Dr. GRPO (arXiv 2503.20783). With small groups the division turns a near tie into advantages of
    about one: rewards should differ by an amount that means something, or not at all.
    """
    centred_PG = rewards_PG - rewards_PG.mean(1, keepdim=True)
    if normalize_std:
        centred_PG = centred_PG / (rewards_PG.std(1, keepdim=True, correction=1) + STD_FLOOR)
    return torch.where(has_spread(rewards_PG)[:, None], centred_PG, 0.0)


def has_spread(rewards_PG: Tensor) -> Tensor:
    """Whether a group's rewards differ at all, bool (P,): without spread its policy gradient is exactly zero."""
    return (rewards_PG != rewards_PG[:, :1]).any(1)


def gae(
    rewards_BT: Tensor, values_BT: Tensor | None = None, *, discount: float = 1.0, trace_decay: float = 1.0
) -> Tensor:
    """Generalised advantage estimation (arXiv 1506.02438): the sum of (discount * trace_decay)^k temporal differences.

    `rewards_BT` is zero but where a reward was given; the value after the last step is zero. `values_BT` None means a
    critic that says zero everywhere: with discount = trace_decay = 1 and one reward at the end, every step's advantage
    is then that reward, so group normalisation of it is GRPO exactly. A trace_decay below 1 discounts early tokens.
    """
    if values_BT is None:
        values_BT = torch.zeros_like(rewards_BT)
    next_values_BT = torch.cat([values_BT[:, 1:], torch.zeros_like(values_BT[:, :1])], 1)
    deltas_BT = rewards_BT + discount * next_values_BT - values_BT
    advantages_BT = torch.empty_like(deltas_BT)
    running_B = torch.zeros_like(deltas_BT[:, 0])
    for step in reversed(range(deltas_BT.shape[1])):
        running_B = deltas_BT[:, step] + discount * trace_decay * running_B
        advantages_BT[:, step] = running_B
    return advantages_BT
