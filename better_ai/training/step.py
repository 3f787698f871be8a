"""The gradient of one optimizer step, summed over its micro-batches."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from better_ai.errors import BetterAIError, UserError
from better_ai.model import Transformer
from better_ai.training.objective import Objective


@dataclass(frozen=True)
class StepValues:
    """What one step measured: the mean loss and metrics over its weight, the gradient's norm before clipping."""

    loss: float
    grad_norm: float
    metrics: dict[str, float]


def step_weight(objective: Objective, batches: Sequence[Any], *, step: int) -> float:
    """What a step's losses are divided by: known before any forward pass. Raises UserError when nothing counts."""
    total = sum(objective.weight(batch) for batch in batches)
    if total == 0:
        raise UserError(
            f"step {step} has nothing to learn from: the loss mask of all its {len(batches)} micro-batches is empty; "
            "check that answers are not truncated away and that the mask covers them"
        )
    return total


def accumulate_gradients(
    model: Transformer, objective: Objective, batches: Sequence[Any], total: float
) -> dict[str, Tensor]:
    """Backpropagate the summed losses of `batches` over `total`; returns "loss" and the metrics, divided alike.

    `total` is the weight of the whole step, of which these may be a part, so gradients do not depend on how the step
    is split into micro-batches.
    """
    device = next(model.parameters()).device
    means: dict[str, Tensor] = {}
    for batch in batches:
        if objective.weight(batch) == 0:
            continue
        output = objective(model, batch.to(device))
        (output.loss_sum / total).backward()
        for name, value in {"loss": output.loss_sum.detach(), **output.metrics}.items():
            means[name] = means.get(name, 0) + value / total
    return means


def finish_gradients(model: Transformer, means: dict[str, Tensor], *, grad_clip: float, step: int) -> StepValues:
    """Clip the gradients to a global norm of `grad_clip` (0: not at all) and bring the step's values to the host.

    The one point of a step that waits for the device. Raises BetterAIError when the loss or the gradient is not
    finite, before the weights are touched.
    """
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if grad_clip:
        torch.nn.utils.clip_grads_with_norm_(model.parameters(), grad_clip, norm)
    values = torch.stack([norm, *(value.float() for value in means.values())]).tolist()
    grad_norm, measured = values[0], dict(zip(means, values[1:], strict=True))
    loss = measured.pop("loss")
    if not (math.isfinite(loss) and math.isfinite(grad_norm)):
        raise BetterAIError(
            f"training diverged at step {step}: loss {loss}, gradient norm {grad_norm}; the last checkpoint is from "
            "before this step. Lower the learning rate, lengthen the warm-up or clip the gradient, and start anew"
        )
    return StepValues(loss, grad_norm, finite(measured))


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """The values a record can hold: JSON has no NaN, which is what the average of nothing comes to."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
