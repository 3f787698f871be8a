"""Steps: what judges each document alone, made from its configuration."""

from collections.abc import Callable
from typing import Any

from better_ai.config.data import (
    LicenseConfig,
    PrivacyConfig,
    QualityConfig,
    SizeConfig,
    StepConfig,
    SyntaxConfig,
    ToxicityConfig,
)
from better_ai.data.step import Step
from better_ai.data.steps.license import license
from better_ai.data.steps.privacy import privacy
from better_ai.data.steps.quality import Quality, quality, score_python
from better_ai.data.steps.size import size
from better_ai.data.steps.syntax import syntax
from better_ai.data.steps.toxicity import toxicity

STEPS: dict[type[Any], Callable[[Any], Step]] = {
    LicenseConfig: license,
    SizeConfig: size,
    SyntaxConfig: syntax,
    QualityConfig: quality,
    PrivacyConfig: privacy,
    ToxicityConfig: toxicity,
}
"""Which function makes the step of a configuration."""


def make_step(config: StepConfig) -> Step:
    """The step a configuration describes."""
    return STEPS[type(config)](config)


__all__ = [
    "STEPS",
    "Quality",
    "license",
    "make_step",
    "privacy",
    "quality",
    "score_python",
    "size",
    "syntax",
    "toxicity",
]
