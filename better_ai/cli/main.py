"""The `better-ai` command. Every noun has a file of its own; errors become one paragraph and an exit code."""

import errno
import os
import sys
from typing import Annotated

# GNU OpenMP reads this when torch loads it. Idle threads that spin for long starve their neighbours on a shared
# machine: a short spin costs nothing on a quiet one and saves two thirds of a training step on a busy one.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import typer
from rich.console import Console
from rich.markup import escape

from better_ai import __version__
from better_ai.cli import chat, config, data, lineage, model, run, tokenizer
from better_ai.cli.text import harmless
from better_ai.errors import BetterAIError

FAILURE = 1

app = typer.Typer(
    name="better-ai",
    help="The whole life of a coding language model, from source code to a model that writes tested code.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run.run)
app.command("chat")(chat.chat)
app.command("generate")(chat.generate)
app.command("lineage")(lineage.lineage)
app.add_typer(config.app, name="config", help="Show and check recipes.")
app.add_typer(data.app, name="data", help="Build corpora, look into them, take documents out.")
app.add_typer(tokenizer.app, name="tokenizer", help="Train tokenizers and measure them.")
app.add_typer(model.app, name="model", help="Describe, import and export models.")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"better-ai {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (anywhere on the line).")
    ] = False,
) -> None:
    """Taken out of the line by `main`; declared here so that --help shows them."""


def main() -> None:
    """Run the command; exit 0 for success, 2 for a user's mistake, 1 for a failure, 130 when interrupted."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    errors = Console(stderr=True, highlight=False, emoji=False)
    try:
        app(args=[argument for argument in arguments if argument != "--debug"], standalone_mode=True)
    except BrokenPipeError:
        # The reader of our output has gone (`better-ai ... | head`). Nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILURE)
    except Exception as error:
        if debug:
            raise
        errors.print(f"[bold red]Error:[/] {escape(harmless(_paragraph(error)))}", soft_wrap=True)
        sys.exit(error.exit_code if isinstance(error, BetterAIError) else FAILURE)


def _paragraph(error: Exception) -> str:
    if isinstance(error, BetterAIError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full: {error.filename or error}. Free some space and run the same command again."
    if isinstance(error, MemoryError):
        return "the machine ran out of memory. Lower batch_size or seq_len with --set and run the same command again."
    return f"{type(error).__name__}: {error}. This is unexpected; run again with --debug and report the traceback."
