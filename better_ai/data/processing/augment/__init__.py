"""Augmentation: variants of a Python text that mean the same.

An augmenter is a pure function of a text and a random generator. It gives a text that parses and differs from the one
before, or None where it finds nothing to change. Each module says under which conditions its augmenters preserve what
a program does.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from better_ai.config.data.processing import AugmenterName

Augmenter = Callable[[str, Random], str | None]

StillPasses = Callable[[str], bool]
"""Text -> whether its tests pass. Whoever asks runs them, in a jail."""

_HOMES: dict[AugmenterName, str] = {
    "quotes": "layout.change_quotes",
    "blank_lines": "layout.change_blank_lines",
    "indentation": "layout.change_indentation",
    "line_breaks": "layout.wrap_lines",
    "spaces": "layout.change_spaces",
    "docstring_style": "docstring_style.change_docstring_style",
    "rename": "names.rename_variables",
    "obscure": "names.obscure_variables",
    "invert_branches": "branches.invert_branches",
    "de_morgan": "branches.apply_de_morgan",
    "return_early": "branches.return_early",
    "nest_branches": "branches.nest_branches",
    "conditionals": "branches.convert_conditionals",
    "unroll_comprehensions": "loops.unroll_comprehensions",
    "collect_in_comprehensions": "loops.collect_in_comprehensions",
    "call_format": "strings.call_format",
    "use_f_strings": "strings.use_f_strings",
    "extract_constant": "constants.extract_constant",
}
AUGMENTERS = tuple(_HOMES)


def augmenter(name: AugmenterName) -> Augmenter:
    """The augmenter of this name. Raises UserError where libcst, which some are built on, is not installed."""
    module, function = _HOMES[name].split(".")
    found: Augmenter = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return found


@dataclass(frozen=True)
class Augmented:
    """A variant of a text, and what made it."""

    text: str
    applied: tuple[AugmenterName, ...]


def augment(
    text: str, names: Sequence[AugmenterName], random: Random, *, most: int, still_passes: StillPasses | None = None
) -> Augmented | None:
    """Apply up to `most` of the named augmenters, in random order, one to the result of the other.

    A result that `still_passes` refuses is dropped, and the text before it is used further. None where none applied.
    """
    applied: list[AugmenterName] = []
    for name in random.sample(list(names), len(names)):
        if len(applied) == most:
            break
        written = augmenter(name)(text, random)
        if written is None or (still_passes is not None and not still_passes(written)):
            continue
        text = written
        applied.append(name)
    return Augmented(text, tuple(applied)) if applied else None
