"""Groups of trajectories as tensors.

P prompts, S their longest length, G samples each, R = P * G completions, T their longest length, N action tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from better_ai.rl.trajectory import Trajectory

ROUND_TO = 16
"""Widths are multiples of this. A CPU's matrix kernels are compiled, and kept, for each shape they meet: few shapes
save time and memory, and the padding costs less."""


@dataclass(frozen=True)
class PolicyBatch:
    """Whole groups: each prompt once, its completions in rows p * G to p * G + G - 1, both padded on the right.

    `prompt_mask_PS` is true at prompt tokens; `action_mask_RT` at completion tokens that are trained on, so false at
    padding and at tokens that the policy did not choose.
    """

    prompts_PS: Tensor
    prompt_mask_PS: Tensor
    completions_RT: Tensor
    action_mask_RT: Tensor
    behaviour_logprobs_RT: Tensor
    advantages_R: Tensor

    def __post_init__(self) -> None:
        assert len(self.completions_RT) % len(self.prompts_PS) == 0, "groups must be whole and of one size"
        assert self.prompt_mask_PS.dtype == self.action_mask_RT.dtype == torch.bool, "masks must be bool"

    @classmethod
    def of(cls, groups: Sequence[Sequence[Trajectory]]) -> "PolicyBatch":
        """The trajectories of each prompt, the same number of each."""
        rows = [trajectory for group in groups for trajectory in group]
        prompts = [group[0].prompt_tokens for group in groups]
        return cls(
            prompts_PS=_padded(prompts, torch.int64),
            prompt_mask_PS=_padded([[True] * len(prompt) for prompt in prompts], torch.bool),
            completions_RT=_padded([row.tokens for row in rows], torch.int64),
            action_mask_RT=_padded([row.action_mask for row in rows], torch.bool),
            behaviour_logprobs_RT=_padded([row.behaviour_logprobs for row in rows], torch.float32),
            advantages_R=torch.tensor([row.advantage for row in rows]),
        )

    @property
    def group_size(self) -> int:
        return len(self.completions_RT) // len(self.prompts_PS)

    @property
    def num_tokens(self) -> int:
        """Tokens the policy reads, padding included: prompts once per group."""
        return self.prompts_PS.numel() + self.completions_RT.numel()

    def to(self, device: torch.device) -> "PolicyBatch":
        return PolicyBatch(*(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)))


def _padded(rows: Sequence[Sequence[float]], dtype: torch.dtype) -> Tensor:
    """(rows, width), zero behind each row's end; the width is the longest row's, rounded up."""
    width = -(-max(map(len, rows)) // ROUND_TO) * ROUND_TO
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], dtype=dtype)
