"""A build: sources, steps, duplicates, and what is written."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from better_ai.config.data.cleaning import CleaningConfig
from better_ai.config.data.deduplication import DeduplicationConfig
from better_ai.config.data.dumps import (
    HuggingFaceSource,
    RecordsSource,
    StackExchangeSource,
    TemplatesSource,
    WarcSource,
    WebSource,
)
from better_ai.config.data.executor import ExecutorConfig, LocalExecutorConfig
from better_ai.config.data.privacy import PrivacyConfig, ToxicityConfig
from better_ai.config.data.sources import (
    ArchiveSource,
    BooksSource,
    DistributionsSource,
    DocumentationSource,
    FolderSource,
    GitSource,
    StdlibSource,
)
from better_ai.config.data.steps import (
    DecontaminationConfig,
    LanguageConfig,
    LicenseConfig,
    ObfuscationConfig,
    QualityConfig,
    SizeConfig,
    SyntaxConfig,
    VulnerabilityConfig,
)
from better_ai.config.schema import Config

DataSource = Annotated[
    StdlibSource
    | FolderSource
    | GitSource
    | DistributionsSource
    | DocumentationSource
    | BooksSource
    | ArchiveSource
    | HuggingFaceSource
    | RecordsSource
    | StackExchangeSource
    | TemplatesSource
    | WarcSource
    | WebSource,
    Field(discriminator="type"),
]
StepConfig = Annotated[
    LicenseConfig
    | SizeConfig
    | SyntaxConfig
    | QualityConfig
    | LanguageConfig
    | DecontaminationConfig
    | ObfuscationConfig
    | VulnerabilityConfig
    | PrivacyConfig
    | ToxicityConfig,
    Field(discriminator="type"),
]


class DataConfig(Config):
    """From sources to train and validation documents."""

    without_bearing = ("executor",)

    sources: tuple[DataSource, ...] = (StdlibSource(),)
    max_document_bytes: PositiveInt = 400_000
    """Larger documents are turned away unread; it bounds the memory of a worker."""
    cleaning: CleaningConfig = CleaningConfig()
    """Repairs before anything is judged."""
    steps: tuple[StepConfig, ...] = (LicenseConfig(), SizeConfig(), SyntaxConfig(), QualityConfig())
    """Applied in this order to every document alone."""
    deduplicate: DeduplicationConfig = DeduplicationConfig()
    shuffle: bool = False
    """Whether documents come in a random order, drawn from `seed`, or in that of sources and paths."""
    seed: NonNegativeInt = 0
    write_index: bool = False
    """Whether to write `index/`, by which later builds find copies of these documents (`deduplicate.against`)."""
    validation_fraction: float = Field(0.05, gt=0, lt=1)
    max_documents: NonNegativeInt = 0
    """0: all. A smaller number keeps the first ones, in the order of sources and paths; for tests and trials."""
    shard_bytes: PositiveInt = 128_000_000
    """Content in one output file, about; a shuffle holds as much in memory."""
    executor: ExecutorConfig = LocalExecutorConfig()
    """Who does the work."""
