"""Task sets built over all shards of a corpus: resumable, on any executor, with exact counts.

    convert   a run of documents -> their conversations, and rows for documents that gave none
    review    one Git history -> its conversations
    gather    the runs of one shard, or one history -> a file in which no conversation stands twice
    select    the exact share of dialogues with several turns, by dropping from the kind there is too much of
    augment   a run of documents -> variants of them, in the schema of documents; gathered like conversations

The folder `out` then holds `conversations/00000.parquet ...`, `augmented/00000.parquet ...` (if asked for),
`rejected.parquet` and `processing.json`. The same shards, histories, configuration and verdicts give the same bytes,
however the shards are cut into runs.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa

from better_ai.artifacts import atomic_write, content_id, sha256_file, write_json
from better_ai.config.data.processing import AugmentationConfig, GitHistory, ProcessingConfig
from better_ai.data.collectors.repository import Repository, RepositoryError
from better_ai.data.corpus.files import clear_leftovers, publish
from better_ai.data.engine import Executor, OnProgress, Phases, ShardResult, ShardTask, open_executor
from better_ai.data.processing.augment import augment
from better_ai.data.processing.conversations import CONVERSATION_SCHEMA, conversation_batch
from better_ai.data.processing.convert import Converted, Rejected, convert_document, convert_history
from better_ai.data.processing.runs import Run, cut_into_runs
from better_ai.data.processing.shares import select_share
from better_ai.data.processing.task_sets.bug_fixing import Passes
from better_ai.data.schema import DOCUMENT_SCHEMA, DOCUMENTS_FILE, REJECTED_FILE, REJECTED_SCHEMA, document_id
from better_ai.data.step import Reject, document_batch, rejected_batch
from better_ai.data.tables import TableWriter, read_batches
from better_ai.errors import UserError

VERSION = 2
"""Raised with every change of what is made of a document."""

CONVERSATIONS_FOLDER, AUGMENTED_FOLDER = "conversations", "augmented"
PROCESSING_FILE = "processing.json"
STEP = "process"


@dataclass(frozen=True)
class ProcessingStats:
    """Counts of a build."""

    documents: int
    rejected: dict[str, int]
    """Documents and histories without a conversation, by reason."""
    dropped: dict[str, int]
    """Drafts that were not kept, by reason."""
    made: dict[str, int]
    """Conversations by task set, before the selection."""
    kept: dict[str, int]
    """The same after it."""
    single_turn: int
    multi_turn: int
    single_turn_bytes: int
    multi_turn_bytes: int
    """Of the messages as JSON: the shares by size differ from those by number."""
    augmented: int
    """Variants of documents."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def build_task_sets(
    config: ProcessingConfig,
    shards: Sequence[Path],
    out: Path | str,
    *,
    work: Path | str,
    executor: Executor | None = None,
    on_progress: OnProgress | None = None,
    passes: Passes | None = None,
) -> ProcessingStats:
    """Make conversations of document shards and Git histories; intermediate output goes to the folder `work`.

    `executor`: None for the one the configuration names. `passes` runs a program with tests behind it, in a jail, and
    says whether it ended well; it is picklable and gives the same verdict each time. Without it no bug is verified.
    Raises UserError where nothing comes out, ArtifactError for a damaged shard.
    """
    if config.require_verified_bugs and config.bug_fixing and passes is None:
        raise UserError(
            "require_verified_bugs asks for bugs that fail a test, and nobody was given to run the tests; "
            "add --verify, or leave it out"
        )
    if executor is None:
        with open_executor(config.executor) as opened:
            return build_task_sets(
                config, shards, out, work=work, executor=opened, on_progress=on_progress, passes=passes
            )
    out = Path(out)
    phases = Phases(Path(work).absolute(), executor, on_progress)
    phases.clear_leftovers()
    clear_leftovers(out)
    runs = [cut_into_runs(shard, sha256_file(shard)) for shard in shards]
    elsewhere = ("code_review", "augmentation", "multi_turn_share")
    key = {name: value for name, value in config.identity().items() if name not in elsewhere} | {"version": VERSION}
    convert = partial(_convert, config, passes)
    converted = _run_all("convert", convert, runs, phases, key={**key, "verified": passes is not None})
    reviewed = _review_all(config, key, phases)
    made = [result for results in converted for result in results] + reviewed
    gathered = _gather_all("gather", _gather_conversations, [*converted, *([each] for each in reviewed)], phases)
    selected = select_share(gathered, config.multi_turn_share, seed=config.seed, version=VERSION, phases=phases)
    augmented = _augment_all(config, runs, phases)
    stats = _stats(made, gathered, selected, augmented)
    if not stats.single_turn + stats.multi_turn:
        raise UserError(
            f"no conversation came out of {stats.documents} documents: {stats.rejected or stats.dropped}; "
            "allow their licences, ask for more task sets, or process another corpus"
        )
    publish(selected, out / CONVERSATIONS_FOLDER)
    shutil.rmtree(out / AUGMENTED_FOLDER, ignore_errors=True)
    if augmented:
        publish(augmented, out / AUGMENTED_FOLDER)
    with atomic_write(out / REJECTED_FILE) as temporary, TableWriter(temporary, REJECTED_SCHEMA) as writer:
        for result in made:
            for batch in read_batches(result.folder / REJECTED_FILE, REJECTED_SCHEMA):
                writer.write(batch)
    write_json(out / PROCESSING_FILE, {"config": config.identity(), "stats": stats.to_dict()})
    phases.prune()
    return stats


def _run_all(
    name: str, task: ShardTask, runs: Sequence[Sequence[Run]], phases: Phases, *, key: Mapping[str, Any]
) -> list[list[ShardResult]]:
    """The results of a task over all runs, shard by shard."""
    flat = [run for of_shard in runs for run in of_shard]
    results = iter(phases.run(name, task, flat, key=key, identities=[run.identity for run in flat]))
    return [[next(results) for _ in of_shard] for of_shard in runs]


def _gather_all(
    name: str, task: ShardTask, groups: Sequence[Sequence[ShardResult]], phases: Phases
) -> list[ShardResult]:
    """One file of each group of results."""
    items = [tuple(result.folder / DOCUMENTS_FILE for result in group) for group in groups]
    identities = [content_id([result.identity for result in group]) for group in groups]
    return phases.run(name, task, items, key={"version": VERSION}, identities=identities)


def _review_all(config: ProcessingConfig, key: Mapping[str, Any], phases: Phases) -> list[ShardResult]:
    """Run `review` over all histories."""
    items = [(history, _commit(history)) for history in config.code_review]
    identities = [content_id([history.model_dump(mode="json"), commit]) for history, commit in items]
    return phases.run("review", partial(_review, config), items, key=key, identities=identities)


def _augment_all(config: ProcessingConfig, runs: Sequence[Sequence[Run]], phases: Phases) -> list[ShardResult]:
    """Run `augment` over all shards, if it is asked for."""
    if not config.augmentation.copies:
        return []
    key = {**config.augmentation.model_dump(mode="json"), "seed": config.seed, "version": VERSION}
    variants = _run_all("augment", partial(_augment, config.augmentation, config.seed), runs, phases, key=key)
    return _gather_all("gather-augmented", _gather_variants, variants, phases)


class _Output:
    """The files and counts of one item of `convert` or `review`."""

    def __init__(self, folder: Path) -> None:
        self._conversations = TableWriter(folder / DOCUMENTS_FILE, CONVERSATION_SCHEMA)
        self._rejected = TableWriter(folder / REJECTED_FILE, REJECTED_SCHEMA)
        self._dropped: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    def __enter__(self) -> "_Output":
        return self

    def __exit__(self, *error: Any) -> None:
        self._conversations.__exit__(*error)
        self._rejected.__exit__(*error)

    def keep(self, converted: Converted) -> None:
        self._conversations.write(conversation_batch(converted.rows))
        self._dropped.update(converted.dropped)

    def reject(self, row: Reject) -> None:
        self._reasons[row[3]] += 1
        self._rejected.write(rejected_batch([row]))

    def counts(self, documents: int) -> dict[str, Any]:
        return {
            "documents": documents,
            "conversations": self._conversations.rows,
            "dropped": dict(sorted(self._dropped.items())),
            "rejected": dict(sorted(self._reasons.items())),
        }


def _convert(config: ProcessingConfig, passes: Passes | None, run: Run, folder: Path) -> Mapping[str, Any]:
    """The task of `convert`."""
    documents = run.read()
    with _Output(folder) as output:
        for document in documents:
            try:
                output.keep(convert_document(document, config, passes))
            except Rejected as reason:
                output.reject((document["id"], document["source"], STEP, str(reason)))
        return output.counts(len(documents))


def _commit(history: GitHistory) -> str | None:
    """The commit a history starts from; None where it cannot be had, which its item will report."""
    try:
        return Repository(Path(history.path)).commit(history.revision)[0]
    except (RepositoryError, OSError):
        return None


def _review(config: ProcessingConfig, item: tuple[GitHistory, str | None], folder: Path) -> Mapping[str, Any]:
    """The task of `review`."""
    history, commit = item
    with _Output(folder) as output:
        try:
            if commit is None:
                commit = Repository(Path(history.path)).commit(history.revision)[0]
            for converted in convert_history(history, commit, config):
                output.keep(converted)
        except (Rejected, RepositoryError, OSError) as reason:
            output.reject((None, f"git:{Path(history.path).name}", STEP, str(reason)))
        return output.counts(0)


def _augment(config: AugmentationConfig, seed: int, run: Run, folder: Path) -> Mapping[str, Any]:
    """The task of `augment`: variants that differ from the document and from each other."""
    with TableWriter(folder / DOCUMENTS_FILE, DOCUMENT_SCHEMA) as writer:
        for document in run.read():
            writer.write(document_batch(_variants(document, config, seed)))
    return {"documents": writer.rows}


def _variants(document: Mapping[str, Any], config: AugmentationConfig, seed: int) -> list[dict[str, Any]]:
    if document["language"] != "python":
        return []
    found: dict[str, dict[str, Any]] = {}
    for copy in range(config.copies):
        variant = augment(
            document["content"], config.augmenters, Random(f"{seed}/{document['id']}/{copy}"), most=config.most
        )
        if variant is not None:
            id = document_id(variant.text.encode())
            how = {"augmented_from": document["id"], "augmenters": list(variant.applied), "augmentation_seed": seed}
            metadata = json.dumps({**json.loads(document["metadata"]), **how}, sort_keys=True, ensure_ascii=False)
            found.setdefault(id, {**document, "id": id, "content": variant.text, "metadata": metadata})
    return list(found.values())


def _gather_conversations(paths: Sequence[Path], folder: Path) -> Mapping[str, Any]:
    """The task of `gather`."""
    made: Counter[str] = Counter()
    turns: Counter[bool] = Counter()
    with TableWriter(folder / DOCUMENTS_FILE, CONVERSATION_SCHEMA) as writer:
        for batch in _unique(paths, CONVERSATION_SCHEMA):
            writer.write(batch)
            made.update(batch.column("task").to_pylist())
            turns.update(number > 1 for number in batch.column("turns").to_pylist())
    return {
        "conversations": writer.rows,
        "made": dict(sorted(made.items())),
        "single_turn": turns[False],
        "multi_turn": turns[True],
    }


def _gather_variants(paths: Sequence[Path], folder: Path) -> Mapping[str, Any]:
    """The same for variants of documents."""
    with TableWriter(folder / DOCUMENTS_FILE, DOCUMENT_SCHEMA) as writer:
        for batch in _unique(paths, DOCUMENT_SCHEMA):
            writer.write(batch)
    return {"documents": writer.rows}


def _unique(paths: Sequence[Path], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of some files, in order, without those whose id was there before."""
    seen: set[str] = set()
    for path in paths:
        for batch in read_batches(path, schema):
            fresh = []
            for id in batch.column("id").to_pylist():
                fresh.append(id not in seen)
                seen.add(id)
            yield batch.filter(pa.array(fresh, pa.bool_()))


def _stats(
    made: Sequence[ShardResult],
    gathered: Sequence[ShardResult],
    selected: Sequence[ShardResult],
    augmented: Sequence[ShardResult],
) -> ProcessingStats:
    def count(results: Sequence[ShardResult], name: str) -> int:
        return sum(result.counts[name] for result in results)

    def add(results: Sequence[ShardResult], name: str) -> dict[str, int]:
        total: Counter[str] = Counter()
        for result in results:
            total.update(result.counts[name])
        return dict(sorted(total.items()))

    said_before = count(made, "conversations") - count(gathered, "conversations")
    return ProcessingStats(
        documents=count(made, "documents"),
        rejected=add(made, "rejected"),
        dropped=add(made, "dropped") | ({"said before": said_before} if said_before else {}),
        made=add(gathered, "made"),
        kept=add(selected, "kept"),
        **{
            name: count(selected, name)
            for name in ("single_turn", "multi_turn", "single_turn_bytes", "multi_turn_bytes")
        },
        augmented=count(augmented, "documents"),
    )
