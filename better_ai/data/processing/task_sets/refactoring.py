"""Refactoring: a function made harder to read by transformations that preserve what it does, and the original."""

from random import Random

from better_ai.config.data.processing import AugmenterName
from better_ai.data.processing.augment import StillPasses, augment
from better_ai.data.processing.conversations import Draft, exchange, fenced
from better_ai.data.processing.functions import FunctionText

_MESSING: dict[AugmenterName, str] = {
    "obscure": "gave the variables names that say what they hold",
    "nest_branches": "took code out of `else` branches that follow a return",
    "invert_branches": "put conditions and their branches in the natural order",
    "unroll_comprehensions": "built the list in a comprehension",
    "call_format": "used f-strings",
    "de_morgan": "stated the condition more directly",
    "conditionals": "wrote the choice between two values in the simpler form",
}
_LAYOUT: tuple[AugmenterName, ...] = ("spaces", "blank_lines", "line_breaks", "quotes")
_REQUESTS = (
    "Refactor this function so that it reads well. It has to behave as before.",
    "Clean up this Python code without changing what it does.",
    "Make this function easier to read; keep its behaviour.",
)


def refactor(function: FunctionText, random: Random, still_passes: StillPasses | None = None) -> Draft | None:
    """At least one change of structure or names; the answer says what was done about each.

    `still_passes` is asked whether a text of the function does what it did.
    """
    messy = augment(function.text, tuple(_MESSING), random, most=3, still_passes=still_passes)
    if messy is None:
        return None
    worse = augment(messy.text, _LAYOUT, random, most=1, still_passes=still_passes) or messy
    request = f"{random.choice(_REQUESTS)}\n\n{fenced(function.below_imports(worse.text))}"
    done = [_MESSING[name] for name in reversed(messy.applied)]
    told = ", ".join(done[:-1]) + (" and " if len(done) > 1 else "") + done[-1]
    answer = f"{fenced(function.with_imports)}\n\nI {told}; what the function does is unchanged."
    applied = [*messy.applied, *(worse.applied if worse is not messy else ())]
    return Draft(exchange(request, answer), {"function": function.name, "augmenters": applied})
