"""Taking documents out of a run's corpus: its shards rewritten, no copy left behind, everything made from it named."""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from better_ai.artifacts import Manifest, StageFolder, descendants, link_or_copy, read_json, run_lock, write_json
from better_ai.data import CORPUS_FILE, REJECTED_FILE, SPLITS, corpus_files
from better_ai.data.takedown import (
    STEP,
    Takedown,
    append_rejected,
    count_kept,
    read_requests,
    remember_request,
    replaced_corpora,
    rewrite_shards,
)
from better_ai.errors import UserError
from better_ai.pipeline.data_job import DATA, require_corpus
from better_ai.pipeline.stages.data import WORK_FOLDER


@dataclass(frozen=True)
class TakenDown:
    """What a takedown did."""

    documents: dict[str, int]
    """Documents that are gone, by shard."""
    purged: tuple[Path, ...]
    """Folders with copies of them that were removed: replaced corpora and the work folder of the build."""
    stale: tuple[tuple[Path, Manifest], ...]
    """Finished stages of this and other runs that were made from the corpus as it was."""


def take_down(run: Path, takedown: Takedown, runs: Path) -> TakenDown:
    """Drop documents from the corpus in `run` and remember the request, so that no later build brings them back.

    The corpus is replaced at once, after all of it was written; a command that was killed is simply given again.
    Raises UserError when no document is meant or there is no corpus, ArtifactError for a locked or damaged run folder.
    """
    require_corpus(run)
    with run_lock(run):
        corpus = run / DATA.name
        manifest = Manifest.read(corpus)
        manifest.verify(corpus, products_only=True)
        before = read_requests(run)
        hits = {
            f"{split}/{shard.name}": count
            for split in SPLITS
            for shard in corpus_files(corpus, split)
            if (count := sum(found.num_rows for found in takedown.hits(shard)))
        }
        together = before.joined(takedown)
        if not hits and together == before and not _copies(run):
            raise UserError(f"no document of {corpus} is meant, and nothing is left to purge; nothing was changed")
        if not hits and together != before:
            raise UserError(
                f"no document of {corpus} is meant by this request; nothing was changed; "
                f"`better-ai data inspect {run} --sample 5` shows how documents are named"
            )
        if hits:
            remember_request(
                run, takedown, requested_at=datetime.now(UTC).isoformat(timespec="seconds"), corpus=manifest.content_id
            )
            _replace(run, manifest, read_requests(run))
        purged = _copies(run)
        for folder in purged:
            shutil.rmtree(folder)
        stale = dict(pair for corpus_id in replaced_corpora(run) for pair in descendants(runs, corpus_id))
        return TakenDown(hits, tuple(purged), tuple(sorted(stale.items())))


def _replace(run: Path, manifest: Manifest, takedown: Takedown) -> None:
    """Build the corpus without the documents aside and put it in the place of the old one."""
    corpus = run / DATA.name
    stage = StageFolder(
        run,
        DATA.name,
        kind=manifest.kind,
        config={**manifest.config, **takedown.identity()},
        inputs=manifest.inputs,
        seeds=manifest.seeds,
    )
    if stage.manifest is not None:
        return  # an earlier takedown was killed just before it moved its work to its place
    shutil.rmtree(stage.partial, ignore_errors=True)  # which may hold half a copy
    out = stage.begin()
    rejected = []
    for split in SPLITS:
        rejected += rewrite_shards(corpus_files(corpus, split), out / split, takedown)
    append_rejected(corpus / REJECTED_FILE, out / REJECTED_FILE, rejected)
    for name in manifest.files:
        if not (out / name).exists():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(corpus / name, out / name)
    counts = count_kept({split: corpus_files(out, split) for split in SPLITS})
    if not all(count["documents"] for count in counts.values()):
        shutil.rmtree(out)
        raise UserError(f"nothing would be left of {corpus} for training or validation; remove the run instead")
    write_json(out / CORPUS_FILE, _record(read_json(corpus / CORPUS_FILE), counts, rejected, takedown))
    products = [name for name, file in manifest.files.items() if file.product]
    stage.finish(products=products, metrics=_metrics(manifest.metrics, counts))


def _record(
    record: dict[str, Any], counts: dict[str, dict[str, int]], rejected: Sequence[pa.RecordBatch], takedown: Takedown
) -> dict[str, Any]:
    """`corpus.json` as it was, with what is left and why the rest went."""
    reasons = Counter(record["rejected"].get(STEP, {}))
    for batch in rejected:
        reasons.update(batch.column("reason").to_pylist())
    return {
        **record,
        "rejected": {**record["rejected"], STEP: dict(sorted(reasons.items()))},
        "takedown": {"left": counts, **takedown.identity()},
    }


def _metrics(metrics: dict[str, Any], counts: dict[str, dict[str, int]]) -> dict[str, Any]:
    corpus = dict(metrics["corpus"])
    gone = corpus["kept"] - sum(count["documents"] for count in counts.values())
    for split, count in counts.items():
        corpus |= {f"{split}_documents": count["documents"], f"{split}_bytes": count["bytes"]}
    rejected = {**corpus["rejected"], STEP: corpus["rejected"].get(STEP, 0) + gone}
    return {**metrics, "corpus": {**corpus, "kept": corpus["kept"] - gone, "rejected": rejected}}


def _copies(run: Path) -> list[Path]:
    """Folders that hold documents of the corpus besides the corpus itself."""
    folders = [run / WORK_FOLDER, *run.glob(f".replaced/{DATA.name}-*"), *run.glob(f".partial/{DATA.name}-*")]
    return sorted(folder for folder in folders if folder.is_dir())
