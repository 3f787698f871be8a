"""What counts as a duplicate, and of what."""

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from better_ai.config.schema import Config

MINHASH_BINS = 8
"""The number of permutations is a multiple of this; see `data/deduplicate/minhash.py`."""


class DeduplicationConfig(Config):
    """Exact duplicates are always removed; of near-duplicates, those of a document that stays."""

    method: Literal["minhash", "simhash", "exact"] = "minhash"
    """How candidates for near-duplicates are found: 32 x 4 bands of MinHash find 99.98 % of the pairs at similarity
    0.7; SimHash is smaller and finds close copies only (98.6 % at 0.98, 91 % at 0.95); `exact` looks for none. The
    true similarity decides always."""
    threshold: float = Field(0.7, gt=0, le=1)
    """Documents whose Jaccard similarity to a kept one reaches this are dropped."""
    ngram: int = Field(5, ge=1, le=64)
    """Code tokens per shingle; shorter documents are dropped as exact duplicates only."""
    permutations: PositiveInt = 128
    bands: PositiveInt = 32
    """Of `permutations / bands` values each. 16 bands of 8 are cheaper and find 61 % at similarity 0.7."""
    simhash_blocks: int = Field(6, ge=2, le=16)
    simhash_distance: int = Field(3, ge=1, le=8)
    """SimHash finds all pairs whose 64 bits differ in so many places: every choice of `blocks - distance` of the
    blocks is a key."""
    bucket_pairs: int = Field(32, ge=2)
    """A document is compared with this many predecessors in a bucket: half of them the best, half the nearest."""
    ignore_header: bool = False
    """Leave the comments at the top of a file out of the comparison, so that a licence header hides no copy."""
    repository_threshold: float | None = Field(None, gt=0, le=1)
    """Repositories with this share of their files in a kept repository are dropped whole, as forks. None: are not."""
    common_files: PositiveInt = 50
    """A file found in more repositories than this says nothing about forks."""
    against: tuple[str, ...] = ()
    """Index folders of earlier builds with the same settings; their documents always win."""
    partition_rows: PositiveInt = 1_000_000
    """Documents per partition of a shuffle: bounds the memory of a worker; results do not depend on it."""
    header_documents: NonNegativeInt = 0
    """Comments at the top that open at least so many documents are cut off. 0: none are."""

    @property
    def rows(self) -> int:
        """Signature values per band."""
        return self.permutations // self.bands

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.permutations % self.bands or self.permutations % MINHASH_BINS:
            raise ValueError(
                f"{self.permutations} permutations do not divide into {self.bands} bands and {MINHASH_BINS} bins; "
                f"choose a multiple of both, such as 128 and 32"
            )
        if self.simhash_distance >= self.simhash_blocks:
            raise ValueError(
                f"a distance of {self.simhash_distance} leaves none of {self.simhash_blocks} blocks equal; "
                f"choose more blocks than the distance"
            )
        return self
