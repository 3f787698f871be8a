"""Docstrings of functions written in another style.

Changes `__doc__` and nothing else, so a text that reads `__doc__` is left alone, and so are docstrings whose
parameters are not those of their function.
"""

import ast
from random import Random
from textwrap import indent

from better_ai.data.processing.docstrings import STYLES, parse, render
from better_ai.data.processing.equivalence import same_tree_but_docstrings
from better_ai.data.processing.source import FUNCTIONS, Edit, Source, docstring_node


def change_docstring_style(text: str, random: Random) -> str | None:
    """One style for all docstrings with sections."""
    if "__doc__" in text:
        return None
    try:
        source = Source(text)
    except ValueError:
        return None
    target = random.choice(STYLES)
    others = [style for style in STYLES if style != target]
    for style in [target, *random.sample(others, len(others))]:
        edits = [edit for node in ast.walk(source.tree) if (edit := _restyled(source, node, style))]
        if edits:
            written = source.edited(edits)
            return written if same_tree_but_docstrings(text, written) else None
    return None


def _restyled(source: Source, node: ast.AST, style: str) -> Edit | None:
    statement = docstring_node(node)
    if not isinstance(node, FUNCTIONS) or statement is None:
        return None
    start, stop = source.span(statement)
    if not source.data[:start].rpartition(b"\n")[2].isspace():
        return None
    docstring, found = parse(ast.get_docstring(node) or "")
    if found in (None, style) or not {entry.name.lstrip("*") for entry in docstring.parameters} <= parameters(node):
        return None
    written = render(docstring, next(each for each in STYLES if each == style))
    if written is None:
        return None
    return start, stop, docstring_literal(written, source.segment(start - statement.col_offset, start))


def parameters(node: ast.AST) -> set[str]:
    """The names of a function's parameters."""
    assert isinstance(node, FUNCTIONS)
    return {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}


def docstring_literal(text: str, margin: str) -> str:
    """A docstring as it stands in code whose lines begin with `margin`."""
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if "\n" not in escaped:
        tail = '\\"' if escaped.endswith('"') else escaped[-1:]
        return f'"""{escaped[:-1]}{tail}"""'
    first, _, rest = escaped.partition("\n")
    return f'"""{first}\n{indent(rest, margin)}\n{margin}"""'
