"""Collectors: each turns one source into batches of documents, with what could not be read."""

from collections.abc import Callable
from typing import Any

from better_ai.config.data import DataSource
from better_ai.config.data.dumps import (
    HuggingFaceSource,
    RecordsSource,
    StackExchangeSource,
    TemplatesSource,
    WarcSource,
    WebSource,
)
from better_ai.config.data.sources import (
    ArchiveSource,
    BooksSource,
    DistributionsSource,
    DocumentationSource,
    FolderSource,
    GitSource,
    StdlibSource,
)
from better_ai.data.collectors.archive import ArchiveCollector
from better_ai.data.collectors.books import BooksCollector
from better_ai.data.collectors.collector import Collector, Part
from better_ai.data.collectors.distributions import DistributionsCollector
from better_ai.data.collectors.documentation import DocumentationCollector
from better_ai.data.collectors.folder import FolderCollector
from better_ai.data.collectors.git import GitCollector
from better_ai.data.collectors.huggingface import HuggingFaceCollector
from better_ai.data.collectors.records import RecordsCollector
from better_ai.data.collectors.stackexchange import StackExchangeCollector
from better_ai.data.collectors.stdlib import StdlibCollector
from better_ai.data.collectors.templates import TemplatesCollector
from better_ai.data.collectors.warc import WarcCollector
from better_ai.data.collectors.web import WebCollector

COLLECTORS: dict[type[Any], Callable[[Any], Collector]] = {
    StdlibSource: StdlibCollector,
    FolderSource: FolderCollector,
    GitSource: GitCollector,
    DistributionsSource: DistributionsCollector,
    DocumentationSource: DocumentationCollector,
    BooksSource: BooksCollector,
    ArchiveSource: ArchiveCollector,
    HuggingFaceSource: HuggingFaceCollector,
    RecordsSource: RecordsCollector,
    StackExchangeSource: StackExchangeCollector,
    TemplatesSource: TemplatesCollector,
    WarcSource: WarcCollector,
    WebSource: WebCollector,
}
"""Which class collects the source of a configuration."""


def make_collector(config: DataSource) -> Collector:
    """The collector a configuration describes."""
    return COLLECTORS[type(config)](config)


__all__ = ["COLLECTORS", "Collector", "Part", "make_collector"]
