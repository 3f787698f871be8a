"""The learning rate over a run, as a share of its peak."""

import math
from collections.abc import Callable

from better_ai.config import TrainingConfig


def lr_multiplier(step: int, config: TrainingConfig) -> float:
    """The multiplier of the learning rates at `step`, counted from 1 to `max_steps`.

    The warm-up rises linearly and reaches 1 at `warmup_steps`. After it, `cosine` and `linear` fall over all remaining
    steps, `wsd` (warm-up, stable, decay; arXiv 2404.06395) stays at 1 and falls linearly over the last
    `decay_fraction` of all steps, `constant` stays. A fall ends at `min_lr_ratio` one step after the last, so that
    with a floor of 0 the last step still learns.
    """
    if step <= config.warmup_steps:
        return step / config.warmup_steps
    fall_start = config.warmup_steps
    if config.lr_schedule == "wsd":
        decay_steps = max(1, round(config.max_steps * config.decay_fraction))
        fall_start = max(fall_start, config.max_steps - decay_steps)
    progress = max(0.0, (step - 1 - fall_start) / (config.max_steps - fall_start))
    return config.min_lr_ratio + (1 - config.min_lr_ratio) * _FALL[config.lr_schedule](progress)


_FALL: dict[str, Callable[[float], float]] = {
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
    "linear": lambda progress: 1 - progress,
    "wsd": lambda progress: 1 - progress,
    "constant": lambda progress: 1.0,
}
