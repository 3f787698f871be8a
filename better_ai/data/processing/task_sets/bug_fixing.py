"""Bug fixing: a function with a bug put into it, and the function without."""

from collections.abc import Callable
from random import Random

from better_ai.data.processing.conversations import Draft, exchange, fenced
from better_ai.data.processing.functions import FunctionText
from better_ai.data.processing.mutation import mutate

Passes = Callable[[str, str], bool]
"""Program and tests (assertions that follow it) -> whether it ran to the end. Whoever asks runs them, in a jail."""

_REQUESTS = (
    "This Python function has a bug. Find it and fix it.",
    "Something is wrong in this function. What is it, and how does it have to be?",
    "Debug this Python function.",
)
_ATTEMPTS = 8


def passing_examples(function: FunctionText, passes: Passes | None) -> str:
    """The function's examples as assertions, if somebody can run them and they hold; else nothing."""
    tests = function.examples if passes else ""
    return tests if tests and passes and passes(function.document.text, tests) else ""


def fix_bug(function: FunctionText, random: Random, passes: Passes | None, *, verified_only: bool) -> Draft | None:
    """With tests in the docstring and someone to run them, only a mutant that fails where the original passes."""
    tests = passing_examples(function, passes)
    if verified_only and not tests:
        return None
    for attempt, mutation in enumerate(mutate(function.source, random)):
        if attempt == _ATTEMPTS:
            return None
        if tests and passes and passes(function.in_document(mutation.text), tests):
            continue
        request = f"{random.choice(_REQUESTS)}\n\n{fenced(function.below_imports(mutation.text))}"
        if tests:
            request += f"\n\nThese tests fail:\n\n{fenced(tests)}"
        answer = f"{mutation.fix}\n\n{fenced(function.with_imports)}"
        facts = {"function": function.name, "operator": mutation.operator, "verified": bool(tests)}
        return Draft(exchange(request, answer), facts)
    return None
