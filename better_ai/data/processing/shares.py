"""The last phase of processing: conversations with one turn and with several in an exact share, by dropping some.

Each file gives its part of what may stay, drawn by digests of seed and id, so nothing is known of all files at once
but how many conversations they hold.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from better_ai.artifacts import content_id
from better_ai.data.engine import Phases, ShardResult
from better_ai.data.processing.conversations import CONVERSATION_SCHEMA
from better_ai.data.schema import DOCUMENTS_FILE
from better_ai.data.tables import TableWriter, read_batches
from better_ai.errors import ArtifactError, UserError


def select_share(
    gathered: Sequence[ShardResult], share: float | None, *, seed: int, version: int, phases: Phases
) -> list[ShardResult]:
    """Run `select`: each file keeps its part of the number of either kind that may stay.

    Raises UserError when nothing may.
    """
    have = [(result.counts["single_turn"], result.counts["multi_turn"]) for result in gathered]
    total = sum(single for single, _ in have), sum(multi for _, multi in have)
    wanted = exact_share(*total, share)
    if any(total) and not any(wanted):
        raise UserError(
            f"multi_turn_share {share} leaves nothing of {total[0]} conversations with one turn and {total[1]} with "
            "several; ask for fewer of one kind, or set it to null"
        )
    quotas = list(zip(*(allocate(wanted[kind], [counts[kind] for counts in have]) for kind in range(2)), strict=True))
    return phases.run(
        "select",
        partial(_select, seed),
        [(result.folder / DOCUMENTS_FILE, quota) for result, quota in zip(gathered, quotas, strict=True)],
        key={"seed": seed, "version": version},
        identities=[content_id([result.identity, quota]) for result, quota in zip(gathered, quotas, strict=True)],
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


def _select(seed: int, item: tuple[Path, tuple[int, int]], folder: Path) -> Mapping[str, Any]:
    """The task of `select`: as many of each kind as the quota says."""
    path, quota = item
    candidates: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for batch in read_batches(path, CONVERSATION_SCHEMA, ["id", "turns"]):
        for each in batch.to_pylist():
            candidates[each["turns"] > 1].append((content_id([seed, each["id"]]), each["id"]))
    chosen = pa.array([id for kind in range(2) for _, id in sorted(candidates[kind])[: quota[kind]]], pa.string())
    kept: Counter[str] = Counter()
    sizes = [0, 0]
    with TableWriter(folder / DOCUMENTS_FILE, CONVERSATION_SCHEMA) as writer:
        for batch in read_batches(path, CONVERSATION_SCHEMA):
            rows = batch.filter(pc.is_in(batch.column("id"), chosen))
            writer.write(rows)
            kept.update(rows.column("task").to_pylist())
            lengths = pc.binary_length(rows.column("messages")).to_pylist()
            for turns, length in zip(rows.column("turns").to_pylist(), lengths, strict=True):
                sizes[turns > 1] += length
    if writer.rows != sum(quota):
        raise ArtifactError(f"{path} gave {writer.rows} conversations for a quota of {sum(quota)}; process again")
    return {
        "kept": dict(sorted(kept.items())),
        "single_turn": quota[0],
        "multi_turn": quota[1],
        "single_turn_bytes": sizes[0],
        "multi_turn_bytes": sizes[1],
    }
