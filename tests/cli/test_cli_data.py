"""The commands of the data engine under the hands of a stranger, on folders and documents with hostile names."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from better_ai.cli.main import app
from better_ai.cli.text import harmless, plain
from better_ai.errors import UserError

ESCAPE = "\x1b[2J"
ODD = f"[/bold] [red]{ESCAPE}<script>alert(1)</script>"
PLACE = "[x] it's *?"
RUNS = "[y] runs *?"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus in a folder, and of a source, whose names are markup and pattern."""
    pytest.importorskip("duckdb")
    monkeypatch.chdir(tmp_path)
    sources = Path(PLACE)
    sources.mkdir()
    rows = [
        {"text": f"{ODD} row {number} is like no other row, since it has the number {number * 7919}", "language": ODD}
        for number in range(12)
    ]
    (sources / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in [*rows, {"text": "short"}, {"no": ODD}]))
    source = {"type": "huggingface", "id": ODD, "path": PLACE, "text": "text", "language": ODD, "license": "MIT"}
    recipe = {"sources": [source], "validation_fraction": 0.3, "executor": {"workers": 1}}
    Path("odd.yaml").write_text(json.dumps({"name": "odd", **recipe}))
    built = invoke("data", "build", "odd.yaml", "--runs", RUNS)
    assert f"the corpus is in {RUNS}/odd/data" in built
    return Path(RUNS, "odd")


def invoke(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    assert "\x1b" not in result.output
    return result.stdout


def test_names_are_shown_as_they_are_and_not_obeyed(run: Path) -> None:
    sampled = invoke("data", "inspect", str(run), "--sample", "3")
    assert "[/bold] [red]\\x1b[2J<script>" in sampled
    rejected = invoke("data", "inspect", str(run), "--sample", "3", "--rejected", "--stats")
    assert "field" in rejected or "column text" in rejected
    assert f"report: {run}/report.html" in invoke("data", "inspect", str(run))
    report = (run / "report.html").read_text()
    assert "&lt;script&gt;alert(1)" in report and "<script>alert(1)" not in report


def test_json_is_json_and_nothing_else(run: Path) -> None:
    inspected = json.loads(invoke("data", "inspect", str(run), "--json"))
    assert sum(count["documents"] for count in inspected["splits"]) == 12
    assert json.loads(invoke("data", "build", "odd.yaml", "--runs", RUNS, "--json"))["kept"] == 12
    shards = json.loads(invoke("data", "preprocess", "--dataset", f"{PLACE}:train:text", "--output-dir", "o", "--json"))
    assert shards[0]["documents"] == 13
    [row, *_] = json.loads(invoke("data", "inspect", str(run), "--sample", "1", "--json"))["samples"]
    taken = json.loads(invoke("data", "takedown", str(run), "--match", f"id={row['id']}", "--json"))
    assert sum(taken["documents"].values()) == 1


@pytest.mark.parametrize("command", [("takedown", "--match", "source=*x"), ("process",), ("inspect",)])
def test_a_folder_that_is_no_run_is_refused_and_left_alone(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other").mkdir()
    for name in ("missing", "other"):
        with pytest.raises(UserError, match=f"{name}.* corpus"):
            invoke("data", command[0], name, *command[1:])
    assert list(tmp_path.rglob("*")) == [tmp_path / "other"]


def test_a_takedown_of_nothing_changes_nothing(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="nothing was changed"):
        invoke("data", "takedown", str(run), "--match", "source=nobody/*")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_text_of_unknown_origin_stays_text() -> None:
    assert plain("a\nb\tc\r\x7f\x9b[b]") == "a\\nb\\tc\\x0d\\x7f\\x9b\\[b]"
    assert harmless("a\n\tb\x00") == "a\n\tb\\x00"
