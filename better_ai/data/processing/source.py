"""A Python text with its syntax tree, and edits at the places of nodes. Places are offsets in UTF-8 bytes."""

import ast
from collections.abc import Iterable

from better_ai.data.processing.equivalence import parse

Span = tuple[int, int]
"""Start and stop, in bytes."""

Edit = tuple[int, int, str]
"""Start and stop, in bytes, and what stands there instead."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Source:
    """A text that parses. Raises ValueError for one that does not, or that ends lines by carriage returns."""

    def __init__(self, text: str) -> None:
        tree = parse(text)
        if tree is None or "\r" in text:
            raise ValueError("not a Python text with plain line ends")
        self.text, self.tree, self.data = text, tree, text.encode()
        self._starts = [0]
        for line in self.data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def span(self, node: ast.stmt | ast.expr | ast.arg | ast.keyword | ast.excepthandler) -> Span:
        """Where a node stands."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[node.end_lineno - 1] + node.end_col_offset

    def line_start(self, line: int) -> int:
        """Where the line of this number, from 1, begins."""
        return min(self._starts[line - 1], len(self.data))

    def segment(self, start: int, stop: int) -> str:
        """The text between two places."""
        return self.data[start:stop].decode()

    def of(self, node: ast.stmt | ast.expr) -> str:
        """The text of a node."""
        return self.segment(*self.span(node))

    def edited(self, edits: Iterable[Edit]) -> str:
        """The text after edits that do not overlap."""
        pieces, done = [], 0
        for start, stop, new in sorted(edits):
            assert done <= start <= stop, "edits overlap"
            pieces += [self.data[done:start], new.encode()]
            done = stop
        return b"".join([*pieces, self.data[done:]]).decode()


def docstring_node(node: ast.AST) -> ast.Expr | None:
    """The statement that is the docstring of a module, class or function."""
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first
    return None
