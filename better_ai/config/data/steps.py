"""Steps that judge each document alone: what they look for and what the policy does about it."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from better_ai.config.schema import Config

PERMISSIVE = (
    *("MIT", "MIT-0", "X11", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "Zlib", "BSL-1.0"),
    *("PSF-2.0", "Python-2.0", "NCSA", "PostgreSQL", "Unlicense", "CC0-1.0"),
)
"""They ask for no more than a notice."""


class LicenseConfig(Config):
    """Documents whose SPDX licence expression the list does not satisfy are rejected."""

    type: Literal["license"] = "license"
    allowed: tuple[str, ...] = PERMISSIVE
    """SPDX identifiers; "unknown" never should be among them. Of `A AND B` both must be allowed, of `A OR B` one."""
    read_content: bool = True
    """What a document states of its own licence (tag, notice, licence text) stands above what its source declares."""


class SizeConfig(Config):
    """Limits of the UTF-8 content."""

    type: Literal["size"] = "size"
    min_bytes: NonNegativeInt = 64
    max_bytes: PositiveInt = 400_000


class SyntaxConfig(Config):
    """Documents that their language's parser refuses are rejected."""

    type: Literal["syntax"] = "syntax"
    max_error_share: float = Field(0.0, ge=0, le=1)
    """Share of the bytes that may be malformed, for parsers that read on after an error."""
    max_error_share_preprocessed: float = Field(0.05, ge=0, le=1)
    """The same for C and C++, which the parser sees before the preprocessor."""
    unchecked: Literal["keep", "reject"] = "keep"
    """Documents in languages without a parser: kept and marked as unchecked, or rejected."""


class QualityConfig(Config):
    """Documents are scored from 0 to 1; those below the minimum are rejected."""

    type: Literal["quality"] = "quality"
    min_score: float = Field(0.0, ge=0, le=1)


CodeStep = Annotated[LicenseConfig | SizeConfig | SyntaxConfig | QualityConfig, Field(discriminator="type")]
