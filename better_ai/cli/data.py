"""`better-ai data`: build corpora, look into them, take documents out, make shards of data sets and conversations."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from better_ai.cli.options import JsonOption, RunArgument, RunsOption, SetOption
from better_ai.cli.text import harmless, plain

if TYPE_CHECKING:
    from better_ai.data.inspection import Count, Inspection

app = typer.Typer(no_args_is_help=True)

RecipeArgument = Annotated[Path, typer.Argument(help="A data recipe such as recipes/data/machine.yaml.")]
SHOWN_CHARACTERS = 600
SHOWN_REASON = 160


@app.command()
def build(
    recipe: RecipeArgument,
    on: Annotated[
        Literal["local", "ray"] | None, typer.Option(help="Who does the work: processes here, or a Ray cluster.")
    ] = None,
    overrides: SetOption = None,
    runs: RunsOption = Path("runs"),
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Look whether the sources have changed since an earlier build.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the corpus of a recipe in runs/NAME/data; a finished one is found, an interrupted one goes on."""
    from better_ai.config import load_data_recipe

    chosen = [f"executor.type={on}"] if on else []
    loaded = load_data_recipe(recipe, [*chosen, *(overrides or ())])

    from better_ai.cli.progress import with_progress
    from better_ai.data.engine import leave_pandas_out
    from better_ai.pipeline.data_job import forget_sources, run_data_recipe

    leave_pandas_out()
    console = Console(highlight=False, emoji=False)
    run = runs / loaded.name
    if refresh:
        forget_sources(run)
    manifest = with_progress(lambda progress: run_data_recipe(loaded, runs, progress=progress), console, silent=as_json)
    stats = manifest.metrics["corpus"]
    if as_json:
        typer.echo(json.dumps({"run": str(run), "content_id": manifest.content_id, **stats}, indent=2))
        return
    _print_stats(console, stats)
    for problem in stats["problems"]:
        console.print(f"[yellow]not read:[/] {plain(problem)}", soft_wrap=True)
    console.print(f"content id {manifest.content_id[:16]}; the corpus is in {plain(run / 'data')}", soft_wrap=True)
    console.print(f"next:   better-ai data inspect {plain(run)}", soft_wrap=True)


@app.command()
def inspect(
    run: RunArgument,
    rejected: Annotated[bool, typer.Option("--rejected", help="Show what was turned away instead.")] = False,
    sample: Annotated[int, typer.Option(min=0, help="Show so many documents (with --rejected: of each step).")] = 0,
    stats: Annotated[bool, typer.Option("--stats", help="Print all counts, also when samples are shown.")] = False,
    report: Annotated[Path | None, typer.Option(help="Where the HTML report goes; default: RUN/report.html.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Count a corpus by source, language, licence and reason of rejection, show samples, write an HTML report."""
    from better_ai.data.inspection import CorpusView
    from better_ai.pipeline.corpus_report import REPORT, write_corpus_report

    console = Console(highlight=False, emoji=False)
    samples: list[dict[str, Any]] = []
    if sample:
        with CorpusView(run / "data") as view:
            samples = view.sample_rejected(sample) if rejected else view.sample(sample)
    inspection = None
    if stats or not sample:
        page = report or run / REPORT
        inspection = write_corpus_report(run / "data", page)
    if as_json:
        counts = asdict(inspection) if inspection else {}
        typer.echo(json.dumps({**counts, "samples": samples}, indent=2, ensure_ascii=False))
        return
    for row in samples:
        _print_sample(console, row)
    if inspection:
        _print_inspection(console, inspection, rejected=rejected)
        console.print(f"[bold]report:[/] {plain(page)}", soft_wrap=True)


@app.command()
def takedown(
    run: RunArgument,
    match: Annotated[
        list[str] | None,
        typer.Option(help="column=pattern, such as 'source=github.com/someone/*'. May be repeated.", metavar="PATTERN"),
    ] = None,
    ids: Annotated[Path | None, typer.Option(help="A file with ids of documents, one a line.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Drop documents for good: shards are rewritten, copies purged, and everything made from them is listed."""
    from better_ai.data.takedown import Pattern, Takedown, read_ids
    from better_ai.errors import UserError
    from better_ai.pipeline.takedown import take_down

    if not match and ids is None:
        raise UserError("nothing is named; give --match 'source=...' or --ids FILE")
    request = Takedown(
        tuple(Pattern.parse(text) for text in match or ()), read_ids(ids) if ids is not None else frozenset()
    )
    done = take_down(run, request, run.parent)
    stale = [{"folder": str(folder), "content_id": manifest.content_id} for folder, manifest in done.stale]
    if as_json:
        purged = [str(folder) for folder in done.purged]
        typer.echo(json.dumps({"documents": done.documents, "purged": purged, "stale": stale}, indent=2))
        return
    console = Console(highlight=False, emoji=False)
    console.print(
        f"{sum(done.documents.values()):,} documents are gone from {len(done.documents)} shards of {plain(run)}",
        soft_wrap=True,
    )
    for shard, count in done.documents.items():
        console.print(f"  {shard}: {count:,}")
    for folder in done.purged:
        console.print(f"copies purged: {plain(folder)}", soft_wrap=True)
    if not stale:
        console.print("Nothing was made from them.")
        return
    console.print(f"[yellow]{len(stale)} artifacts were made from them[/] and stay as they are until they are rebuilt:")
    for artifact in stale:
        console.print(f"  {artifact['content_id'][:12]}  {plain(artifact['folder'])}", soft_wrap=True)


@app.command()
def preprocess(
    dataset: Annotated[
        list[str],
        typer.Option(help="ID[:CONFIG]:SPLIT:COLUMN, where ID is a name on the Hub or a folder. May be repeated."),
    ],
    output_dir: Annotated[Path, typer.Option(help="Shards go to OUTPUT_DIR/DATASET/SPLIT/shard-00000.parquet.")],
    shard_size: Annotated[int, typer.Option(min=1, help="Documents in a shard.")] = 2000,
    as_json: JsonOption = False,
) -> None:
    """Make Parquet shards of data sets; finished shards are kept, so the same command goes on after a stop."""
    from better_ai.cli.progress import stopping
    from better_ai.data.preprocess import preprocess as preprocess_datasets

    errors = Console(stderr=True, highlight=False, emoji=False)
    with errors.status("reading ...") as status:

        def on_progress(name: str, documents: int, turned_away: int) -> None:
            status.update(f"{plain(name)}: {documents:,} documents, {turned_away:,} turned away")

        with stopping():
            result = preprocess_datasets(dataset, output_dir, shard_size=shard_size, on_progress=on_progress)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in result.datasets], indent=2, default=str))
    else:
        _print_preprocessed(Console(highlight=False, emoji=False), result.datasets)
    if any(each.problem for each in result.datasets):
        raise typer.Exit(1)


@app.command()
def process(
    run: RunArgument,
    overrides: SetOption = None,
    verify: Annotated[
        bool, typer.Option(help="Run the examples of docstrings in the jail, so that planted bugs are known to fail.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Turn the training documents of a run into conversations: completion, bug fixing, refactoring, documentation."""
    from better_ai.cli.progress import with_progress
    from better_ai.config import SandboxConfig
    from better_ai.config.data import ProcessingConfig
    from better_ai.config.reading import apply_override
    from better_ai.pipeline.conversations_job import NAME, build_conversations

    values: dict[str, Any] = {}
    for override in overrides or ():
        apply_override(values, override)
    config = ProcessingConfig.parse(values, where="processing")
    sandbox = SandboxConfig() if verify else None
    console = Console(highlight=False, emoji=False)
    manifest = with_progress(
        lambda progress: build_conversations(run, config, sandbox=sandbox, progress=progress), console, silent=as_json
    )
    stats = manifest.metrics[NAME]
    if as_json:
        typer.echo(json.dumps({"content_id": manifest.content_id, **stats}, indent=2))
        return
    table = Table("task set", title=f"conversations of {stats['documents']:,} documents")
    for title in ("made", "kept"):
        table.add_column(title, justify="right")
    for task, count in stats["made"].items():
        table.add_row(task, f"{count:,}", f"{stats['kept'].get(task, 0):,}")
    console.print(table)
    console.print(
        f"{stats['single_turn']:,} with one turn, {stats['multi_turn']:,} with several; in {plain(run / NAME)}",
        soft_wrap=True,
    )


@app.command()
def tokenize(
    run: RunArgument,
    tokenizer: Annotated[Path, typer.Option(help="The folder of a tokenizer.")],
    hdf5: Annotated[bool, typer.Option("--hdf5", help="Also write one HDF5 file for each split.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Turn the corpus of a run into token shards in RUN/tokens, memory-mapped by training."""
    from better_ai.cli.progress import with_progress
    from better_ai.pipeline.tokens_job import NAME, tokenize_corpus

    console = Console(highlight=False, emoji=False)
    manifest = with_progress(
        lambda progress: tokenize_corpus(run, tokenizer, hdf5=hdf5, workers=workers, progress=progress),
        console,
        silent=as_json,
    )
    figures = manifest.metrics[NAME]
    if as_json:
        typer.echo(json.dumps({"content_id": manifest.content_id, **figures}, indent=2))
        return
    for split, counts in figures.items():
        size = f"{counts['bytes'] / counts['tokens']:.2f} bytes each"
        console.print(f"{split}: {counts['tokens']:,} tokens of {counts['documents']:,} documents, {size}")
    console.print(f"in {plain(run / NAME)}", soft_wrap=True)


def _print_preprocessed(console: Console, datasets: Any) -> None:
    for each in datasets:
        if each.problem:
            console.print(f"[yellow]{plain(each.dataset)}:[/] {plain(each.problem)}", soft_wrap=True)
        else:
            counts = f"{each.documents:,} documents in {each.shards:,} shards, {each.rejected:,} turned away"
            console.print(f"{plain(each.folder)}: {counts}", soft_wrap=True)


def _print_stats(console: Console, stats: Mapping[str, Any]) -> None:
    table = Table("documents", title="the corpus")
    table.add_column("count", justify="right")
    table.add_row("collected", f"{stats['collected']:,}", end_section=True)
    for step, count in sorted(stats["rejected"].items(), key=lambda item: -item[1]):
        table.add_row(f"turned away: {step}", f"{count:,}")
    if stats.get("stripped"):
        table.add_row("common header cut off", f"{stats['stripped']:,}")
    table.add_section()
    for split in ("train", "validation"):
        size = stats[f"{split}_bytes"] / 1e6
        table.add_row(f"kept: {split} ({size:,.1f} MB)", f"{stats[f'{split}_documents']:,}")
    console.print(table)


def _print_inspection(console: Console, inspection: "Inspection", *, rejected: bool) -> None:
    if rejected:
        table = Table("step", "reason")
        table.add_column("documents", justify="right")
        for row in inspection.rejected:
            table.add_row(row.step, plain(_shortened(row.reason)), f"{row.documents:,}")
        console.print(table)
        return
    groups: dict[str, tuple[Count, ...]] = {
        "split": inspection.splits,
        "source": inspection.origins,
        "language": inspection.languages,
        "licence": inspection.licenses,
    }
    for title, counts in groups.items():
        table = Table(title)
        for column in ("documents", "MB"):
            table.add_column(column, justify="right")
        for count in counts:
            table.add_row(plain(count.name), f"{count.documents:,}", f"{count.bytes / 1e6:,.1f}")
        console.print(table)


def _print_sample(console: Console, row: Mapping[str, Any]) -> None:
    if "content" not in row:
        console.print(f"[bold]{plain(row['step'])}[/]  {plain(row['source'])}", soft_wrap=True)
        console.print(f"    {plain(row['reason'])}", soft_wrap=True)
        return
    quality = "" if row["quality_score"] is None else f", quality {row['quality_score']:.2f}"
    console.rule(f"{plain(row['source'])} ({plain(row['language'])}, {plain(row['license'])}{quality})", align="left")
    console.print(f"id {row['id']}", style="dim")
    content = row["content"]
    console.print(Syntax(harmless(content[:SHOWN_CHARACTERS]), row["language"], background_color="default"))
    if len(content) > SHOWN_CHARACTERS:
        console.print(f"... {len(content) - SHOWN_CHARACTERS:,} more characters", style="dim")


def _shortened(reason: str) -> str:
    return reason if len(reason) <= SHOWN_REASON else f"{reason[:SHOWN_REASON]} ..."
