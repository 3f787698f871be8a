"""The sandbox a recipe asks for."""

from better_ai.config import SandboxConfig
from better_ai.sandbox import Limits, Sandbox


def open_sandbox(config: SandboxConfig) -> Sandbox:
    """A sandbox with the recipe's limits; close it, or use it in a `with` block."""
    limits = Limits(cpu_seconds=config.cpu_seconds, wall_seconds=config.wall_seconds, memory_bytes=config.memory_bytes)
    return Sandbox(workers=config.workers or None, limits=limits)
