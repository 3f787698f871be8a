"""Steps that judge each document alone: what they look for and what the policy does about it."""

from typing import Literal

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


class LanguageConfig(Config):
    """Documents in languages that are not wanted are rejected; the others may get theirs from their content."""

    type: Literal["language"] = "language"
    allowed: tuple[str, ...] = ()
    """Names as in the column `language`; empty: all."""
    recognise: Literal["never", "unknown", "always"] = "unknown"
    """Whether a model looks at the content (extra `data`): for no document, for those of unknown language, for all."""
    min_confidence: float = Field(0.5, ge=0, le=1)
    """What the model says below this leaves the language as it was."""
    natural: tuple[str, ...] = ()
    """ISO 639-1 codes that prose may be written in; empty: any, and nothing is recognised."""


class BenchmarkFile(Config):
    """A benchmark whose problems and solutions must not be learned."""

    name: str
    path: str
    """JSON lines (perhaps .gz) or Parquet."""
    id_field: str
    fields: tuple[str, ...]
    """Fields that hold text, or lists of text, of a problem or its solution."""


class DecontaminationConfig(Config):
    """Documents that hold a run of words of a benchmark are rejected."""

    type: Literal["decontamination"] = "decontamination"
    benchmarks: tuple[BenchmarkFile, ...] = Field(min_length=1)
    ngram_words: int = Field(13, ge=5, le=50)
    """Length of a run; a shorter text must occur whole."""
    min_hits: PositiveInt = 1
    """Runs of one item that a document must hold; an item with fewer must occur whole."""


class ObfuscationConfig(Config):
    """Documents that look like malware, or were made unreadable, are scored from 0 to 1; high scores are rejected."""

    type: Literal["obfuscation"] = "obfuscation"
    max_score: float = Field(0.7, ge=0, le=1)


class VulnerabilityConfig(Config):
    """What a security linter says of Python goes into the metadata; grave findings may reject (extra `data`)."""

    type: Literal["vulnerabilities"] = "vulnerabilities"
    reject_from: Literal["low", "medium", "high", "never"] = "never"
    """The severity from which a finding rejects the document."""
