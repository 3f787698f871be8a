"""What a build tells of itself: counts for the stage that asked, `corpus.json` for good, `timings.json` for this time.

`corpus.json` holds nothing that differs between two builds of the same corpus. Its `blend` digests the output files,
so two corpora with the same blend are the same to the last byte.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from better_ai.artifacts import content_id
from better_ai.config import DataConfig
from better_ai.data.corpus.collect import Collected
from better_ai.data.corpus.files import SPLITS, TRAIN, VALIDATION
from better_ai.data.corpus.shards import Shard
from better_ai.data.corpus.split import SplitShard
from better_ai.data.engine import ShardResult
from better_ai.data.schema import DOCUMENTS_FILE

CORPUS_FILE = "corpus.json"
TIMINGS_FILE = "timings.json"

MAX_REASONS = 200
"""Classes of reasons counted for each step; the rest are counted together."""
OTHER = "other reasons"

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_PLACE = re.compile(r"\S*[:/\\]\S+")
_NUMBER = re.compile(r"(?<![\w.-])\d[\d.,]*(?![\w-])")


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
    stripped: int = 0
    """Documents, later removed or not, that lost a header which very many share."""
    problems: tuple[str, ...] = ()
    """Sources, or parts of them, that could not be read."""

    @property
    def kept(self) -> int:
        return self.train_documents + self.validation_documents

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "problems": list(self.problems), "kept": self.kept}


@dataclass
class RejectCounts:
    """Rejected rows by step and class of reason."""

    by_step: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, steps: Sequence[str], reasons: Sequence[str]) -> None:
        for step, reason in zip(steps, reasons, strict=True):
            self.by_step[step] = self.by_step.get(step, 0) + 1
            counts = self.reasons.setdefault(step, {})
            name = reason_class(reason)
            if name not in counts and len(counts) >= MAX_REASONS:
                name = OTHER
            counts[name] = counts.get(name, 0) + 1


def reason_class(reason: str) -> str:
    """A reason without what differs from document to document: quoted text, places, numbers."""
    return _NUMBER.sub("#", _PLACE.sub("...", _QUOTED.sub("'...'", reason)))


def corpus_record(
    config: DataConfig,
    collected: Collected,
    judged: Sequence[Shard],
    split: Sequence[SplitShard],
    files: Mapping[str, Sequence[ShardResult]],
    rejects: RejectCounts,
) -> dict[str, Any]:
    """The content of `corpus.json`."""
    shards = {
        f"{side}/{number:05d}.parquet": {
            "documents": result.counts["documents"],
            "sha256": result.files[DOCUMENTS_FILE],
        }
        for side in SPLITS
        for number, result in enumerate(files[side])
    }
    return {
        "blend": content_id({name: shard["sha256"] for name, shard in shards.items()}),
        "config": config.identity(),
        "shards": shards,
        "splits": {side: _split_counts(split, side) for side in SPLITS},
        "sources": _source_counts(config, collected, split),
        "steps": _step_counts(config, judged),
        "stripped": _stripped(split),
        "rejected": {step: dict(sorted(counts.items())) for step, counts in sorted(rejects.reasons.items())},
    }


def corpus_stats(collected: Collected, split: Sequence[SplitShard], rejects: RejectCounts) -> CorpusStats:
    """The counts in short."""
    train, validation = (
        {key: sum(part.counts[side][key] for part in split) for key in ("documents", "bytes")}
        for side in (TRAIN, VALIDATION)
    )
    return CorpusStats(
        collected=sum(plan.counts["rejected"] for plan in collected.plans)
        + sum(shard.counts["collected"] for shard in collected.shards),
        rejected=dict(rejects.by_step),
        train_documents=train["documents"],
        train_bytes=train["bytes"],
        validation_documents=validation["documents"],
        validation_bytes=validation["bytes"],
        stripped=_stripped(split),
        problems=tuple(collected.problems),
    )


def timings(
    config: DataConfig,
    collected: Collected,
    tags: Sequence[Sequence[Path | None]],
    judged: Sequence[Shard],
    cpu_seconds: Mapping[str, float],
) -> dict[str, Any]:
    """The content of `timings.json`: CPU seconds by phase and by step, as it was when each shard was computed.

    Rates are MB of the collected content per CPU second of the phase, or of the content that reached the step.
    """
    num_bytes = sum(shard.counts["bytes"] for shard in collected.shards)
    steps = {}
    for number, step in enumerate(config.steps):
        tagged = [ShardResult.read(folder) for folders in tags if (folder := folders[number]) is not None]
        judgements = [shard.counts["steps"][number] for shard in judged]
        steps[f"{number} {step.type}"] = {
            "rows": sum(counts["rows"] for counts in judgements),
            "tag": _speed(num_bytes, sum(result.cpu_seconds for result in tagged)),
            "judge": _speed(
                sum(counts["bytes"] for counts in judgements), sum(counts["cpu_seconds"] for counts in judgements)
            ),
        }
    return {
        "bytes": num_bytes,
        "phases": {name: _speed(num_bytes, seconds) for name, seconds in cpu_seconds.items()},
        "steps": steps,
        "whole": _speed(num_bytes, sum(cpu_seconds.values())),
    }


def _speed(num_bytes: int, cpu_seconds: float) -> dict[str, float | None]:
    rate = round(num_bytes / cpu_seconds / 1e6, 3) if cpu_seconds else None
    return {"cpu_seconds": round(cpu_seconds, 3), "mb_per_second": rate}


def _split_counts(split: Sequence[SplitShard], side: str) -> dict[str, Any]:
    counts = [part.counts[side] for part in split]
    return {
        "documents": sum(count["documents"] for count in counts),
        "bytes": sum(count["bytes"] for count in counts),
        "languages": _merge(count["languages"] for count in counts),
        "licenses": _merge(count["licenses"] for count in counts),
    }


def _stripped(split: Sequence[SplitShard]) -> int:
    """Documents that lost their header; 0 where that was not asked for."""
    return sum(part.shard.counts.get("stripped", 0) for part in split)


def _merge(counts: Iterable[Mapping[str, Sequence[int]]]) -> dict[str, dict[str, int]]:
    merged: dict[str, dict[str, int]] = {}
    for count in counts:
        for value, (documents, num_bytes) in count.items():
            entry = merged.setdefault(value, {"documents": 0, "bytes": 0})
            entry["documents"] += documents
            entry["bytes"] += num_bytes
    return dict(sorted(merged.items()))


def _source_counts(config: DataConfig, collected: Collected, split: Sequence[SplitShard]) -> list[dict[str, Any]]:
    """One entry per source of the configuration, in its order."""
    entries: list[dict[str, Any]] = []
    for number, (source, plan) in enumerate(zip(config.sources, collected.plans, strict=True)):
        shards = [shard for shard in collected.shards if shard.source == number]
        parts = [part for part in split if part.shard.source == number]
        found = [(shard.name, shard.counts["problem"]) for shard in shards if shard.counts["problem"]]
        entries.append(
            {
                "type": source.type,
                "parts": plan.counts["parts"],
                "collected": plan.counts["rejected"] + sum(shard.counts["collected"] for shard in shards),
                "kept": {side: sum(part.counts[side]["documents"] for part in parts) for side in SPLITS},
                "bytes": {side: sum(part.counts[side]["bytes"] for part in parts) for side in SPLITS},
                "problems": [plan.counts["problem"]] * bool(plan.counts["problem"])
                + [f"{name}: {problem}" for name, problem in found],
            }
        )
    return entries


def _step_counts(config: DataConfig, judged: Sequence[Shard]) -> list[dict[str, Any]]:
    """How many documents reached each step and how many it turned away."""
    return [
        {
            "type": step.type,
            "rows": sum(shard.counts["steps"][number]["rows"] for shard in judged),
            "rejected": sum(shard.counts["steps"][number]["rejected"] for shard in judged),
        }
        for number, step in enumerate(config.steps)
    ]
