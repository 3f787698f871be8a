"""Building a corpus: sources in, training and validation documents out, and every rejected one with its reason."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from better_ai.config import DataConfig
from better_ai.data.collectors import collect
from better_ai.data.deduplicate import exact_duplicates, near_duplicates
from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_SCHEMA, write_parquet
from better_ai.data.split import split_documents
from better_ai.data.step import Stepped, run_step
from better_ai.data.steps import make_step

TRAIN_FILE = "train.parquet"
VALIDATION_FILE = "validation.parquet"
REJECTED_FILE = "rejected.parquet"

OnProgress = Callable[[str, int], None]
"""Told the name of the current step and how many documents it has seen."""


@dataclass(frozen=True)
class CorpusStats:
    """Counts of a build. Every collected document is kept or rejected: `collected == kept + sum(rejected.values())`."""

    collected: int
    rejected: dict[str, int]
    """Documents turned away by each step."""
    train_documents: int
    train_bytes: int
    validation_documents: int
    validation_bytes: int

    @property
    def kept(self) -> int:
        return self.train_documents + self.validation_documents

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "kept": self.kept}


def build_corpus(config: DataConfig, out: Path | str, *, on_progress: OnProgress | None = None) -> CorpusStats:
    """Run all steps and write train.parquet, validation.parquet and rejected.parquet into the folder `out`.

    The same sources and configuration give the same bytes. Raises UserError when a source is missing or empty or too
    little is left, ArtifactError when `out` cannot be written.
    """
    tell = on_progress or (lambda step, documents: None)
    alone = [partial(run_step, make_step(step)) for step in config.steps]
    kept, rejected, collected = [], [], 0
    for collection in _collect(config):
        collected += collection.kept.num_rows + collection.rejected.num_rows
        stepped = _run(alone, collection.kept)
        kept.append(stepped.kept)
        rejected += [collection.rejected, stepped.rejected]
        tell("collect and check", collected)

    together: list[Callable[[pa.RecordBatch], Stepped]] = [
        exact_duplicates,
        partial(near_duplicates, threshold=config.deduplicate.near_threshold),
    ]
    documents = _merge(kept, DOCUMENT_SCHEMA)
    tell("remove duplicates", documents.num_rows)
    stepped = _run(together, documents)
    rejects = _merge([*rejected, stepped.rejected], REJECTED_SCHEMA)
    assert collected == stepped.kept.num_rows + rejects.num_rows, "a step lost or invented documents"

    out = Path(out)
    write_parquet([rejects], REJECTED_SCHEMA, out / REJECTED_FILE)
    train, validation = split_documents(stepped.kept, config.validation_fraction)
    write_parquet([train], DOCUMENT_SCHEMA, out / TRAIN_FILE)
    write_parquet([validation], DOCUMENT_SCHEMA, out / VALIDATION_FILE)
    tell("write", stepped.kept.num_rows)
    return CorpusStats(
        collected=collected,
        rejected=_count_by_step(rejects),
        train_documents=train.num_rows,
        train_bytes=_content_bytes(train),
        validation_documents=validation.num_rows,
        validation_bytes=_content_bytes(validation),
    )


def _collect(config: DataConfig) -> Iterator[Stepped]:
    """The collections of all sources, cut off after `max_documents` documents if that is set."""
    room = config.max_documents or None
    for source in config.sources:
        for collection in collect(source, max_bytes=config.max_document_bytes):
            if room is None:
                yield collection
                continue
            yield Stepped(collection.kept.slice(0, room), collection.rejected)
            room -= min(room, collection.kept.num_rows)
            if not room:
                return


def _run(steps: Sequence[Callable[[pa.RecordBatch], Stepped]], batch: pa.RecordBatch) -> Stepped:
    """Apply steps one after the other; none may lose a row or invent one."""
    rejected = []
    for step in steps:
        stepped = step(batch)
        assert stepped.kept.num_rows + stepped.rejected.num_rows == batch.num_rows, "a step lost or invented documents"
        batch = stepped.kept
        rejected.append(stepped.rejected)
    return Stepped(batch, _merge(rejected, REJECTED_SCHEMA))


def _merge(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    merged = pa.Table.from_batches(batches, schema).combine_chunks().to_batches()
    return merged[0] if merged else pa.RecordBatch.from_pylist([], schema)


def _count_by_step(rejects: pa.RecordBatch) -> dict[str, int]:
    counts: dict[str, int] = {}
    for step in rejects.column("step").to_pylist():
        counts[step] = counts.get(step, 0) + 1
    return counts


def _content_bytes(batch: pa.RecordBatch) -> int:
    return sum(len(text.encode()) for text in batch.column("content").to_pylist())
