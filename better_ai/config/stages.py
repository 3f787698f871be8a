"""What each stage of the main job needs besides a model and a training run."""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from better_ai.config.model import ModelConfig
from better_ai.config.schema import Config
from better_ai.config.training import TrainingConfig


class TokenizerConfig(Config):
    """SentencePiece unigram with byte fallback."""

    vocab_size: int = Field(4096, ge=512, le=262_144)
    max_piece_length: PositiveInt = 16
    training_bytes: PositiveInt = 4_000_000
    """Text the pieces are learned from; a fixed random sample of the lines when there is more."""
    tab_indents: NonNegativeInt = Field(0, le=32)
    """A newline and up to this many tabs are one piece, as newlines and spaces are; for languages indented by tabs."""
    split_identifiers: bool = False
    """No piece crosses a border inside camelCase or snake_case, so that the words of a name are tokens of their own."""
    reserved_tokens: NonNegativeInt = Field(0, le=1024)
    """Control tokens without a meaning yet: room for what a later stage needs."""


class PretrainConfig(Config):
    """Next-token prediction on packed documents."""

    model: ModelConfig = ModelConfig()
    train: TrainingConfig = TrainingConfig()
    seq_len: PositiveInt = 256
    fim_rate: float = Field(0.0, ge=0, le=1)
    """Share of documents turned into fill-in-the-middle form (arXiv 2207.14255)."""

    @model_validator(mode="after")
    def _check(self) -> "PretrainConfig":
        if self.seq_len > self.model.max_seq_len:
            raise ValueError(f"seq_len={self.seq_len} exceeds model.max_seq_len={self.model.max_seq_len}")
        return self


class TasksConfig(Config):
    """Generated programming tasks, and how many of them each stage sees."""

    families: tuple[str, ...] = ("arithmetic", "strings", "lists", "dictionaries", "conditions", "loops", "composition")
    max_difficulty: float = Field(1.0, gt=0, le=1)
    num_sft: PositiveInt = 2000
    num_rl: PositiveInt = 2000
    num_validation: PositiveInt = 100
    num_heldout: PositiveInt = 150
    seed: NonNegativeInt = 0


class SamplingConfig(Config):
    """How tokens are drawn."""

    temperature: float = Field(1.0, ge=0)
    """0: the most likely token."""
    top_k: NonNegativeInt = 0
    top_p: float = Field(1.0, gt=0, le=1)
    max_new_tokens: PositiveInt = 128


class SFTConfig(Config):
    """Supervised fine-tuning on task solutions; loss on the answers only."""

    train: TrainingConfig = TrainingConfig()
    max_seq_len: PositiveInt = 256


class GRPOConfig(Config):
    """Group relative policy optimisation (arXiv 2402.03300) with verifiable rewards."""

    train: TrainingConfig = TrainingConfig()
    prompts_per_step: PositiveInt = 16
    group_size: int = Field(8, ge=2)
    sampling: SamplingConfig = SamplingConfig()
    updates_per_rollout: PositiveInt = 1
    """Optimizer steps taken on one batch of rollouts."""
    clip_low: float = Field(0.2, gt=0, lt=1)
    clip_high: float = Field(0.2, gt=0)
    kl_weight: float = Field(0.0, ge=0)
    """Weight of the penalty KL(policy || SFT policy)."""
    normalize_std: bool = True
    """Divide group advantages by the group's standard deviation; off: Dr. GRPO (arXiv 2503.20783)."""
    loss_normalization: Literal["token", "sequence", "constant"] = "token"
    """Mean over the tokens (DAPO), over sequences of token means (GRPO), or by the token budget (Dr. GRPO)."""


class EvaluateConfig(Config):
    """pass@k on held-out tasks."""

    samples_per_task: PositiveInt = 8
    k: tuple[PositiveInt, ...] = (1, 4, 8)
    sampling: SamplingConfig = SamplingConfig()
    seed: NonNegativeInt = 1234
    confidence: float = Field(0.95, gt=0, lt=1)
    bootstrap_resamples: PositiveInt = 10_000

    @model_validator(mode="after")
    def _check(self) -> "EvaluateConfig":
        if 1 not in self.k:
            raise ValueError(f"k={list(self.k)} leaves out 1, by which systems are compared; add it")
        if max(self.k) > self.samples_per_task:
            raise ValueError(
                f"pass@{max(self.k)} needs at least {max(self.k)} samples_per_task, found {self.samples_per_task}"
            )
        return self


class SandboxConfig(Config):
    """Limits of one jailed run."""

    workers: NonNegativeInt = 0
    """0: one per core."""
    cpu_seconds: PositiveInt = 2
    wall_seconds: PositiveFloat = 10.0
    """Generous, so that a verdict does not depend on how busy the machine is; it ends programs that sleep."""
    memory_bytes: PositiveInt = 512 << 20
