"""Removal of duplicates: exact and near."""

from better_ai.data.deduplicate.deduplicate import deduplicate
from better_ai.data.deduplicate.exact import exact_duplicates
from better_ai.data.deduplicate.near import near_duplicates
from better_ai.data.deduplicate.removal import REMOVED_FILE, REMOVED_SCHEMA

__all__ = ["REMOVED_FILE", "REMOVED_SCHEMA", "deduplicate", "exact_duplicates", "near_duplicates"]
