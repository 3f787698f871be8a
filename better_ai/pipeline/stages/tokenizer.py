"""Stage `tokenizer`: pieces learned from the training documents."""

from better_ai import tokenizer
from better_ai.data import TRAIN, VALIDATION, corpus_texts
from better_ai.pipeline.stage import StageContext, StageResult


def work(context: StageContext) -> StageResult:
    """Train the tokenizer and measure it on documents it has not seen."""
    config = context.recipe.tokenizer
    context.progress.update(1, 3, learning=f"{config.vocab_size:,} pieces")
    trained = tokenizer.train(corpus_texts(context.inputs["data"], TRAIN), config, context.folder)
    context.progress.update(2, 3, measuring="compression")
    unseen = corpus_texts(context.inputs["data"], VALIDATION)
    return StageResult(
        products=sorted(path.name for path in context.folder.glob("tokenizer.*")),
        metrics={
            "vocab_size": trained.vocab_size,
            "tokenizer_id": trained.content_id,
            "validation_bytes_per_token": trained.bytes_per_token(unseen),
        },
    )
