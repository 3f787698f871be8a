"""Removing duplicates across all shards of a build, and across builds.

    signatures    each document is read once: digest, shingle set, sketch, bucket keys
    ranks         one order of all documents: best quality, then oldest, then source, then id
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

from better_ai.config.data.deduplication import DeduplicationConfig
from better_ai.data.deduplicate.candidates import CandidateTask
from better_ai.data.deduplicate.exact_groups import ExactTask, MarkTask, key_partitions
from better_ai.data.deduplicate.ranking import Ranked, rank
from better_ai.data.deduplicate.removal import RemovalTask, Verdicts
from better_ai.data.deduplicate.signatures import SignatureTask, signature_settings
from better_ai.data.deduplicate.verification import DecideTask, VerifyTask
from better_ai.data.engine import Phases, ShardResult

KEYS_PER_DOCUMENT = 4
"""A partition of bucket keys holds so many times `partition_rows`."""


def deduplicate(
    shards: Sequence[Path], config: DeduplicationConfig, phases: Phases, *, key: Mapping[str, Any]
) -> list[ShardResult]:
    """Find the duplicates among the documents of Parquet files in DOCUMENT_SCHEMA.

    Returns one result per shard: its folder holds `removed.parquet` (row, step, reason), its counts are `documents`
    and the number removed by each step. `key` identifies the shards' contents. Raises ArtifactError when a shard or
    an index of `config.against` cannot be read, UserError when such an index was made with other settings.
    """
    phases = replace(phases, root=phases.root / "deduplicate")
    base: dict[str, Any] = {**key, "settings": signature_settings(config)}
    signatures = phases.run("signatures", SignatureTask(config), list(shards), key=base)
    ranked = rank(signatures, (), phases, partition_rows=config.partition_rows, key=base)
    base |= {"partition_rows": config.partition_rows}
    partitions = key_partitions(-(-max(1, ranked.documents) // config.partition_rows))
    exact = phases.run("exact", ExactTask(ranked), partitions, key=base)
    folders = [result.folder for result in exact]
    marks = phases.run("exact_marks", MarkTask(ranked.documents), [folders], key=base)[0].folder
    base |= {"threshold": config.threshold, "bucket_pairs": config.bucket_pairs}
    ranges, near = _near_duplicates(ranked, marks / "marks.npy", config, phases, base)
    verdicts = Verdicts(
        ranked=ranked,
        exact=tuple((low, folder) for (low, _), folder in zip(partitions, folders, strict=True)),
        exact_marks=marks,
        near=near,
        near_starts=tuple(low for low, _ in ranges),
    )
    return phases.run("removed", RemovalTask(verdicts), range(len(shards)), key=base)


def _near_duplicates(
    ranked: Ranked, skipped: Path, config: DeduplicationConfig, phases: Phases, key: Mapping[str, Any]
) -> tuple[list[tuple[int, int]], Path]:
    """Ranges of ranks, and the folder with the decision on each."""
    partitions: list[tuple[int, int]] = []
    if config.method != "exact":
        keys = max(1, sum(len(piece.array("band_keys")) for piece in ranked.pieces))
        partitions = key_partitions(-(-keys // (KEYS_PER_DOCUMENT * config.partition_rows)))
    task = CandidateTask(ranked, skipped, config.bucket_pairs)
    candidates = phases.run("candidates", task, partitions, key=key)
    starts = [*range(0, max(1, ranked.documents), config.partition_rows), ranked.documents]
    ranges = list(pairwise(starts))
    distance = config.simhash_distance if config.method == "simhash" else None
    verify = VerifyTask(ranked, tuple(result.folder for result in candidates), config.threshold, distance)
    pairs = phases.run("pairs", verify, ranges, key=key)
    decide = DecideTask(ranked.documents)
    decision = phases.run("decision", decide, [[result.folder for result in pairs]], key=key)
    return ranges, decision[0].folder
