"""What counts as a duplicate."""

from pydantic import Field

from better_ai.config.schema import Config


class DeduplicationConfig(Config):
    """Exact duplicates are always removed; of near-duplicates, those of a document that stays."""

    near_threshold: float = Field(0.7, gt=0, le=1)
    """Documents whose 5-gram Jaccard similarity to a kept one reaches this are dropped."""
