"""`better-ai config`: recipes, checked and shown whole."""

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from better_ai.cli.options import JsonOption, SetOption
from better_ai.config import load_recipe

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(
    recipe: Annotated[Path, typer.Argument(help="A recipe such as recipes/quickstart.yaml.")],
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a recipe with `extends`, presets, overrides and defaults resolved."""
    values = load_recipe(recipe, overrides or ()).model_dump(mode="json")
    typer.echo(json.dumps(values, indent=2) if as_json else yaml.safe_dump(values, sort_keys=False).rstrip())
