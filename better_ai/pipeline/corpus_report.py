"""The report of a corpus: one self-contained HTML file with counts, plots and samples."""

from pathlib import Path
from typing import Any

import yaml

from better_ai.artifacts import Manifest, atomic_write, read_json
from better_ai.data import CORPUS_FILE, TIMINGS_FILE
from better_ai.data.inspection import CorpusView, Inspection
from better_ai.pipeline import figures
from better_ai.pipeline.page import render_page

REPORT = "report.html"
NUM_SAMPLES = 12


def write_corpus_report(folder: Path, out: Path) -> Inspection:
    """Inspect the corpus in `folder` and write the page to `out`. Raises UserError when there is no corpus."""
    with CorpusView(folder) as view:
        inspection = view.inspect()
        samples = view.sample(NUM_SAMPLES)
    manifest = Manifest.read(folder)
    page = render_page(
        "corpus.html.j2",
        name=folder.parent.name,
        recipe=yaml.safe_dump(manifest.config, sort_keys=False),
        inspection=inspection,
        samples=samples,
        plots=_plots(inspection),
        total_bytes=sum(count.bytes for count in inspection.splits),
        problems=manifest.metrics["corpus"]["problems"],
        **_cost(folder),
        **_headline(inspection, manifest),
    )
    with atomic_write(out) as temporary:
        temporary.write_text(page, "utf-8")
    return inspection


def _headline(inspection: Inspection, manifest: Manifest) -> dict[str, Any]:
    kept = sum(count.documents for count in inspection.splits)
    size = sum(count.bytes for count in inspection.splits)
    rejected = sum(count.documents for count in inspection.rejected)
    lead = (
        f"{kept + rejected:,} documents were collected; {kept:,} of {inspection.distinct['origins']:,} origins were "
        f"kept and {rejected:,} turned away, each with its reason in rejected.parquet. Content id "
        f"{manifest.content_id[:16]}."
    )
    cards = [
        ("documents kept", f"{kept:,}"),
        ("MB of text", f"{size / 1e6:,.1f}"),
        ("of the collected documents kept", f"{kept / max(1, kept + rejected):.1%}"),
        ("languages", f"{inspection.distinct['languages']:,}"),
        ("licence expressions", f"{inspection.distinct['licenses']:,}"),
        ("documents held out for validation", f"{_documents(inspection, 'validation'):,}"),
    ]
    return {"lead": lead, "cards": [{"label": label, "value": value} for label, value in cards]}


def _cost(folder: Path) -> dict[str, Any]:
    """CPU seconds and rates of steps and phases, as they were when each shard was computed."""
    counts, timings = read_json(folder / CORPUS_FILE)["steps"], read_json(folder / TIMINGS_FILE)
    steps = []
    for count, cost in zip(counts, timings["steps"].values(), strict=True):
        seconds = cost["tag"]["cpu_seconds"] + cost["judge"]["cpu_seconds"]
        rate = timings["bytes"] / 1e6 / seconds if seconds > 0.005 else None
        steps.append({"name": count["type"], **count, "cpu_seconds": seconds, "rate": rate})
    phases = {**timings["phases"], "the whole build": timings["whole"]}
    rows = [
        {"name": name, "cpu_seconds": cost["cpu_seconds"], "rate": cost["mb_per_second"]}
        for name, cost in phases.items()
        if cost["cpu_seconds"] > 0.05
    ]
    return {"steps": steps, "phases": rows}


def _plots(inspection: Inspection) -> dict[str, dict[str, str]]:
    by_step: dict[str, float] = {}
    for count in inspection.rejected:
        by_step[count.step] = by_step.get(count.step, 0) + count.documents
    sizes, quality = inspection.sizes, inspection.quality
    plots = {
        "rejected": (
            figures.horizontal_bars(by_step or {"none": 0}, x="documents turned away"),
            "Documents turned away by each step.",
        ),
        "sizes": (
            figures.histogram(sizes.edges, sizes.counts, x="bytes of a document", logarithmic=True),
            "How large the kept documents are.",
        ),
        "quality": (
            figures.histogram(quality.edges, quality.counts, x="quality score"),
            "How well the kept documents score, where a quality step ran.",
        ),
    }
    return {name: {"svg": svg, "caption": caption} for name, (svg, caption) in plots.items()}


def _documents(inspection: Inspection, split: str) -> int:
    return sum(count.documents for count in inspection.splits if count.name == split)
