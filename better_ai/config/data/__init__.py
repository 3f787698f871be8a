"""Configuration of the data engine."""

from better_ai.config.data.build import DataConfig, DataSource, StepConfig
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
from better_ai.config.data.executor import ExecutorConfig, LocalExecutorConfig, RayExecutorConfig
from better_ai.config.data.loading import (
    MixtureConfig,
    ScheduledPacing,
    SelectionConfig,
    SelfPacedConfig,
    WeightChange,
)
from better_ai.config.data.privacy import PrivacyConfig, ToxicityConfig
from better_ai.config.data.processing import AugmentationConfig, GitHistory, ProcessingConfig
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
    BenchmarkFile,
    DecontaminationConfig,
    LanguageConfig,
    LicenseConfig,
    ObfuscationConfig,
    QualityConfig,
    SizeConfig,
    SyntaxConfig,
    VulnerabilityConfig,
)

__all__ = [
    "ArchiveSource",
    "AugmentationConfig",
    "BenchmarkFile",
    "BooksSource",
    "CleaningConfig",
    "DataConfig",
    "DataSource",
    "DecontaminationConfig",
    "DeduplicationConfig",
    "DistributionsSource",
    "DocumentationSource",
    "ExecutorConfig",
    "FolderSource",
    "GitHistory",
    "GitSource",
    "HuggingFaceSource",
    "LanguageConfig",
    "LicenseConfig",
    "LocalExecutorConfig",
    "MixtureConfig",
    "ObfuscationConfig",
    "PrivacyConfig",
    "ProcessingConfig",
    "QualityConfig",
    "RayExecutorConfig",
    "RecordsSource",
    "ScheduledPacing",
    "SelectionConfig",
    "SelfPacedConfig",
    "SizeConfig",
    "StackExchangeSource",
    "StdlibSource",
    "StepConfig",
    "SyntaxConfig",
    "TemplatesSource",
    "ToxicityConfig",
    "VulnerabilityConfig",
    "WarcSource",
    "WebSource",
    "WeightChange",
]
