"""Stage `data`: source files to train and validation documents, and the rejected ones with their reasons."""

from better_ai.data import REJECTED_FILE, TRAIN_FILE, VALIDATION_FILE, build_corpus
from better_ai.pipeline.stage import StageContext, StageResult

STEPS = ("collect and check", "remove duplicates", "write")


def work(context: StageContext) -> StageResult:
    """Build the corpus."""

    def on_progress(step: str, documents: int) -> None:
        context.progress.update(STEPS.index(step), len(STEPS), step=step, documents=f"{documents:,}")

    stats = build_corpus(context.recipe.data, context.folder, on_progress=on_progress)
    return StageResult(products=[TRAIN_FILE, VALIDATION_FILE, REJECTED_FILE], metrics={"corpus": stats.to_dict()})
