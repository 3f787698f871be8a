"""The phase `judge`: the steps' policies, in order, over documents and their tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from better_ai.artifacts import content_id
from better_ai.config.data import StepConfig
from better_ai.data.corpus.shards import Shard, check_conservation
from better_ai.data.corpus.tag import TAGS
from better_ai.data.engine import Phases, ShardResult, cpu_seconds
from better_ai.data.schema import DOCUMENT_SCHEMA, DOCUMENTS_FILE, REJECTED_FILE, REJECTED_SCHEMA
from better_ai.data.step import NO_TAGS, Step, Stepped
from better_ai.data.steps import make_step
from better_ai.data.tables import TableWriter, content_bytes, read_batches


@dataclass(frozen=True)
class _Item:
    shard: Shard
    tags: tuple[Path | None, ...]
    """Folders, one per step."""


def judge_shards(
    shards: Sequence[Shard], tags: Sequence[Sequence[Path | None]], steps: Sequence[StepConfig], phases: Phases
) -> list[Shard]:
    """What the steps leave of each shard."""
    items = [_Item(shard, tuple(folders)) for shard, folders in zip(shards, tags, strict=True)]
    results = phases.run(
        "judge",
        partial(_judge, tuple(steps)),
        items,
        key={"steps": [step.identity() for step in steps]},
        identities=[_identity(item) for item in items],
    )
    judged = [Shard(shard.source, shard.name, result) for shard, result in zip(shards, results, strict=True)]
    for before, after in zip(shards, judged, strict=True):
        check_conservation(
            "judge", before.name, rows_in=before.rows, kept=after.rows, rejected=after.counts["rejected"]
        )
    return judged


def _identity(item: _Item) -> str:
    tags = [None if folder is None else ShardResult.read(folder).identity for folder in item.tags]
    return content_id([item.shard.result.identity, tags])


def _judge(configs: tuple[StepConfig, ...], item: _Item, folder: Path) -> Mapping[str, Any]:
    steps = [make_step(config) for config in configs]
    tables = [
        None if place is None else read_batches(place / TAGS, step.tag_schema)
        for step, place in zip(steps, item.tags, strict=True)
    ]
    statistics = [{"rows": 0, "bytes": 0, "rejected": 0, "cpu_seconds": 0.0} for _ in steps]
    with (
        TableWriter(folder / DOCUMENTS_FILE, DOCUMENT_SCHEMA) as documents,
        TableWriter(folder / REJECTED_FILE, REJECTED_SCHEMA) as rejected,
    ):
        for batch in read_batches(item.shard.documents, DOCUMENT_SCHEMA):
            tags = [None if table is None else next(table) for table in tables]
            rows = pa.array(range(batch.num_rows), pa.int32())
            for step, step_tags, counts in zip(steps, tags, statistics, strict=True):
                started = cpu_seconds()
                counts["rows"] += batch.num_rows
                counts["bytes"] += content_bytes(batch)
                batch, rows, turned_away = _apply(step, batch, rows, step_tags, item.shard.name)
                rejected.write(turned_away)
                counts["rejected"] += turned_away.num_rows
                counts["cpu_seconds"] += cpu_seconds() - started
            documents.write(batch)
    return {"documents": documents.rows, "rejected": rejected.rows, "steps": statistics}


def _apply(
    step: Step, batch: pa.RecordBatch, rows: pa.Array, tags: pa.RecordBatch | None, shard: str
) -> tuple[pa.RecordBatch, pa.Array, pa.RecordBatch]:
    """Judge a batch whose rows have these numbers among the tags -> documents, their numbers, rejected rows."""
    mine = pa.RecordBatch.from_pylist([], NO_TAGS) if tags is None else tags.take(rows)
    stepped = step.judge(batch, mine)
    check_conservation(
        f"judge ({step.name})",
        shard,
        rows_in=batch.num_rows,
        kept=stepped.kept.num_rows,
        rejected=stepped.rejected.num_rows,
    )
    return stepped.kept, _kept(rows, stepped, step.name), stepped.rejected


def _kept(rows: pa.Array, stepped: Stepped, step: str) -> pa.Array:
    if stepped.keep is not None:
        return rows.filter(stepped.keep)
    assert not stepped.rejected.num_rows, f"the step {step} rejects rows without saying which; use reject_rows"
    return rows
