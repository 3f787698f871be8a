"""Who runs a build. It changes how long a build takes and nothing of what comes out."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, NonNegativeInt, Tag

from better_ai.config.schema import Config


class LocalExecutorConfig(Config):
    """Processes on this machine."""

    type: Literal["local"] = "local"
    workers: NonNegativeInt = 0
    """0: one per core. 1: everything in the calling process."""


class RayExecutorConfig(Config):
    """Tasks of a Ray cluster (extra `ray`); its machines must see the run's folder and the sources under the same
    absolute paths."""

    type: Literal["ray"] = "ray"
    address: str | None = None
    """`auto`, or the address of a running cluster such as `ray://head:10001`; null starts one on this machine."""
    workers: NonNegativeInt = 0
    """Processes of a cluster started here, 0: one per core; of a running cluster, the tasks in flight at most, 0: its
    cores."""


def executor_type(value: Any) -> Any:
    """What kind of executor some values describe: `local` where they do not say."""
    return value.get("type", "local") if isinstance(value, dict) else getattr(value, "type", None)


ExecutorConfig = Annotated[
    Annotated[LocalExecutorConfig, Tag("local")] | Annotated[RayExecutorConfig, Tag("ray")],
    Discriminator(executor_type),
]
