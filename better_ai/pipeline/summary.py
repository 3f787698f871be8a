"""`summary.json`: the run in figures, for machines. Its schema is documented in docs/summary.md."""

from pathlib import Path
from typing import Any

from better_ai.artifacts import MANIFEST, Manifest, lineage

SUMMARY = "summary.json"
SCHEMA_VERSION = 1


def summarize(run: Path) -> dict[str, Any]:
    """The figures of every finished stage of a run; what has not been made yet is None."""
    nodes = lineage(run)
    evaluation = _metrics(run, "evaluate")
    report = run / "report" / "report.html"
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run.name,
        "stages": {node.name: node.manifest.metrics["usage"] for node in nodes},
        "validation_bits_per_byte": (_metrics(run, "pretrain") or {}).get("validation_bits_per_byte"),
        "evaluation": evaluation and {key: value for key, value in evaluation.items() if key != "usage"},
        "seeds": {node.name: node.manifest.seeds for node in nodes},
        "content_ids": {node.name: node.manifest.content_id for node in nodes},
        "report": str(report) if report.exists() else None,
    }


def _metrics(run: Path, stage: str) -> dict[str, Any] | None:
    folder = run / stage
    return Manifest.read(folder).metrics if (folder / MANIFEST).exists() else None
