"""Removal of duplicates: exact and near."""

from better_ai.data.deduplicate.exact import exact_duplicates
from better_ai.data.deduplicate.near import near_duplicates

__all__ = ["exact_duplicates", "near_duplicates"]
