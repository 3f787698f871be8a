"""Removal of duplicates: exact ones, near ones, forks; and of headers that everyone has."""

from better_ai.data.deduplicate.deduplicate import deduplicate, index_kept
from better_ai.data.deduplicate.index import INDEX_FOLDER
from better_ai.data.deduplicate.removal import REMOVED_FILE, REMOVED_SCHEMA
from better_ai.data.deduplicate.strip import strip_headers

__all__ = [
    "INDEX_FOLDER",
    "REMOVED_FILE",
    "REMOVED_SCHEMA",
    "deduplicate",
    "index_kept",
    "strip_headers",
]
