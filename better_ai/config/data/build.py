"""A build: sources, steps, duplicates, and what is written."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from better_ai.config.data.deduplication import DeduplicationConfig
from better_ai.config.data.sources import LocalSource, StdlibSource
from better_ai.config.data.steps import CodeStep, LicenseConfig, QualityConfig, SizeConfig, SyntaxConfig
from better_ai.config.schema import Config

DataSource = Annotated[LocalSource, Field(discriminator="type")]
StepConfig = Annotated[CodeStep, Field(discriminator="type")]


class DataConfig(Config):
    """From sources to train and validation documents."""

    sources: tuple[DataSource, ...] = (StdlibSource(),)
    max_document_bytes: PositiveInt = 400_000
    """Larger documents are turned away unread; it bounds the memory of a worker."""
    steps: tuple[StepConfig, ...] = (LicenseConfig(), SizeConfig(), SyntaxConfig(), QualityConfig())
    """Applied in this order to every document alone."""
    deduplicate: DeduplicationConfig = DeduplicationConfig()
    validation_fraction: float = Field(0.05, gt=0, lt=1)
    max_documents: NonNegativeInt = 0
    """0: all. A smaller number keeps the first ones, in the order of sources and paths; for tests and trials."""
