"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override one value of the recipe: key.key=value. May be repeated.", metavar="KEY=VALUE"
    ),
]
RunsOption = Annotated[Path, typer.Option("--runs", help="The folder that holds run folders.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
RunArgument = Annotated[Path, typer.Argument(help="A run folder.")]
