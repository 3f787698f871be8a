"""`better-ai lineage`: what was made from what."""

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from better_ai.artifacts import lineage as read_lineage
from better_ai.cli.options import JsonOption, RunArgument


def lineage(
    run: RunArgument = Path("runs/quickstart"),
    verify: bool = typer.Option(False, "--verify", help="Re-hash every file and stop at the first that differs."),
    as_json: JsonOption = False,
) -> None:
    """Print the graph of a run: each stage, its content id, and the stages it was made from."""
    nodes = read_lineage(run)
    if verify:
        for node in nodes:
            node.manifest.verify(node.folder)
    if as_json:
        graph = [
            {"name": node.name, "content_id": node.manifest.content_id, "inputs": node.manifest.inputs}
            for node in nodes
        ]
        typer.echo(json.dumps(graph, indent=2))
        return
    table = Table("stage", "content id", "made from", "files", title=str(run))
    table.add_column("bytes", justify="right", no_wrap=True)
    for node in nodes:
        size = sum(record.bytes for record in node.manifest.files.values())
        content, parents = node.manifest.content_id[:12], ", ".join(node.parents) or "-"
        table.add_row(node.name, content, parents, str(len(node.manifest.files)), f"{size:,}")
    console = Console(highlight=False, emoji=False)
    console.print(table)
    if verify:
        console.print(f"[green]{sum(len(node.manifest.files) for node in nodes)} files match their manifests.[/]")
