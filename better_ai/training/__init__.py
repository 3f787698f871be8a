"""Training: one loop for every stage; objectives, batch sources, optimizers, checkpoints."""

from better_ai.training.batch import Batch, TokenBatch
from better_ai.training.causal_lm import CausalLMObjective
from better_ai.training.memory import PeakMemory
from better_ai.training.metrics import read_metrics
from better_ai.training.objective import Objective, ObjectiveOutput
from better_ai.training.precision import compute_dtype
from better_ai.training.result import StepReport, TrainingResult
from better_ai.training.sources import BatchSource, PackedRowsSource, ReportingSource
from better_ai.training.trainer import Trainer
from better_ai.training.validation import bits_per_byte

__all__ = [
    "Batch",
    "BatchSource",
    "CausalLMObjective",
    "Objective",
    "ObjectiveOutput",
    "PackedRowsSource",
    "PeakMemory",
    "ReportingSource",
    "StepReport",
    "TokenBatch",
    "Trainer",
    "TrainingResult",
    "bits_per_byte",
    "compute_dtype",
    "read_metrics",
]
