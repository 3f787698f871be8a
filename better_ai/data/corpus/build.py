"""Building a corpus: sources in, training and validation documents out, and every rejected one with its reason.

    plan       what parts the sources have
    collect    one shard of documents for each part
    tag        what the steps must know about each document, kept beside it
    judge      the steps' policies: documents that stay, and rows turned away
    ...        the phases of `strip_headers`, if asked for: what opens very many documents is cut off
    ...        the phases of `deduplicate`: documents that go because another stays
    split      who is for training and who for validation
    write      output files; with a shuffle: scatter and gather

Each phase keeps its output in the work folder, found by what it depends on. So an interrupted build goes on where it
was, and one with a changed policy collects and tags nothing again. At the end, what the build did not use is removed.
"""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from better_ai.artifacts import atomic_write, write_json
from better_ai.config import DataConfig
from better_ai.data.corpus.collect import collect_shards, end_collection
from better_ai.data.corpus.files import SPLITS, clear_leftovers, publish
from better_ai.data.corpus.judge import judge_shards
from better_ai.data.corpus.report import (
    CORPUS_FILE,
    TIMINGS_FILE,
    CorpusStats,
    RejectCounts,
    corpus_record,
    corpus_stats,
    timings,
)
from better_ai.data.corpus.shards import Shard, check_conservation
from better_ai.data.corpus.split import SplitShard, check_both_sides, split_shards
from better_ai.data.corpus.tag import tag_shards
from better_ai.data.corpus.write import write_in_order, write_shuffled
from better_ai.data.deduplicate import INDEX_FOLDER, deduplicate, index_kept, strip_headers
from better_ai.data.engine import Executor, OnProgress, Phases, ShardResult, open_executor
from better_ai.data.schema import REJECTED_FILE, REJECTED_SCHEMA
from better_ai.data.tables import TableWriter, read_batches
from better_ai.data.takedown import NOTHING, Takedown


def build_corpus(
    config: DataConfig,
    out: Path | str,
    *,
    work: Path | str,
    executor: Executor | None = None,
    on_progress: OnProgress | None = None,
    takedown: Takedown = NOTHING,
) -> CorpusStats:
    """Run all phases in the folder `work` and write the corpus into the folder `out`.

    The same sources and configuration give the same bytes, whoever executes it and however often it was killed on the
    way. `executor`: None for the one the configuration names. Raises UserError when too little is left,
    ArtifactError when a folder cannot be written or rows were lost.
    """
    if executor is None:
        with open_executor(config.executor) as opened:
            return build_corpus(config, out, work=work, executor=opened, on_progress=on_progress, takedown=takedown)
    out = Path(out)
    phases = Phases(Path(work).absolute(), executor, on_progress)
    phases.clear_leftovers()
    clear_leftovers(out)
    collected = collect_shards(config, phases)
    tags = tag_shards(collected.shards, config.steps, phases)
    judged = judge_shards(collected.shards, tags, config.steps, phases)
    shards = _strip_headers(judged, config, phases)
    removed = _find_duplicates(shards, config, phases)
    split = split_shards(shards, removed, takedown, config.validation_fraction, phases)

    rejected = [
        *(plan.folder / REJECTED_FILE for plan in collected.plans),
        *(shard.rejected for shard in collected.shards),
        *(shard.rejected for shard in judged),
        *(part.result.folder / REJECTED_FILE for part in split),
    ]
    rejects = _write_rejected(rejected, out / REJECTED_FILE)
    stats = corpus_stats(collected, split, rejects)
    check_conservation(
        "build", "all sources", rows_in=stats.collected, kept=stats.kept, rejected=sum(stats.rejected.values())
    )
    check_both_sides(stats.train_documents, stats.validation_documents, config.validation_fraction, collected.problems)
    files = {side: _write_split(split, side, config, phases) for side in SPLITS}
    for side in SPLITS:
        publish(files[side], out / side)
    shutil.rmtree(out / INDEX_FOLDER, ignore_errors=True)
    if config.write_index:
        paths, identities = _files(shards)
        index_kept(paths, removed, config.deduplicate, phases, out / INDEX_FOLDER, identities=identities)
    write_json(out / CORPUS_FILE, corpus_record(config, collected, judged, split, files, rejects))
    write_json(out / TIMINGS_FILE, timings(config, collected, tags, judged, phases.cpu_seconds))
    end_collection(collected, phases)
    phases.prune()
    return stats


def _strip_headers(shards: Sequence[Shard], config: DataConfig, phases: Phases) -> Sequence[Shard]:
    """The shards without headers that very many documents share; as they are, unless that is asked for."""
    if not config.deduplicate.header_documents:
        return shards
    paths, identities = _files(shards)
    results = strip_headers(paths, config.deduplicate, phases, identities=identities)
    stripped = [Shard(shard.source, shard.name, result) for shard, result in zip(shards, results, strict=True)]
    for before, after in zip(shards, stripped, strict=True):
        check_conservation("strip", before.name, rows_in=before.rows, kept=after.rows, rejected=0)
    return stripped


def _find_duplicates(shards: Sequence[Shard], config: DataConfig, phases: Phases) -> list[ShardResult]:
    if not shards:
        return []
    paths, identities = _files(shards)
    return deduplicate(paths, config.deduplicate, phases, identities=identities)


def _files(shards: Sequence[Shard]) -> tuple[list[Path], list[str]]:
    """The documents of shards, and what tells their contents apart."""
    return [shard.documents for shard in shards], [shard.result.identity for shard in shards]


def _write_split(split: Sequence[SplitShard], side: str, config: DataConfig, phases: Phases) -> list[ShardResult]:
    if config.shuffle:
        return write_shuffled(split, side, config.shard_bytes, config.seed, phases)
    return write_in_order(split, side, config.shard_bytes, phases)


def _write_rejected(sources: Iterable[Path], path: Path) -> RejectCounts:
    """All rejected rows in one file, phase after phase, and their counts."""
    counts = RejectCounts()
    with atomic_write(path) as temporary, TableWriter(temporary, REJECTED_SCHEMA) as writer:
        for source in sources:
            for batch in read_batches(source, REJECTED_SCHEMA):
                writer.write(batch)
                counts.add(batch.column("step").to_pylist(), batch.column("reason").to_pylist())
    return counts
