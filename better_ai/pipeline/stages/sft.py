"""Stage `sft`: the solutions of training tasks, as conversations; only the answers are learned."""

import io

from rich.console import Console

from better_ai.data import Example, RowLoader, best_fit, color_trained, render
from better_ai.model import from_pretrained
from better_ai.pipeline.prompts import demonstration
from better_ai.pipeline.stage import StageContext, StageResult
from better_ai.pipeline.stages.tasks import FILES
from better_ai.pipeline.training import MODEL, finish_training, report_steps, seeded
from better_ai.tasks import Task, read_tasks
from better_ai.tokenizer import Tokenizer
from better_ai.tokenizer import load as load_tokenizer
from better_ai.training import CausalLMObjective, PackedRowsSource, StepReport, Trainer


def work(context: StageContext) -> StageResult:
    """Fine-tune the pretrained model on packed demonstrations."""
    config, tokenizer = context.recipe.sft, load_tokenizer(context.inputs["tokenizer"])
    examples = [_example(task, tokenizer) for task in read_tasks(context.inputs["tasks"] / FILES["sft"])]
    packed = best_fit(examples, config.max_seq_len, tokenizer.special["pad"])
    context.progress.note("an example; what is learned is green:\n" + _colored(examples[0], tokenizer))
    model = from_pretrained(context.inputs["pretrain"] / MODEL)
    train = seeded(config.train, context)
    result = Trainer(
        model,
        CausalLMObjective(),
        PackedRowsSource(RowLoader(packed.rows, train.batch_size, seed=train.seed), train.gradient_accumulation_steps),
        train,
        folder=context.folder,
        on_step=report_steps(context.progress, _figures),
    ).run()
    return finish_training(context, model, result, {"examples": len(examples), "rows": len(packed.rows)})


def _example(task: Task, tokenizer: Tokenizer) -> Example:
    rendered = render(demonstration(task), tokenizer)
    return Example(rendered.tokens, rendered.training_mask())


def _colored(example: Example, tokenizer: Tokenizer) -> str:
    """The example with terminal colours."""
    buffer = io.StringIO()
    console = Console(file=buffer, force_terminal=True, color_system="standard", width=100)
    console.print(color_trained(example.tokens, example.mask, tokenizer))
    return buffer.getvalue().rstrip()


def _figures(report: StepReport) -> dict[str, str]:
    return {"loss": f"{report.loss:.3f}", "tokens/s": f"{report.tokens_per_second:,.0f}"}
