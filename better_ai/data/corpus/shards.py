"""Documents on their way through a build: one file per shard and phase, and the counts that must add up."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from better_ai.data.engine import ShardResult
from better_ai.data.schema import DOCUMENTS_FILE, REJECTED_FILE
from better_ai.errors import ArtifactError


@dataclass(frozen=True)
class Shard:
    """What a phase has left of one part of a source: documents in their order and rejected rows."""

    source: int
    """Position of its source in the configuration."""
    name: str
    """The part's, for messages."""
    result: ShardResult

    @property
    def documents(self) -> Path:
        return self.result.folder / DOCUMENTS_FILE

    @property
    def rejected(self) -> Path:
        return self.result.folder / REJECTED_FILE

    @property
    def rows(self) -> int:
        """Documents that are left."""
        return int(self.result.counts["documents"])

    @property
    def counts(self) -> dict[str, Any]:
        return self.result.counts


def check_conservation(phase: str, shard: str, *, rows_in: int, kept: int, rejected: int) -> None:
    """Raises ArtifactError when rows were lost or invented."""
    if rows_in != kept + rejected:
        raise ArtifactError(
            f"the phase {phase} got {rows_in} rows of {shard}, kept {kept} and rejected {rejected}; they must add up; "
            "this is a bug, please report it"
        )
