"""What a forward pass gives back."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass
class ModelOutput:
    """Hidden states after the final norm, with what the caller may need from them on demand.

    Attributes:
        hidden_BTD: in the model's compute dtype.
        head_weight_VD: the projection to the vocabulary.
        aux_losses: unweighted scalars by name, averaged over layers; only where gradients are recorded.
        aux_loss_weights: the configured weight of each.
        metrics: detached tensors by name.
    """

    hidden_BTD: Tensor
    head_weight_VD: Tensor
    aux_losses: dict[str, Tensor] = field(default_factory=dict)
    aux_loss_weights: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, Tensor] = field(default_factory=dict)

    @property
    def logits(self) -> Tensor:
        """logits_BTV in fp32, all of them: for losses over long sequences use `linear_cross_entropy` instead."""
        return F.linear(self.hidden_BTD, self.head_weight_VD.to(self.hidden_BTD.dtype)).float()

    @property
    def total_aux_loss(self) -> Tensor:
        """The auxiliary losses times their configured weights: what to add to a mean loss per token. Zero if none."""
        total = torch.zeros((), device=self.hidden_BTD.device)
        for name, loss in self.aux_losses.items():
            total = total + self.aux_loss_weights[name] * loss
        return total
