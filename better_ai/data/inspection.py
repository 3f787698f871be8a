"""What a corpus holds and what was turned away: counts, histograms and samples, by DuckDB over the Parquet files.

Needs the extra `data`. Memory is limited whatever the size of the corpus; DuckDB spills to a temporary folder.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from better_ai.artifacts import read_json
from better_ai.data.corpus.files import SPLITS
from better_ai.data.corpus.report import CORPUS_FILE
from better_ai.data.schema import REJECTED_FILE
from better_ai.errors import ArtifactError, UserError
from better_ai.extras import import_extra

MEMORY_LIMIT = "1GB"
TOP = 15
"""Rows of a table of counts; what is rarer is summed up in one row."""


@dataclass(frozen=True)
class Count:
    """Documents and bytes of one value of a column."""

    name: str
    documents: int
    bytes: int


@dataclass(frozen=True)
class RejectCount:
    """Documents turned away by one step for one kind of reason."""

    step: str
    reason: str
    documents: int


@dataclass(frozen=True)
class Histogram:
    """`counts[i]` documents lie in `edges[i]` to `edges[i + 1]`."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Inspection:
    """Counts over a corpus."""

    distinct: dict[str, int]
    """How many origins, languages and licences there are."""
    splits: tuple[Count, ...]
    origins: tuple[Count, ...]
    languages: tuple[Count, ...]
    licenses: tuple[Count, ...]
    rejected: tuple[RejectCount, ...]
    quality: Histogram
    """Of the documents that have a score, in twenty steps of 0.05."""
    sizes: Histogram
    """Bytes of a document, in powers of two."""


class CorpusView:
    """Questions to a corpus folder. Use as a context manager. Raises UserError when the folder holds no corpus."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in (*SPLITS, REJECTED_FILE) if not (folder / name).exists()]
        if missing:
            raise UserError(
                f"{folder} is no corpus ({', '.join(missing)} missing); give the folder of a run, such as runs/machine"
            )
        self.folder = folder
        self._duckdb = import_extra("duckdb", "data")
        self._spill = tempfile.TemporaryDirectory(prefix="better-ai-inspect-")
        self._connection = self._duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": self._spill.name,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )

    def __enter__(self) -> "CorpusView":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._spill.cleanup()

    def inspect(self) -> Inspection:
        """All counts."""
        documents = " UNION ALL ".join(
            f"SELECT '{split}' AS split, language, license, metadata->>'$.origin' AS origin, quality_score, "
            f"strlen(content) AS bytes FROM {self._files(split)}"
            for split in SPLITS
        )
        self._query(f"CREATE OR REPLACE TEMP TABLE documents AS {documents}")
        return Inspection(
            distinct=self._distinct(),
            splits=self._counts("split"),
            origins=self._counts("origin"),
            languages=self._counts("language"),
            licenses=self._counts("license"),
            rejected=self._rejected(),
            quality=self._quality(),
            sizes=self._sizes(),
        )

    def sample(self, count: int, *, split: str = "train") -> list[dict[str, Any]]:
        """Some documents, always the same: those whose id, a hash of the content, comes first."""
        return self._rows(f"SELECT * FROM {self._files(split)} ORDER BY id LIMIT {int(count)}")

    def sample_rejected(self, count: int) -> list[dict[str, Any]]:
        """Some rejected documents of every step: up to `count` each, spread by a hash of the source."""
        return self._rows(
            f"SELECT step, reason, source, id FROM {self._files(REJECTED_FILE)} "
            f"QUALIFY row_number() OVER (PARTITION BY step ORDER BY hash(source), source) <= {int(count)} "
            "ORDER BY step, hash(source), source"
        )

    def _distinct(self) -> dict[str, int]:
        columns = {"origins": "origin", "languages": "language", "licenses": "license"}
        counts = ", ".join(f"count(DISTINCT {column})" for column in columns.values())
        [row] = self._query(f"SELECT {counts} FROM documents")
        return dict(zip(columns, row, strict=True))

    def _counts(self, column: str) -> tuple[Count, ...]:
        rows = self._query(
            f"SELECT coalesce({column}, 'unknown'), count(*), sum(bytes) FROM documents GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        counts = [Count(*row) for row in rows]
        rare = counts[TOP:]
        if len(rare) > 1:
            others = Count(
                f"{len(rare)} others", sum(count.documents for count in rare), sum(count.bytes for count in rare)
            )
            counts = [*counts[:TOP], others]
        return tuple(counts)

    def _rejected(self) -> tuple[RejectCount, ...]:
        """As the build counted them: steps that turned most away first, and the commonest reasons of each."""
        by_step = read_json(self.folder / CORPUS_FILE)["rejected"]
        steps = sorted(by_step.items(), key=lambda item: (-sum(item[1].values()), item[0]))
        return tuple(
            RejectCount(step, reason, documents) for step, reasons in steps for reason, documents in _most(reasons)
        )

    def _quality(self) -> Histogram:
        rows = dict(
            self._query(
                "SELECT least(19, floor(quality_score * 20))::INT, count(*) FROM documents "
                "WHERE quality_score IS NOT NULL GROUP BY 1"
            )
        )
        return Histogram(tuple(step / 20 for step in range(21)), tuple(rows.get(step, 0) for step in range(20)))

    def _sizes(self) -> Histogram:
        rows = dict(self._query("SELECT floor(log2(greatest(bytes, 1)))::INT, count(*) FROM documents GROUP BY 1"))
        if not rows:
            return Histogram((1.0, 2.0), (0,))
        low, high = min(rows), max(rows)
        return Histogram(
            tuple(float(2**power) for power in range(low, high + 2)),
            tuple(rows.get(power, 0) for power in range(low, high + 1)),
        )

    def _files(self, name: str) -> str:
        path = self.folder / name
        pattern = escape(str(path)) + ("/*.parquet" if path.is_dir() else "")
        return "read_parquet('" + pattern.replace("'", "''") + "')"

    def _rows(self, query: str) -> list[dict[str, Any]]:
        rows = self._query(query)
        names = [column[0] for column in self._connection.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _query(self, query: str) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query).fetchall()
        except self._duckdb.Error as error:
            raise ArtifactError(
                f"cannot read the corpus {self.folder} ({str(error).splitlines()[0]}); build it again"
            ) from None


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The largest counts, the rest in one."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rare = ordered[TOP:]
    if len(rare) < 2:
        return ordered
    return [*ordered[:TOP], (f"{len(rare)} other reasons", sum(count for _, count in rare))]
