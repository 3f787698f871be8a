"""Collectors: each turns one source into batches of documents, with what could not be read."""

from collections.abc import Iterator

from better_ai.config import DataSource, StdlibSource
from better_ai.data.collectors.folder import collect_folder
from better_ai.data.collectors.stdlib import collect_stdlib
from better_ai.data.step import Stepped


def collect(source: DataSource, *, max_bytes: int) -> Iterator[Stepped]:
    """The documents of a source, in the order of their paths."""
    if isinstance(source, StdlibSource):
        return collect_stdlib(source, max_bytes=max_bytes)
    return collect_folder(source, max_bytes=max_bytes)


__all__ = ["collect", "collect_folder", "collect_stdlib"]
