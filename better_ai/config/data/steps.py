"""Steps that judge each document alone: what they look for and what the policy does about it."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from better_ai.config.schema import Config

PERMISSIVE = ("MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "PSF-2.0", "Unlicense", "CC0-1.0")


class LicenseConfig(Config):
    """Documents whose SPDX licence is not on the list are rejected; "unknown" never should be on it."""

    type: Literal["license"] = "license"
    allowed: tuple[str, ...] = PERMISSIVE


class SizeConfig(Config):
    """Limits of the UTF-8 content."""

    type: Literal["size"] = "size"
    min_bytes: NonNegativeInt = 64
    max_bytes: PositiveInt = 400_000


class SyntaxConfig(Config):
    """Documents that their language's parser refuses are rejected."""

    type: Literal["syntax"] = "syntax"


class QualityConfig(Config):
    """Documents are scored from 0 to 1; those below the minimum are rejected."""

    type: Literal["quality"] = "quality"
    min_score: float = Field(0.0, ge=0, le=1)


CodeStep = Annotated[LicenseConfig | SizeConfig | SyntaxConfig | QualityConfig, Field(discriminator="type")]
