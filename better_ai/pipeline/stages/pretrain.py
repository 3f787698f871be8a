"""Stage `pretrain`: next-token prediction on the packed documents."""

from better_ai.config import PretrainConfig
from better_ai.data import (
    SPLITS,
    ConcatenatedRows,
    RowLoader,
    TokenShard,
    concatenate,
    corpus_texts,
    transform_documents,
    write_token_shard,
)
from better_ai.errors import ArtifactError
from better_ai.model import Transformer
from better_ai.pipeline.stage import StageContext, StageResult
from better_ai.pipeline.training import finish_training, report_steps, seeded
from better_ai.tokenizer import Tokenizer
from better_ai.tokenizer import load as load_tokenizer
from better_ai.training import CausalLMObjective, PackedRowsSource, StepReport, Trainer, bits_per_byte

VALIDATION_ROWS = 32
"""Rows in one forward pass of validation."""


def work(context: StageContext) -> StageResult:
    """Tokenise, train, and measure bits per byte on the validation documents."""
    config, tokenizer = context.recipe.pretrain, load_tokenizer(context.inputs["tokenizer"])
    shards = {name: _shard(context, name, tokenizer) for name in SPLITS}
    train = seeded(config.train, context)
    rows = _rows(shards["train"], config, tokenizer, fim_seed=train.seed)
    validation = PackedRowsSource.batches(
        _rows(shards["validation"], config, tokenizer, fim_seed=None), VALIDATION_ROWS
    )
    model = Transformer(config.model, seed=train.seed)
    result = Trainer(
        model,
        CausalLMObjective(),
        PackedRowsSource(RowLoader(rows, train.batch_size, seed=train.seed), train.gradient_accumulation_steps),
        train,
        folder=context.folder,
        validate=lambda model: {
            "validation/bits_per_byte": bits_per_byte(model, validation, shards["validation"].manifest.num_bytes)
        },
        on_step=report_steps(context.progress, _figures),
    ).run()
    return finish_training(
        context,
        model,
        result,
        {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "validation_bits_per_byte": result.validation[-1]["validation/bits_per_byte"],
            "train_tokens": shards["train"].manifest.num_tokens,
        },
    )


def _shard(context: StageContext, name: str, tokenizer: Tokenizer) -> TokenShard:
    """The tokenised documents; those that an interrupted run has written are used again if they are whole."""
    folder = context.folder / "shards" / name
    if (folder / "shard.json").exists():
        try:
            return TokenShard.open(folder, tokenizer=tokenizer)
        except ArtifactError as error:
            context.progress.note(f"{error.args[0]} (done now)")
    context.progress.update(0, 1, tokenising=name)
    return write_token_shard(corpus_texts(context.inputs["data"], name), tokenizer, folder)


def _rows(shard: TokenShard, config: PretrainConfig, tokenizer: Tokenizer, *, fim_seed: int | None) -> ConcatenatedRows:
    """The shard's documents as rows; a share of them in fill-in-the-middle form where a seed is given."""
    if fim_seed is None or not config.fim_rate:
        return ConcatenatedRows(shard.tokens, shard.offsets, config.seq_len, tokenizer.special["pad"])
    documents = (shard.document(number) for number in range(len(shard)))
    turned = transform_documents(documents, tokenizer.special, rate=config.fim_rate, seed=fim_seed)
    return concatenate(turned, config.seq_len, tokenizer.special["pad"])


def _figures(report: StepReport) -> dict[str, str]:
    return {"loss": f"{report.loss:.2f}", "tokens/s": f"{report.tokens_per_second:,.0f}"}
