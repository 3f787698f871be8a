"""Configuration of the data engine."""

from better_ai.config.data.build import DataConfig, DataSource, StepConfig
from better_ai.config.data.deduplication import DeduplicationConfig
from better_ai.config.data.sources import FolderSource, LocalSource, StdlibSource
from better_ai.config.data.steps import LicenseConfig, QualityConfig, SizeConfig, SyntaxConfig

__all__ = [
    "DataConfig",
    "DataSource",
    "DeduplicationConfig",
    "FolderSource",
    "LicenseConfig",
    "LocalSource",
    "QualityConfig",
    "SizeConfig",
    "StdlibSource",
    "StepConfig",
    "SyntaxConfig",
]
