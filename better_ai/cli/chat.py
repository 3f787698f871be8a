"""`better-ai chat` and `better-ai generate`: talk to a trained model in the terminal."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from better_ai.cli.options import JsonOption, RunArgument

if TYPE_CHECKING:
    from better_ai.data import Message
    from better_ai.pipeline.trained import Trained

StageOption = Annotated[str | None, typer.Option("--stage", help="pretrain, sft or rl; the latest unless given.")]
TemperatureOption = Annotated[float, typer.Option(min=0.0, help="0 for the most likely answer.")]
TokensOption = Annotated[int, typer.Option(min=1, help="Longest answer in tokens.")]
SeedOption = Annotated[int, typer.Option(min=0, help="The same seed gives the same answer.")]


def generate(
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="What to ask; - reads it from the standard input.")],
    run: RunArgument = Path("runs/quickstart"),
    stage: StageOption = None,
    complete: Annotated[bool, typer.Option("--complete", help="Continue the text as code; no chat roles.")] = False,
    temperature: TemperatureOption = 0.0,
    max_new_tokens: TokensOption = 200,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Answer one prompt and end."""
    import sys

    from better_ai.data import Message
    from better_ai.pipeline.trained import load_trained

    text = sys.stdin.read() if prompt == "-" else prompt
    trained = load_trained(run, stage)
    tokens = trained.complete_tokens(text) if complete else trained.chat_tokens([Message(role="user", content=text)])
    sampling = {"temperature": temperature, "max_new_tokens": max_new_tokens, "seed": seed}
    if as_json:
        completion = trained.generate(tokens, **sampling)
        typer.echo(json.dumps({"model": trained.name, "prompt": text, **completion}, indent=2, ensure_ascii=False))
        return
    console = Console(stderr=True, highlight=False, emoji=False)
    console.print(f"[dim]{trained.name}[/]")
    for delta in trained.stream(tokens, **sampling):
        print_flushed(delta)
    print_flushed("\n")


def chat(
    run: RunArgument = Path("runs/quickstart"),
    stage: StageOption = None,
    temperature: TemperatureOption = 0.0,
    max_new_tokens: TokensOption = 200,
    seed: SeedOption = 0,
) -> None:
    """Talk with a model. An empty line or Ctrl-D ends, /new starts over."""
    import readline  # noqa: F401  (gives the prompt line editing and history)

    from better_ai.pipeline.trained import load_trained

    trained = load_trained(run, stage)
    console = Console(highlight=False, emoji=False)
    console.print(f"[bold]{trained.name}[/]\n[dim]{trained.description}\nAn empty line ends; /new starts over.[/]")
    sampling = {"temperature": temperature, "max_new_tokens": max_new_tokens, "seed": seed}
    history: list[Message] = []
    while (text := _ask(console)) is not None:
        if text == "/new":
            history.clear()
        else:
            history.extend(_turn(trained, history, text, sampling, console))


def _ask(console: Console) -> str | None:
    try:
        return console.input("[bold cyan]you>[/] ").strip() or None
    except EOFError:
        return None


def _turn(
    trained: "Trained", history: "list[Message]", text: str, sampling: dict[str, Any], console: Console
) -> "list[Message]":
    """One question and its answer, streamed; both are returned for the history. Ctrl-C ends the answer only."""
    from better_ai.data import Message
    from better_ai.errors import UserError

    question = Message(role="user", content=text)
    console.print(f"[bold green]{trained.stage}>[/] ", end="")
    try:
        answer = "".join(_echo(trained.stream(trained.chat_tokens([*history, question]), **sampling)))
    except UserError as error:
        console.print(f"[yellow]{error}[/] Type /new to start over.")
        return []
    except KeyboardInterrupt:
        console.print(" [yellow](stopped)[/]")
        return []
    console.print()
    return [question, Message(role="assistant", content=answer)]


def _echo(deltas: Iterator[str]) -> Iterator[str]:
    for delta in deltas:
        print_flushed(delta)
        yield delta


def print_flushed(text: str) -> None:
    typer.echo(text, nl=False)
