"""`better-ai model`: sizes, import and export."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from better_ai.cli.options import JsonOption, RunArgument

app = typer.Typer(no_args_is_help=True)


@app.command()
def describe(
    model: Annotated[str, typer.Argument(help="A preset, or a folder with a model; all presets when left out.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Print the true parameter counts, total and active per token, and the compute and memory they need."""
    from better_ai.config import MODEL_PRESETS
    from better_ai.pipeline.describe import describe_model

    names = [model] if model else list(MODEL_PRESETS)
    described = [describe_model(name) for name in names]
    if as_json:
        typer.echo(json.dumps(described, indent=2))
        return
    table = Table()
    for title in ("model", "parameters", "active per token", "training GFLOP per token"):
        table.add_column(title, justify="left" if title == "model" else "right", no_wrap=title == "model")
    for row in described:
        counts = (f"{row[key]:,}" for key in ("parameters", "active_parameters"))
        table.add_row(row["name"], *counts, f"{row['training_flops_per_token'] / 1e9:,.2f}")
    console = Console(highlight=False, emoji=False)
    console.print(table)
    if model:
        console.print_json(data=described[0])


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="A model in the Hugging Face layout: config.json and safetensors.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to make; it must not exist.")],
) -> None:
    """Read a Llama, Qwen2, Qwen3, Mixtral or Qwen2-MoE folder into the native layout."""
    from better_ai.pipeline.trained import import_model

    model = import_model(folder, to)
    typer.echo(f"imported {folder} to {to}: {sum(p.numel() for p in model.parameters()):,} parameters")


@app.command()
def export(
    run: RunArgument,
    to: Annotated[Path, typer.Option("--to", help="The folder to make; it must not exist.")],
    stage: Annotated[str | None, typer.Option(help="pretrain, sft or rl; the latest unless given.")] = None,
) -> None:
    """Write a run's model in the Hugging Face layout, for AutoModelForCausalLM, and its tokenizer beside it."""
    from better_ai.pipeline.trained import export_model

    trained = export_model(run, to, stage=stage)
    typer.echo(f"exported {trained.name} to {to}")
