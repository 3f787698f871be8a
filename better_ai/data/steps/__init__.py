"""Steps: what judges each document alone, made from its configuration."""

from collections.abc import Callable
from typing import Any

from better_ai.config.data import (
    DecontaminationConfig,
    LanguageConfig,
    LicenseConfig,
    ObfuscationConfig,
    PrivacyConfig,
    QualityConfig,
    SizeConfig,
    StepConfig,
    SyntaxConfig,
    ToxicityConfig,
    VulnerabilityConfig,
)
from better_ai.data.step import Step
from better_ai.data.steps.decontamination import decontamination
from better_ai.data.steps.language import language
from better_ai.data.steps.license import license
from better_ai.data.steps.obfuscation import obfuscation
from better_ai.data.steps.privacy import privacy
from better_ai.data.steps.quality import Quality, quality, score_python
from better_ai.data.steps.size import size
from better_ai.data.steps.syntax import syntax
from better_ai.data.steps.toxicity import toxicity
from better_ai.data.steps.vulnerabilities import vulnerabilities

STEPS: dict[type[Any], Callable[[Any], Step]] = {
    LicenseConfig: license,
    SizeConfig: size,
    SyntaxConfig: syntax,
    QualityConfig: quality,
    LanguageConfig: language,
    DecontaminationConfig: decontamination,
    ObfuscationConfig: obfuscation,
    VulnerabilityConfig: vulnerabilities,
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
    "decontamination",
    "language",
    "license",
    "make_step",
    "obfuscation",
    "privacy",
    "quality",
    "score_python",
    "size",
    "syntax",
    "toxicity",
    "vulnerabilities",
]
