"""Stage `data`: sources to train and validation documents, and the rejected ones with their reasons."""

from collections.abc import Mapping
from typing import Any

from better_ai.data import CORPUS_FILE, REJECTED_FILE, SPLITS, build_corpus, corpus_files
from better_ai.data.deduplicate import INDEX_FOLDER
from better_ai.data.takedown import read_requests
from better_ai.pipeline.stage import StageContext, StageResult

WORK_FOLDER = ".shards"
"""In the run's folder: what the phases of the latest build have left. Without it, which may be removed when no build
runs, the next one reads all sources."""


def work(context: StageContext) -> StageResult:
    """Build the corpus."""

    def on_progress(phase: str, done: int, total: int, counts: Mapping[str, Any]) -> None:
        if total:
            context.progress.update(done, total, phase=phase, shards=f"{done:,}/{total:,}")

    stats = build_corpus(
        context.recipe.data,
        context.folder,
        work=context.run / WORK_FOLDER,
        on_progress=on_progress,
        takedown=read_requests(context.run),
    )
    shards = [path for split in SPLITS for path in corpus_files(context.folder, split)]
    index = [path for path in sorted((context.folder / INDEX_FOLDER).rglob("*")) if path.is_file()]
    products = [path.relative_to(context.folder).as_posix() for path in [*shards, *index]]
    return StageResult([*products, REJECTED_FILE, CORPUS_FILE], metrics={"corpus": stats.to_dict()})
