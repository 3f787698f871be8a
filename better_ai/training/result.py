"""What a run has done."""

from dataclasses import dataclass, field


@dataclass
class TrainingResult:
    """A run so far, interruptions bridged; finished when `steps` reaches `max_steps`.

    `tokens` were forwarded. `seconds` and `cpu_seconds` are this process's, without its children and without work that
    was lost between a kill and the checkpoint before it. `metrics` are the last step's, `validation` has an entry
    `{"step": ..., name: value}` for every validation.
    """

    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    validation: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class StepReport:
    """One finished step, for progress displays. `loss` is in the objective's unit, nats per token for language
    modelling; `learning_rate` is that of `TrainingConfig.learning_rate`, `grad_norm` from before clipping; `tokens`
    are the run's so far, `tokens_per_second` this step's."""

    step: int
    max_steps: int
    loss: float
    learning_rate: float
    grad_norm: float
    tokens: int
    tokens_per_second: float
    metrics: dict[str, float]

    def record(self) -> dict[str, float]:
        """The step as a line of the metrics log."""
        return {
            "train/loss": self.loss,
            "train/learning_rate": self.learning_rate,
            "train/gradient_norm": self.grad_norm,
            "train/tokens": self.tokens,
            "train/tokens_per_second": self.tokens_per_second,
            **self.metrics,
        }
