"""Task sets built over all shards of a corpus: resumable, on any executor, with exact counts.

    convert   one shard of documents -> its conversations, and rows for documents that gave none
    review    one Git history -> its conversations
    augment   one shard of documents -> variants of them, in the schema of documents
    select    the exact share of dialogues with several turns, by dropping from the kind there is too much of

The folder `out` then holds `conversations/00000.parquet ...`, `augmented/00000.parquet ...` (if asked for),
`rejected.parquet` and `processing.json`. The same shards, histories, configuration and verdicts give the same bytes.
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from better_ai.artifacts import atomic_write, content_id, sha256_file, write_json
from better_ai.config.data.processing import AugmentationConfig, GitHistory, ProcessingConfig
from better_ai.data.collectors.repository import Repository, RepositoryError
from better_ai.data.corpus.files import REJECTED_FILE, clear_leftovers, publish
from better_ai.data.corpus.shards import DOCUMENTS, REJECTED
from better_ai.data.engine import Executor, InlineExecutor, OnProgress, Phases, ShardResult
from better_ai.data.processing.augment import augment
from better_ai.data.processing.conversations import CONVERSATION_SCHEMA, conversation_batch
from better_ai.data.processing.convert import Converted, Rejected, convert_document, convert_history
from better_ai.data.processing.task_sets.bug_fixing import Passes
from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_SCHEMA, document_id
from better_ai.data.step import Reject, document_batch, rejected_batch
from better_ai.data.tables import TableWriter, read_batches
from better_ai.errors import ArtifactError, UserError

VERSION = 1
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

    `passes` runs a program with tests behind it, in a jail, and says whether it ended well; it is picklable and gives
    the same verdict each time. Without it no bug is verified. Raises UserError where nothing comes out, ArtifactError
    for a damaged shard.
    """
    if config.require_verified_bugs and config.bug_fixing and passes is None:
        raise UserError("require_verified_bugs asks for bugs that fail a test, and nobody was given to run the tests")
    out = Path(out)
    phases = Phases(Path(work), executor or InlineExecutor(), on_progress)
    phases.clear_leftovers()
    clear_leftovers(out)
    key = {
        **config.model_dump(mode="json", exclude={"code_review", "augmentation", "multi_turn_share"}),
        "version": VERSION,
    }
    identities = [sha256_file(shard) for shard in shards]
    converted = phases.run(
        "convert",
        partial(_convert, config, passes),
        shards,
        key={**key, "verified": passes is not None},
        identities=identities,
    )
    made = [*converted, *_review_all(config, key, phases)]
    selected = _select(made, config, phases)
    augmented = _augment_all(config, shards, identities, phases)
    stats = _stats(converted, made, selected, augmented)
    if not stats.single_turn + stats.multi_turn:
        raise UserError(f"no conversation came out of {stats.documents} documents: {stats.rejected or stats.dropped}")
    publish(selected, out / CONVERSATIONS_FOLDER)
    shutil.rmtree(out / AUGMENTED_FOLDER, ignore_errors=True)
    if augmented:
        publish(augmented, out / AUGMENTED_FOLDER)
    with atomic_write(out / REJECTED_FILE) as temporary, TableWriter(temporary, REJECTED_SCHEMA) as writer:
        for result in made:
            for batch in read_batches(result.folder / REJECTED, REJECTED_SCHEMA):
                writer.write(batch)
    write_json(out / PROCESSING_FILE, {"config": config.model_dump(mode="json"), "stats": stats.to_dict()})
    phases.prune()
    return stats


def _review_all(config: ProcessingConfig, key: Mapping[str, Any], phases: Phases) -> list[ShardResult]:
    """Run `review` over all histories."""
    items = [(history, _commit(history)) for history in config.code_review]
    identities = [content_id([history.model_dump(mode="json"), commit]) for history, commit in items]
    return phases.run("review", partial(_review, config), items, key=key, identities=identities)


def _augment_all(
    config: ProcessingConfig, shards: Sequence[Path], identities: Sequence[str], phases: Phases
) -> list[ShardResult]:
    """Run `augment` over all shards, if it is asked for."""
    if not config.augmentation.copies:
        return []
    key = {**config.augmentation.model_dump(mode="json"), "seed": config.seed, "version": VERSION}
    task = partial(_augment, config.augmentation, config.seed)
    return phases.run("augment", task, shards, key=key, identities=identities)


class _Output:
    """The files and counts of one item of `convert` or `review`. An equal conversation is kept once."""

    def __init__(self, folder: Path) -> None:
        self._conversations = TableWriter(folder / DOCUMENTS, CONVERSATION_SCHEMA)
        self._rejected = TableWriter(folder / REJECTED, REJECTED_SCHEMA)
        self._seen: set[str] = set()
        self._made: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._turns: Counter[bool] = Counter()

    def __enter__(self) -> "_Output":
        return self

    def __exit__(self, *error: Any) -> None:
        self._conversations.__exit__(*error)
        self._rejected.__exit__(*error)

    def keep(self, converted: Converted) -> None:
        fresh = []
        for row in converted.rows:
            if row["id"] in self._seen:
                self._dropped["said before"] += 1
                continue
            self._seen.add(row["id"])
            self._made[row["task"]] += 1
            self._turns[row["turns"] > 1] += 1
            fresh.append(row)
        self._dropped.update(converted.dropped)
        self._conversations.write(conversation_batch(fresh))

    def reject(self, row: Reject) -> None:
        self._reasons[row[3]] += 1
        self._rejected.write(rejected_batch([row]))

    def counts(self, documents: int) -> dict[str, Any]:
        return {
            "documents": documents,
            "made": dict(sorted(self._made.items())),
            "dropped": dict(sorted(self._dropped.items())),
            "rejected": dict(sorted(self._reasons.items())),
            "single_turn": self._turns[False],
            "multi_turn": self._turns[True],
        }


def _convert(config: ProcessingConfig, passes: Passes | None, shard: Path, folder: Path) -> Mapping[str, Any]:
    """The task of `convert`."""
    documents = 0
    with _Output(folder) as output:
        for batch in read_batches(shard, DOCUMENT_SCHEMA):
            for document in batch.to_pylist():
                documents += 1
                try:
                    output.keep(convert_document(document, config, passes))
                except Rejected as reason:
                    output.reject((document["id"], document["source"], STEP, str(reason)))
        return output.counts(documents)


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


def _augment(config: AugmentationConfig, seed: int, shard: Path, folder: Path) -> Mapping[str, Any]:
    """The task of `augment`: variants that differ from the document and from each other."""
    count = 0
    with TableWriter(folder / DOCUMENTS, DOCUMENT_SCHEMA) as writer:
        for batch in read_batches(shard, DOCUMENT_SCHEMA):
            variants = [variant for document in batch.to_pylist() for variant in _variants(document, config, seed)]
            count += len(variants)
            writer.write(document_batch(variants))
    return {"documents": count}


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


def _select(made: Sequence[ShardResult], config: ProcessingConfig, phases: Phases) -> list[ShardResult]:
    """Run `select`: each shard gets its part of the number of either kind that may stay."""
    have = [(result.counts["single_turn"], result.counts["multi_turn"]) for result in made]
    total = sum(single for single, _ in have), sum(multi for _, multi in have)
    wanted = exact_share(*total, config.multi_turn_share)
    if any(total) and not any(wanted):
        raise UserError(
            f"multi_turn_share {config.multi_turn_share} leaves nothing of {total[0]} conversations with one turn and "
            f"{total[1]} with several; ask for fewer of one kind, or set it to null"
        )
    quotas = list(zip(*(allocate(wanted[kind], [counts[kind] for counts in have]) for kind in range(2)), strict=True))
    items = [(result.folder / DOCUMENTS, quota) for result, quota in zip(made, quotas, strict=True)]
    identities = [content_id([result.identity, quota]) for result, quota in zip(made, quotas, strict=True)]
    return phases.run(
        "select",
        partial(_keep, config.seed),
        items,
        key={"seed": config.seed, "version": VERSION},
        identities=identities,
    )


def exact_share(single: int, multi: int, share: float | None) -> tuple[int, int]:
    """The most conversations of each kind whose share of several turns is exactly `share`, read as a fraction with
    a denominator up to 1000; all of them for None."""
    if share is None:
        return single, multi
    fraction = Fraction(share).limit_denominator(1000)
    parts = fraction.denominator - fraction.numerator, fraction.numerator
    times = min(have // part for have, part in zip((single, multi), parts, strict=True) if part)
    return parts[0] * times, parts[1] * times


def allocate(total: int, sizes: Sequence[int]) -> list[int]:
    """A total shared out in proportion to sizes, by largest remainder; no share exceeds its size."""
    whole = sum(sizes)
    assert 0 <= total <= whole
    shares = [total * size // whole if whole else 0 for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda place: (-(total * sizes[place] % whole) if whole else 0, place))
    for place in by_remainder[: total - sum(shares)]:
        shares[place] += 1
    return shares


def _keep(seed: int, item: tuple[Path, tuple[int, int]], folder: Path) -> Mapping[str, Any]:
    """The task of `select`: as many of each kind as the quota says, drawn by the digests of seed and id."""
    path, quota = item
    candidates: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for batch in read_batches(path, CONVERSATION_SCHEMA, ["id", "turns"]):
        for each in batch.to_pylist():
            candidates[each["turns"] > 1].append((content_id([seed, each["id"]]), each["id"]))
    chosen = {id for kind in range(2) for _, id in sorted(candidates[kind])[: quota[kind]]}
    kept: Counter[str] = Counter()
    sizes: Counter[bool] = Counter()
    with TableWriter(folder / DOCUMENTS, CONVERSATION_SCHEMA) as writer:
        for batch in read_batches(path, CONVERSATION_SCHEMA):
            rows = [each for each in batch.to_pylist() if each["id"] in chosen]
            kept.update(each["task"] for each in rows)
            for each in rows:
                sizes[each["turns"] > 1] += len(each["messages"].encode())
            writer.write(conversation_batch(rows))
    if writer.rows != sum(quota):
        raise ArtifactError(f"{path} gave {writer.rows} conversations for a quota of {sum(quota)}; process again")
    return {
        "kept": dict(sorted(kept.items())),
        "single_turn": quota[0],
        "multi_turn": quota[1],
        "single_turn_bytes": sizes[False],
        "multi_turn_bytes": sizes[True],
    }


def _stats(
    converted: Sequence[ShardResult],
    made: Sequence[ShardResult],
    selected: Sequence[ShardResult],
    augmented: Sequence[ShardResult],
) -> ProcessingStats:
    def add(results: Sequence[ShardResult], name: str) -> dict[str, int]:
        total: Counter[str] = Counter()
        for result in results:
            total.update(result.counts[name])
        return dict(sorted(total.items()))

    return ProcessingStats(
        documents=sum(result.counts["documents"] for result in converted),
        rejected=add(made, "rejected"),
        dropped=add(made, "dropped"),
        made=add(made, "made"),
        kept=add(selected, "kept"),
        **{
            name: sum(result.counts[name] for result in selected)
            for name in ("single_turn", "multi_turn", "single_turn_bytes", "multi_turn_bytes")
        },
        augmented=sum(result.counts["documents"] for result in augmented),
    )
