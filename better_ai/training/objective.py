"""What a batch is trained for: the seam between the one loop and every algorithm."""

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from torch import Tensor

from better_ai.model import Transformer
from better_ai.training.batch import Batch

BatchT_contra = TypeVar("BatchT_contra", bound=Batch, contravariant=True)


@dataclass(frozen=True)
class ObjectiveOutput:
    """The loss of one micro-batch, summed over what `Objective.weight` counts.

    `metrics` are scalar sums too, detached and named `area/thing_unit`: the trainer adds them up over the micro-batches
    of a step and divides by the step's whole weight, exactly as it does with the loss.
    """

    loss_sum: Tensor
    metrics: dict[str, Tensor] = field(default_factory=dict)


class Objective(Protocol[BatchT_contra]):
    """A loss over batches of one kind. It may hold other models, such as a reference policy, as objects.

    A mixture of experts' `ModelOutput.total_aux_loss` belongs to a mean loss: an objective adds it times the batch's
    weight, which makes the step's value the weighted mean of its micro-batches'. It is a statistic of one forward
    pass (which share of these tokens went to each expert), so unlike a sum over tokens it does depend on how a step is
    split: balance within each micro-batch is a little stricter than balance over the whole step.
    """

    def weight(self, batch: BatchT_contra) -> float:
        """How much the batch counts, usually its loss tokens: known before any forward pass. A micro-batch may weigh
        nothing, a whole step may not."""
        ...

    def __call__(self, model: Transformer, batch: BatchT_contra) -> ObjectiveOutput: ...
