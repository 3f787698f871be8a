"""Completion: a function up to the border of a statement, and the rest of it."""

import ast
from random import Random

from better_ai.data.processing.conversations import Draft, exchange, fenced
from better_ai.data.processing.functions import FunctionText

_REQUESTS = (
    "Complete this Python function. Answer with the rest of it, nothing else.",
    "Continue this Python code where it breaks off, to the end of the function.",
    "The following function is unfinished. Write what is missing.",
)


def complete(function: FunctionText, random: Random) -> Draft | None:
    """The answer is what follows the border, byte for byte."""
    cuts = borders(function)
    if not cuts:
        return None
    cut = random.choice(cuts)
    data = function.source.data
    begun, rest = function.below_imports(data[:cut].decode()), data[cut:].decode()
    request = f"{random.choice(_REQUESTS)}\n\n{fenced(begun)}"
    return Draft(exchange(request, fenced(rest)), {"function": function.name, "cut_byte": cut})


def borders(function: FunctionText) -> list[int]:
    """Where statements begin that are the first on their lines, behind the docstring; the starts of those lines."""
    found = set()
    for statement in function.statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.stmt):
                decorators = getattr(node, "decorator_list", [])
                line = min([node.lineno, *(decorator.lineno for decorator in decorators)])
                start = function.source.line_start(line)
                column = function.source.span(node)[0] if not decorators else start
                if not function.source.data[start:column].strip():
                    found.add(start)
    return sorted(found)
