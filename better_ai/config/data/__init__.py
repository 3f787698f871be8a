"""Configuration of the data engine."""

from better_ai.config.data.build import DataConfig, DataSource, StepConfig
from better_ai.config.data.deduplication import DeduplicationConfig
from better_ai.config.data.dumps import (
    DumpSource,
    HuggingFaceSource,
    RecordsSource,
    StackExchangeSource,
    TemplatesSource,
    WarcSource,
    WebSource,
)
from better_ai.config.data.executor import ExecutorConfig, LocalExecutorConfig, RayExecutorConfig
from better_ai.config.data.privacy import PrivacyConfig, ToxicityConfig
from better_ai.config.data.sources import (
    ArchiveSource,
    BooksSource,
    DistributionsSource,
    DocumentationSource,
    FolderSource,
    GitSource,
    LocalSource,
    StdlibSource,
)
from better_ai.config.data.steps import LicenseConfig, QualityConfig, SizeConfig, SyntaxConfig

__all__ = [
    "ArchiveSource",
    "BooksSource",
    "DataConfig",
    "DataSource",
    "DeduplicationConfig",
    "DistributionsSource",
    "DocumentationSource",
    "DumpSource",
    "ExecutorConfig",
    "FolderSource",
    "GitSource",
    "HuggingFaceSource",
    "LicenseConfig",
    "LocalExecutorConfig",
    "LocalSource",
    "PrivacyConfig",
    "QualityConfig",
    "RayExecutorConfig",
    "RecordsSource",
    "SizeConfig",
    "StackExchangeSource",
    "StdlibSource",
    "StepConfig",
    "SyntaxConfig",
    "TemplatesSource",
    "ToxicityConfig",
    "WarcSource",
    "WebSource",
]
