"""Where batches come from."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from better_ai.training.batch import Batch

BatchT_co = TypeVar("BatchT_co", bound=Batch, covariant=True)


class BatchSource(Protocol[BatchT_co]):
    """An endless supply of optimizer steps that can be stopped and continued at any step."""

    def next_step(self) -> Sequence[BatchT_co]:
        """The micro-batches of one optimizer step."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that `next_step` depends on, as tensors, numbers, strings and containers of them."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state. Raises ArtifactError when it belongs to other data."""
        ...


@runtime_checkable
class ReportingSource(Protocol):
    """A source that has something to say of the step it drew last, such as the rewards of its rollouts."""

    def step_metrics(self) -> dict[str, float]:
        """Finite values by name, `area/thing_unit`; they join the step's metrics."""
        ...
