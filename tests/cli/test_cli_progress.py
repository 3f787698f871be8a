"""How a run looks: bars where there is a terminal, lines that can be kept in a log where there is none."""

import io

from rich.console import Console

from better_ai.cli.progress import TerminalProgress


def drawn(*, terminal: bool) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=140, color_system=None, highlight=False)
    with TerminalProgress(console) as progress:
        progress.begin("data", 1, 2)
        progress.end("data", skipped=True, seconds=0.1)
        progress.begin("pretrain", 2, 2)
        progress.update(5, 20, loss="2.31", step_size="3e-4")
        progress.note("\x1b[32man example\x1b[0m [not markup]")
        progress.update(20, 20, loss="1.99")
        progress.end("pretrain", skipped=False, seconds=83)
    return output.getvalue()


def test_without_a_terminal_every_stage_is_a_plain_line() -> None:
    text = drawn(terminal=False)
    assert "1/2 data" in text
    assert "data was finished before" in text
    assert "pretrain done in 83 s" in text
    assert "an example [not markup]" in text
    assert "\x1b" not in text


def test_in_a_terminal_the_last_picture_shows_every_stage_with_its_figures() -> None:
    text = drawn(terminal=True)
    assert "finished before" in text
    assert "1:23" in text
    assert "loss 1.99" in text
    assert "100%" in text
