"""Removing duplicates across all shards of a build, and across builds.

    signatures    each document is read once: digest, shingle set, sketch, bucket keys
    ranks         one order of all documents: best quality, then oldest, then source, then id
    forks         repositories whose files are in another one (if asked for)
    exact         equal digests, partition by partition; the first of each group stays
    candidates    equal bucket keys, partition by partition
    pairs         the true similarity of the candidates, by ranges of the later document
    decision      from the best document down: one goes if a document that stays is similar to it
    removed       per shard, the rows that go, and why

Every phase works on one shard or one partition at a time, from files that it maps; what must be known of all documents
at once is one bit each. The result depends neither on the executor nor on how the documents are cut into shards or
partitions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from better_ai.artifacts import content_id
from better_ai.config.data.deduplication import DeduplicationConfig
from better_ai.data.deduplicate.candidates import CandidateTask
from better_ai.data.deduplicate.exact import ExactTask, MarkTask, key_partitions
from better_ai.data.deduplicate.index import IndexTask, open_indexes, write_index
from better_ai.data.deduplicate.ranking import Ranked, rank
from better_ai.data.deduplicate.removal import RemovalTask, Verdicts
from better_ai.data.deduplicate.repositories import ForkRowsTask, ForkTask, OverlapTask
from better_ai.data.deduplicate.signatures import SignatureTask, signature_settings
from better_ai.data.deduplicate.verification import DecideTask, VerifyTask
from better_ai.data.engine import Phases, ShardResult

_KEYS_PER_ROW = 4
"""A partition of bucket keys holds so many times `partition_rows`."""


def deduplicate(
    shards: Sequence[Path],
    config: DeduplicationConfig,
    phases: Phases,
    *,
    identities: Sequence[str],
) -> list[ShardResult]:
    """Find the duplicates among the documents of Parquet files in DOCUMENT_SCHEMA.

    Returns one result per shard: its folder holds `removed.parquet` (row, step, reason), its counts are `documents`
    and the number removed by each step. `identities` tell the shards' contents apart; the signatures of shards that a
    former build had too are not computed again. Raises ArtifactError when a shard or an index of `config.against`
    cannot be read, UserError when such an index was made with other settings.
    """
    phases = _subfolder(phases)
    earlier, indexes = open_indexes(config)
    signatures = _signatures(shards, config, phases, identities)
    base: dict[str, Any] = {
        "shards": content_id(list(identities)),
        "settings": signature_settings(config),
        "against": indexes,
        "rows": config.partition_rows,
    }
    ranked = rank(signatures, earlier, phases, partition_rows=config.partition_rows, key=base)
    partitions = key_partitions(-(-max(1, ranked.documents) // config.partition_rows))
    numbers = range(len(shards))

    forks: list[ShardResult] = []
    gone: tuple[Path, ...] = ()
    if config.repository_threshold is not None:
        base |= {"repository_threshold": config.repository_threshold, "common_files": config.common_files}
        overlaps = phases.run("overlaps", OverlapTask(ranked, config.common_files), partitions, key=base)
        find = ForkTask(config.repository_threshold, ranked.first_new)
        found = phases.run("forks", find, [_folders(overlaps)], key=base)[0].folder
        forks = phases.run("fork_rows", ForkRowsTask(ranked, found), numbers, key=base)
        gone = _marks("fork_marks", forks, ranked, phases, base)

    exact = phases.run("exact", ExactTask(ranked, gone), partitions, key=base)
    exact_marks = _marks("exact_marks", exact, ranked, phases, base)
    base |= {"threshold": config.threshold, "bucket_pairs": config.bucket_pairs}
    ranges, near = _near_duplicates(ranked, (*gone, *exact_marks), config, phases, base)
    verdicts = Verdicts(
        ranked=ranked,
        exact=tuple((low, folder) for (low, _), folder in zip(partitions, _folders(exact), strict=True)),
        exact_marks=exact_marks[0],
        forks=_folders(forks),
        near=near,
        near_starts=tuple(low for low, _ in ranges),
    )
    return phases.run("removed", RemovalTask(verdicts), numbers, key=base)


def index_kept(
    shards: Sequence[Path],
    removed: Sequence[ShardResult],
    config: DeduplicationConfig,
    phases: Phases,
    out: Path,
    *,
    identities: Sequence[str],
) -> None:
    """Write the index of the documents that `deduplicate` has left to `out`, given what `deduplicate` was given.

    Raises ArtifactError when `out` exists or cannot be written.
    """
    phases = _subfolder(phases)
    signatures = _signatures(shards, config, phases, identities)
    items = list(zip(_folders(signatures), _folders(removed), strict=True))
    names = [content_id([before.identity, after.identity]) for before, after in zip(signatures, removed, strict=True)]
    parts = phases.run("index", IndexTask(), items, key={}, identities=names)
    write_index(parts, config, out)


def _signatures(
    shards: Sequence[Path], config: DeduplicationConfig, phases: Phases, identities: Sequence[str]
) -> list[ShardResult]:
    key = {"settings": signature_settings(config)}
    return phases.run("signatures", SignatureTask(config), list(shards), key=key, identities=identities)


def _subfolder(phases: Phases) -> Phases:
    return replace(phases, root=phases.root / "deduplicate")


def _folders(results: Sequence[ShardResult]) -> tuple[Path, ...]:
    return tuple(result.folder for result in results)


def _marks(
    name: str, pairs: Sequence[ShardResult], ranked: Ranked, phases: Phases, key: Mapping[str, Any]
) -> tuple[Path, ...]:
    """The folder with one bit for the first document of each pair."""
    return _folders(phases.run(name, MarkTask(ranked.documents), [_folders(pairs)], key=key))


def _near_duplicates(
    ranked: Ranked, skipped: tuple[Path, ...], config: DeduplicationConfig, phases: Phases, key: Mapping[str, Any]
) -> tuple[list[tuple[int, int]], Path]:
    """Ranges of ranks, and the folder with the decision on each."""
    partitions: list[tuple[int, int]] = []
    if config.method != "exact":
        keys = max(1, sum(len(piece.array("band_keys")) for piece in ranked.pieces))
        partitions = key_partitions(-(-keys // (_KEYS_PER_ROW * config.partition_rows)))
    task = CandidateTask(ranked, skipped, config.bucket_pairs)
    candidates = phases.run("candidates", task, partitions, key=key)
    starts = [*range(0, max(1, ranked.documents), config.partition_rows), ranked.documents]
    ranges = list(pairwise(starts))
    distance = config.simhash_distance if config.method == "simhash" else None
    verify = VerifyTask(ranked, _folders(candidates), config.threshold, distance)
    pairs = phases.run("pairs", verify, ranges, key=key)
    decide = DecideTask(ranked.documents)
    decision = phases.run("decision", decide, [_folders(pairs)], key=key)
    return ranges, decision[0].folder
