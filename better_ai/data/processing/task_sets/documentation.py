"""Documentation: a function without its docstring, and the docstring."""

from random import Random

from better_ai.data.processing.augment.docstring_style import docstring_literal
from better_ai.data.processing.conversations import Draft, exchange, fenced
from better_ai.data.processing.docstrings import STYLES, Style, render
from better_ai.data.processing.functions import FunctionText
from better_ai.data.processing.source import docstring_node

_NAMES: dict[Style, str] = {"google": "Google", "numpy": "NumPy", "rest": "reStructuredText", "plain": "plain list"}
_REQUESTS = (
    "Write the docstring of this function.",
    "Document this Python function with a docstring.",
    "Which docstring should this function have?",
)
_LEAST_WORDS = 3


def document(function: FunctionText, random: Random) -> Draft | None:
    """A docstring with sections is asked for in a random style and given in it; its text is the original's."""
    docstring = function.docstring
    undocumented = without_docstring(function)
    if docstring is None or undocumented is None or len(docstring.summary.split()) < _LEAST_WORDS:
        return None
    request, style = random.choice(_REQUESTS), None
    written: str | None = "\n".join(filter(None, [docstring.prose, docstring.epilogue]))
    if docstring.has_sections:
        style = random.choice(STYLES)
        written = render(docstring, style)
        request += f" Use the {_NAMES[style]} style."
    if not written:
        return None
    request += f"\n\n{fenced(function.below_imports(undocumented))}"
    facts = {"function": function.name, "style": style}
    return Draft(exchange(request, fenced(docstring_literal(written, ""))), facts)


def without_docstring(function: FunctionText) -> str | None:
    """The function without its docstring; None where it has none, or nothing else, or shares its lines."""
    statement = docstring_node(function.node)
    if statement is None or not function.statements:
        return None
    source = function.source
    assert statement.end_lineno is not None
    start, stop = source.line_start(statement.lineno), source.line_start(statement.end_lineno + 1)
    if source.segment(start, stop).strip() != source.of(statement).strip():
        return None
    while source.data[stop : stop + 1] == b"\n":
        stop += 1
    return source.edited([(start, stop, "")])
