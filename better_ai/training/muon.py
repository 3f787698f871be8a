"""Muon: momentum whose every update matrix is orthogonalised (Jordan et al. 2024, kellerjordan.github.io/posts/muon).

The same update as `torch.optim.Muon`, which takes one 2-D matrix at a time. Here matrices of one shape are stacked and
orthogonalised together, and stacks of experts (3-D) are taken as the matrices they are. A fused projection may be
orthogonalised part by part: `parts` in a parameter group splits the rows of its matrices.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic Newton-Schulz step: steepest at zero, singular values end up in about 0.7..1.2 instead of at 1."""


class Muon(torch.optim.Optimizer):
    """Parameters are matrices or stacks of matrices; learning rates suit updates of spectral norm about 1.

    An update is scaled by `sqrt(max(1, rows / columns))` and the weight decay is decoupled from it. With `parts`, a
    list of row counts, each part of a matrix is orthogonalised and scaled by itself. `newton_schulz_dtype` is the
    precision of the iteration alone; weights, momentum and gradients keep theirs.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
        newton_schulz_steps: int = 5,
        newton_schulz_dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "weight_decay": weight_decay,
                "parts": None,
                "steps": newton_schulz_steps,
                "dtype": newton_schulz_dtype,
            },
        )

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # no closure: the gradients are there
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameters in _by_shape(group["params"]):
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        momenta = [self._momentum(parameter) for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        updates = torch._foreach_lerp(gradients, momenta, group["momentum"])  # Nesterov's look ahead
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        rows, columns = parameters[0].shape[-2:]
        start = 0
        for part in group["parts"] or [rows]:
            stacked = torch.stack([update.narrow(-2, start, part) for update in updates])
            scale = max(1, part / columns) ** 0.5
            orthogonals = orthogonalize(stacked, steps=group["steps"], dtype=group["dtype"])
            for parameter, orthogonal in zip(parameters, orthogonals, strict=True):
                parameter.narrow(-2, start, part).add_(orthogonal, alpha=-group["lr"] * scale)
            start += part

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        return state["momentum"]


def orthogonalize(matrices: Tensor, *, steps: int = 5, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """Near-orthogonal matrices with the singular vectors of the given ones (..., rows, columns), in `dtype`.

    `steps` quintic Newton-Schulz iterations on each matrix divided by its Frobenius norm.
    """
    a, b, c = _COEFFICIENTS
    rows, columns = matrices.shape[-2:]
    x_NIJ = matrices.reshape(-1, rows, columns).to(dtype)
    if rows > columns:  # the smaller of the two Gram matrices
        x_NIJ = x_NIJ.mT
    x_NIJ = x_NIJ / x_NIJ.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram_NII = x_NIJ @ x_NIJ.mT
        x_NIJ = torch.baddbmm(x_NIJ, torch.baddbmm(gram_NII, gram_NII, gram_NII, beta=b, alpha=c), x_NIJ, beta=a)
    return (x_NIJ.mT if rows > columns else x_NIJ).reshape(matrices.shape)


def _by_shape(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    """The parameters that have a gradient, those of one shape together."""
    shapes = defaultdict(list)
    for parameter in parameters:
        if parameter.grad is not None:
            shapes[parameter.shape].append(parameter)
    return list(shapes.values())
