"""How a model is trained: batches, optimizer, schedule, precision, checkpoints."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from better_ai.config.schema import Config


class AdamWConfig(Config):
    """AdamW (arXiv 1711.05101), fused kernel."""

    type: Literal["adamw"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.95)
    eps: PositiveFloat = 1e-8
    weight_decay: float = Field(0.1, ge=0)


class MuonConfig(Config):
    """Muon (Jordan et al. 2024) for the blocks' matrices; AdamW for embeddings, norms, biases and routers."""

    type: Literal["muon"] = "muon"
    matrix_learning_rate: PositiveFloat = 0.02
    """Learning rate of the matrices; `TrainingConfig.learning_rate` serves the rest."""
    momentum: float = Field(0.95, ge=0, lt=1)
    weight_decay: float = Field(0.1, ge=0)
    adamw: AdamWConfig = AdamWConfig(weight_decay=0.0)


OptimizerConfig = Annotated[AdamWConfig | MuonConfig, Field(discriminator="type")]


class TrainingConfig(Config):
    """One run of the training loop, whatever its objective."""

    batch_size: PositiveInt = 8
    """Sequences in one micro-batch."""
    gradient_accumulation_steps: PositiveInt = 1
    """Micro-batches in one optimizer step; the result does not depend on the split."""
    max_steps: PositiveInt = 1000
    learning_rate: PositiveFloat = 3e-4
    optimizer: OptimizerConfig = AdamWConfig()
    lr_schedule: Literal["cosine", "wsd", "linear", "constant"] = "cosine"
    """After the warm-up: cosine decay, warm-up-stable-decay, linear decay, or none."""
    warmup_steps: NonNegativeInt = 0
    decay_fraction: float = Field(0.2, gt=0, le=1)
    """Share of the steps over which `wsd` decays, linearly."""
    min_lr_ratio: float = Field(0.0, ge=0, le=1)
    """Learning rate at the end, as a share of its peak."""
    grad_clip: float = Field(1.0, ge=0)
    """Largest global gradient norm; 0 for no clipping."""
    bf16: bool | Literal["auto"] = "auto"
    """Activations in bfloat16 over fp32 weights; auto: where the processor computes in bfloat16."""
    seed: NonNegativeInt = 0
    num_processes: PositiveInt = 1
    """Processes that share a step's micro-batches on one machine's cores; of use up to the number of micro-batches."""
    num_threads: NonNegativeInt = 0
    """Threads of each process; 0: the physical cores, shared among them. Exact resume needs the same number."""
    checkpoint_every_steps: PositiveInt = 200
    keep_checkpoints: PositiveInt = 2
    validate_every_steps: NonNegativeInt = 0
    """0: at the end only."""
    log_every_steps: PositiveInt = 10
    distributed_backend: Literal["none", "fsdp"] = "none"

    @model_validator(mode="after")
    def _check(self) -> "TrainingConfig":
        if self.warmup_steps >= self.max_steps:
            raise ValueError(f"warmup_steps={self.warmup_steps} leaves no step after it: max_steps={self.max_steps}")
        return self
