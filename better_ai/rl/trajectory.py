"""What one sample of one task left behind."""

from dataclasses import dataclass, field

from better_ai.inference import FinishReason


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Token ids in, token ids out, and what they earned; text is a view for rewards and people.

    `action_mask` is true where the policy chose the token itself, false where a tool or the environment wrote it.
    `behaviour_logprobs` (nats) belong to the distribution the token was really drawn from; they are 0 where the mask
    is false. `advantage` is the credit of every action, given once the whole group is scored.
    """

    task_id: str
    group_id: int
    """Samples of the same prompt share it; unique within a run."""
    sample_index: int
    prompt_tokens: tuple[int, ...]
    tokens: tuple[int, ...]
    action_mask: tuple[bool, ...]
    behaviour_logprobs: tuple[float, ...]
    finish_reason: FinishReason
    text: str
    reward: float
    reward_parts: dict[str, float] = field(default_factory=dict)
    reward_why: str = ""
    advantage: float = 0.0

    def __post_init__(self) -> None:
        assert len(self.tokens) == len(self.action_mask) == len(self.behaviour_logprobs)
