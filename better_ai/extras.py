"""Optional dependencies: imported where they are used, asked for by name when they are missing."""

import importlib
from typing import Any

from better_ai.errors import UserError


class MissingExtra(UserError):
    """A package that only an extra brings is not installed."""


def import_extra(module: str, extra: str) -> Any:
    """Import a module that an extra of this package brings. Raises MissingExtra that says how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtra(
            f"this needs the package {module.split('.')[0]}, which is not installed; "
            f"run: pip install 'better-ai[{extra}]'"
        ) from None
