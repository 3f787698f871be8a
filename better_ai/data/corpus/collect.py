"""The first phases of a build: what parts the sources have, and one shard of cleaned documents for each part.

The parts are listed once for a build, so that it goes on with the same ones when it was interrupted. The next build
lists them anew and reads those that it does not know, or whose state is another. A source that cannot be used is no
error: it leaves a rejected row with the reason, like a file that cannot be read, and is tried again by the next build.
"""

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from better_ai.artifacts import content_id, read_json, write_json
from better_ai.config import DataConfig
from better_ai.config.data import CleaningConfig, DataSource
from better_ai.data.cleaning import clean
from better_ai.data.collectors import Part, make_collector
from better_ai.data.collectors.rows import STEP
from better_ai.data.corpus.shards import Shard, check_conservation
from better_ai.data.engine import Phases, ShardResult
from better_ai.data.schema import DOCUMENT_SCHEMA, DOCUMENTS_FILE, REJECTED_FILE, REJECTED_SCHEMA
from better_ai.data.step import Stepped, document_batch, rejected_batch
from better_ai.data.tables import TableWriter, check_schema, content_bytes
from better_ai.errors import BetterAIError
from better_ai.extras import MissingExtra

PLAN = "plan"
"""Name of the first phase."""
PARTS = "parts.json"

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Collected:
    """The plans of all sources, each with a rejected row if its source could not be used, and all shards in order."""

    plans: list[ShardResult]
    shards: list[Shard]

    @property
    def problems(self) -> list[str]:
        """What could not be used."""
        return [str(result.counts["problem"]) for result in self.failed]

    @property
    def failed(self) -> list[ShardResult]:
        """Plans and shards that say so."""
        results = [*self.plans, *(shard.result for shard in self.shards)]
        return [result for result in results if result.counts["problem"]]


@dataclass(frozen=True)
class _Item:
    """One part to collect, up to `limit` documents if that is set."""

    source: DataSource
    part: Part
    limit: int | None


def collect_shards(config: DataConfig, phases: Phases) -> Collected:
    """Run the phases `plan` and `collect`."""
    identities = [content_id(source.identity()) for source in config.sources]
    plans = phases.run(PLAN, _plan, config.sources, key={}, identities=identities)
    parts = [(number, Part(**part)) for number, plan in enumerate(plans) for part in read_json(plan.folder / PARTS)]
    results = _collect_first(config, parts, phases) if config.max_documents else _collect_all(config, parts, phases)
    shards = [Shard(number, part.name, result) for (number, part), result in zip(parts, results, strict=False)]
    for shard in shards:
        counts = shard.counts
        check_conservation(
            "collect", shard.name, rows_in=counts["collected"], kept=counts["documents"], rejected=counts["rejected"]
        )
    return Collected(plans, shards)


def end_collection(collected: Collected, phases: Phases) -> None:
    """Let the next build list the parts anew, and try again what could not be used."""
    for result in [*collected.plans, *collected.failed]:
        phases.forget(result.folder)


def forget_parts(work: Path) -> None:
    """Let a build that was interrupted in this work folder list the parts anew, too."""
    for plan in work.glob(f"{PLAN}-*"):
        shutil.rmtree(plan)


def _collect_all(config: DataConfig, parts: list[tuple[int, Part]], phases: Phases) -> list[ShardResult]:
    return _run(config, [_Item(config.sources[number], part, None) for number, part in parts], phases)


def _collect_first(config: DataConfig, parts: list[tuple[int, Part]], phases: Phases) -> list[ShardResult]:
    """The parts one after the other, until there are `max_documents`."""
    results: list[ShardResult] = []
    room = config.max_documents
    for number, part in parts:
        if room:
            results += _run(config, [_Item(config.sources[number], part, room)], phases)
            room -= results[-1].counts["found"]
    return results


def _run(config: DataConfig, items: list[_Item], phases: Phases) -> list[ShardResult]:
    identities = [content_id([item.source.identity(), asdict(item.part), item.limit]) for item in items]
    task = partial(_collect, config.max_document_bytes, config.cleaning)
    key = {"max_document_bytes": config.max_document_bytes, "cleaning": config.cleaning.identity()}
    return phases.run("collect", task, items, key=key, identities=identities)


def _plan(source: DataSource, folder: Path) -> Mapping[str, Any]:
    """The parts of a source; none, with a rejected row, when it cannot be used."""
    problem = None
    try:
        parts = make_collector(source).parts()
    except MissingExtra:
        raise
    except Exception as error:  # whatever a reader stumbles over: it costs its source and not the build
        parts, problem = [], _reason(error)
    write_json(folder / PARTS, [asdict(part) for part in parts])
    with TableWriter(folder / REJECTED_FILE, REJECTED_SCHEMA) as rejected:
        if problem:
            rejected.write(rejected_batch([(None, source.type, STEP, f"the source cannot be used: {problem}")]))
    return {"documents": 0, "rejected": int(problem is not None), "parts": len(parts), "problem": problem}


def _collect(max_document_bytes: int, cleaning: CleaningConfig, item: _Item, folder: Path) -> Mapping[str, Any]:
    """The cleaned documents of one part. When it fails on the way, what came before stays, with one rejected row."""
    counts = {"collected": 0, "found": 0, "bytes": 0}
    problem = None
    with ExitStack() as stack:
        documents = stack.enter_context(TableWriter(folder / DOCUMENTS_FILE, DOCUMENT_SCHEMA))
        rejected = stack.enter_context(TableWriter(folder / REJECTED_FILE, REJECTED_SCHEMA))
        for stepped in _read(item, max_document_bytes):
            if isinstance(stepped, str):
                problem = stepped
                row = (None, f"{item.source.type}:{item.part.name}", STEP, f"could not be read to its end: {problem}")
                stepped = Stepped(document_batch([]), rejected_batch([row]))
            counts["collected"] += stepped.kept.num_rows + stepped.rejected.num_rows
            counts["found"] += stepped.kept.num_rows
            cleaned = clean(stepped.kept, cleaning)
            counts["bytes"] += content_bytes(cleaned.kept)
            documents.write(cleaned.kept)
            rejected.write(stepped.rejected)
            rejected.write(cleaned.rejected)
    return {**counts, "documents": documents.rows, "rejected": rejected.rows, "problem": problem}


def _read(item: _Item, max_document_bytes: int) -> Iterator[Stepped | str]:
    """The batches of a part up to its limit, and last, if it fails, the reason."""
    room = item.limit
    try:
        for stepped in make_collector(item.source).read(item.part, max_document_bytes=max_document_bytes):
            check_schema(stepped.kept.schema, DOCUMENT_SCHEMA, "a batch of documents")
            check_schema(stepped.rejected.schema, REJECTED_SCHEMA, "a batch of rejected rows")
            if room is None:
                yield stepped
                continue
            yield Stepped(stepped.kept.slice(0, room), stepped.rejected)
            room -= min(room, stepped.kept.num_rows)
            if not room:
                return
    except MissingExtra:
        raise
    except Exception as error:  # as in planning
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise
        yield _reason(error)


def _reason(error: Exception) -> str:
    """What an error says, in one line; one that nobody meant for users says what it is as well."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if not isinstance(error, (BetterAIError, OSError, pa.ArrowException)):
        text = f"{type(error).__name__}: {text}"
    return " ".join((text or type(error).__name__).split())
