"""The phase `tag`: the expensive half of every step, kept beside the documents it was computed from.

A sidecar file holds one step's tags for one shard, row group by row group like the documents. It is found by the
step's name, what its tags depend on, and the content of the shard, so a changed threshold computes none of them again.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from better_ai.config.data import StepConfig
from better_ai.data.corpus.shards import Shard, check_conservation
from better_ai.data.engine import Phases, ShardResult, cpu_seconds, finish_output, is_done, new_output
from better_ai.data.schema import DOCUMENT_SCHEMA
from better_ai.data.step import Step
from better_ai.data.steps import make_step
from better_ai.data.tables import TableWriter, check_schema, read_batches

TAGS = "tags.parquet"


def tag_shards(shards: Sequence[Shard], steps: Sequence[StepConfig], phases: Phases) -> list[list[Path | None]]:
    """For each shard, and each step, the folder of its tags; None for steps without any."""
    made = [make_step(step) for step in steps]
    folders = [[_folder(phases, step, shard) for step in made] for shard in shards]
    finished = phases.finished(dict.fromkeys(place for places in folders for place in places if place))
    work: dict[str, tuple[Shard, list[tuple[StepConfig, Path]]]] = {}
    for shard, places in zip(shards, folders, strict=True):
        missing = {place: step for step, place in zip(steps, places, strict=True) if place and place not in finished}
        if missing:
            work[shard.result.identity] = (shard, [(step, place) for place, step in missing.items()])
    for _ in phases.map("tag", _tag, list(work.values()), done=len(shards) - len(work)):
        pass
    done = {folder for places in folders for folder in places if folder is not None}
    phases.cpu_seconds["tag"] = sum(ShardResult.read(folder).cpu_seconds for folder in done)
    return folders


def _folder(phases: Phases, step: Step, shard: Shard) -> Path | None:
    if step.tag is None:
        return None
    return phases.folder(f"tag-{step.name}", shard.result.identity, key=dict(step.tag_key))


def _tag(work: tuple[Shard, list[tuple[StepConfig, Path]]]) -> Mapping[str, Any]:
    """In a worker: compute the missing sidecars of one shard in one pass over its documents."""
    shard, wanted = work
    missing = [(config, folder) for config, folder in wanted if not is_done(folder)]
    steps = [make_step(config) for config, _ in missing]
    seconds = [0.0] * len(steps)
    with ExitStack() as stack:
        building = [stack.enter_context(new_output(folder)) for _, folder in missing]
        with ExitStack() as files:
            writers = [
                files.enter_context(TableWriter(folder / TAGS, step.tag_schema))
                for step, folder in zip(steps, building, strict=True)
            ]
            for batch in read_batches(shard.documents, DOCUMENT_SCHEMA):
                for number, (step, writer) in enumerate(zip(steps, writers, strict=True)):
                    started = cpu_seconds()
                    writer.write_row_group(_tags(step, batch, shard.name))
                    seconds[number] += cpu_seconds() - started
        for folder, writer, taken in zip(building, writers, seconds, strict=True):
            check_conservation("tag", shard.name, rows_in=shard.rows, kept=writer.rows, rejected=0)
            finish_output(folder, {"documents": writer.rows}, cpu_seconds=taken)
    return {"documents": shard.rows}


def _tags(step: Step, batch: pa.RecordBatch, shard: str) -> pa.RecordBatch:
    assert step.tag is not None, "only steps with tags come here"
    tags = step.tag(batch)
    check_schema(tags.schema, step.tag_schema, f"the tags of the step {step.name}")
    check_conservation(f"tag ({step.name})", shard, rows_in=batch.num_rows, kept=tags.num_rows, rejected=0)
    return tags
