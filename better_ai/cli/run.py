"""`better-ai run`: a recipe, from source code to a report."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from better_ai.cli.options import RunsOption, SetOption


def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe such as recipes/quickstart.yaml.")],
    overrides: SetOption = None,
    runs: RunsOption = Path("runs"),
    until: Annotated[str | None, typer.Option(help="Stop after this stage.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")] = False,
) -> None:
    """Run a recipe from source code to report; finished stages are skipped, an interrupted one continues."""
    from better_ai.cli.progress import with_progress
    from better_ai.config import load_recipe

    loaded = load_recipe(recipe, overrides or ())

    from better_ai.data.engine import leave_pandas_out
    from better_ai.pipeline import run_main_job, summarize

    leave_pandas_out()

    console = Console(highlight=False, emoji=False)
    with_progress(lambda progress: run_main_job(loaded, runs, until=until, progress=progress), console, silent=as_json)
    summary = summarize(runs / loaded.name)
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
    else:
        _print_summary(console, summary, runs / loaded.name)


def _print_summary(console: Console, summary: dict[str, Any], run: Path) -> None:
    """What a person wants to know at the end: did it learn, how long did it take, where is the report."""
    systems = summary["evaluation"]
    if systems is not None:
        table = Table("model", "pass@1", "interval", title="held-out tasks")
        for name in ("baseline", "base", "sft", "rl"):
            first = systems["systems"][name]["pass_at_k"]["1"]
            table.add_row(name, f"{first['value']:.1%}", f"{first['low']:.1%} to {first['high']:.1%}")
        console.print(table)
        gain = systems["rl_minus_sft"]
        console.print(
            f"RL over SFT: {gain['value'] * 100:+.1f} points "
            f"({gain['low'] * 100:+.1f} to {gain['high'] * 100:+.1f} at {systems['confidence']:.0%} confidence)"
        )
    if summary["validation_bits_per_byte"] is not None:
        console.print(f"validation: {summary['validation_bits_per_byte']:.3f} bits per byte")
    seconds = sum(stage["seconds"] for stage in summary["stages"].values())
    console.print(f"{len(summary['stages'])} stages in {seconds / 60:.1f} minutes; everything is in {run}")
    if summary["report"] is not None:
        console.print(f"[bold]report:[/] {summary['report']}")
        console.print(f"next:   better-ai chat {run}")
