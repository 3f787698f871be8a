"""The docstrings of a Python module, each with the name and signature of what it documents."""

import ast
import inspect
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Docstring:
    """What one definition says of itself."""

    name: str
    """Qualified within the module; empty for the module itself."""
    text: str
    """Signature as Python, then the docstring without its indentation."""


def docstrings(source: str) -> Iterator[Docstring]:
    """Those of a module, in the order of the source. Raises ValueError when it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"is no Python this interpreter can parse: {error}") from None
    yield from _below(tree, "")


def _below(node: ast.AST, name: str) -> Iterator[Docstring]:
    """Depth is that of definitions in definitions, which the parser's own limit on indentation bounds to 100."""
    if isinstance(node, Documented) and (text := ast.get_docstring(node, clean=False)):
        signature = _signature(node, name)
        yield Docstring(name, f"{signature}{inspect.cleandoc(text)}\n")
    for child in getattr(node, "body", []):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _below(child, f"{name}.{child.name}" if name else child.name)


def _signature(node: Documented, name: str) -> str:
    try:
        if isinstance(node, ast.Module):
            return ""
        if isinstance(node, ast.ClassDef):
            bases = ", ".join(ast.unparse(base) for base in node.bases)
            return f"```python\nclass {name}({bases})\n```\n\n" if bases else f"```python\nclass {name}\n```\n\n"
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        return f"```python\n{keyword} {name}({ast.unparse(node.args)}){returns}\n```\n\n"
    except (RecursionError, ValueError):
        return f"```python\n{name}\n```\n\n"
