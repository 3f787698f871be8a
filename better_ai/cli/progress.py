"""How a run looks in the terminal: a bar per stage with ETA and figures; plain lines where there is no terminal."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from better_ai.pipeline.stage import Progress as StageProgress

PLAIN_EVERY_SECONDS = 15.0

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended."""

T = TypeVar("T")


@contextmanager
def stopping(next_time: str = "The same command continues from here.") -> Iterator[None]:
    """Let Ctrl-C end the command with what the same command will do `next_time`."""
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True, highlight=False, emoji=False).print(f"[yellow]Stopped.[/] {next_time}")
        raise typer.Exit(INTERRUPTED) from None


def with_progress(work: Callable[["StageProgress"], T], console: Console, *, silent: bool) -> T:
    """Do resumable work with bars on the console, or in silence; Ctrl-C ends the command."""
    from better_ai.pipeline.stage import Silent

    with stopping():
        if silent:
            return work(Silent())
        with TerminalProgress(console) as progress:
            return work(progress)


def counting(console: Console, what: str, items: Iterable[T]) -> Iterator[T]:
    """Pass items on while a line tells how many there were; for streams whose length nobody knows."""
    if not console.is_terminal:
        yield from items
        return
    count, shown = 0, 0.0
    with console.status(f"{what} ...") as status:
        for item in items:
            count += 1
            if time.monotonic() - shown > 0.2:
                shown = time.monotonic()
                status.update(f"{what}: {count:,}")
            yield item


class _Elapsed(ProgressColumn):
    """Seconds a stage has taken; nothing for one that was found finished."""

    def render(self, task: Task) -> Text:
        if task.fields.get("skipped"):
            return Text("finished before", style="dim")
        seconds = task.fields.get("seconds") or task.elapsed or 0.0
        return Text(f"{int(seconds) // 60:d}:{int(seconds) % 60:02d}", style="cyan")


class TerminalProgress:
    """Bars in a terminal, one line every few seconds elsewhere. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bars = Progress(
            TextColumn("{task.fields[position]}", style="dim"),
            TextColumn("[bold]{task.description}", justify="left"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%"),
            _Elapsed(),
            TextColumn("eta"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[figures]}", style="green"),
            console=console,
        )
        self.task: TaskID | None = None
        self.stage = ""
        self.printed = 0.0

    def __enter__(self) -> "TerminalProgress":
        if self.console.is_terminal:
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.bars.stop()

    def begin(self, stage: str, position: int, count: int) -> None:
        self.stage, self.printed = stage, time.monotonic()
        label = f"{position}/{count}"
        self.task = self.bars.add_task(stage, total=None, position=label, figures="", skipped=False, seconds=None)
        if not self.console.is_terminal:
            self.console.print(f"{label} {stage}")

    def update(self, completed: float, total: float, **fields: str) -> None:
        assert self.task is not None, "begin comes first"
        figures = "  ".join(f"{name.replace('_', ' ')} {text}" for name, text in fields.items())
        self.bars.update(self.task, completed=completed, total=total, figures=figures)
        if not self.console.is_terminal and time.monotonic() - self.printed >= PLAIN_EVERY_SECONDS:
            self.printed = time.monotonic()
            self.console.print(f"    {self.stage} {completed / total:4.0%}  {figures}", highlight=False)

    def note(self, text: str) -> None:
        self.console.print(Text.from_ansi(text))

    def end(self, stage: str, *, skipped: bool, seconds: float) -> None:
        assert self.task is not None, "begin comes first"
        total = self.bars.tasks[self.task].total or 1
        self.bars.update(self.task, total=total, completed=total, skipped=skipped, seconds=seconds)
        self.bars.stop_task(self.task)
        if not self.console.is_terminal:
            self.console.print(f"    {stage} {'was finished before' if skipped else f'done in {seconds:.0f} s'}")
