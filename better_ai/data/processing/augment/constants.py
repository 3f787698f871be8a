"""Literals in functions given a name at the top of the module.

A function then reads a global where it loaded a constant: the same object each time, as long as nobody assigns to the
new name, which is private and fresh. Left alone: docstrings, joined and f-strings, annotations, patterns, defaults and
decorators, operands of `is`, the numbers everybody writes out (-1, 0, 1, 2), and modules that look at their globals.
"""

import re
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from better_ai.data.processing.augment.rewrite import cst, parse_module, source

if TYPE_CHECKING:
    from libcst import BaseExpression

_WORD = re.compile(r"[^\W\d]\w*")
_LOOKS_AT_GLOBALS = re.compile(r"\b(?:globals|vars|dir|exec|eval|__dict__|locals)\b")
_PLAIN = frozenset(["0", "1", "2", "0.0", "1.0", "2.0"])
_UNTOUCHED = (
    "Annotation",
    "Match",
    "FormattedString",
    "ConcatenatedString",
    "Parameters",
    "Decorator",
)


def extract_constant(text: str, random: Random) -> str | None:
    """Name one literal and put the name wherever a function has it."""
    if _LOOKS_AT_GLOBALS.search(text) or (module := parse_module(text)) is None:
        return None
    literals = _Literals()
    module.visit(literals)
    if not literals.found:
        return None
    literal = random.choice(sorted(literals.found))
    name = _name(literal, frozenset(_WORD.findall(text)))
    written = module.visit(_Name(literals.nodes[literal], name))
    definition = cst.parse_module(f"{name} = {literal}\n").body[0]
    place = _after_imports(written)
    return written.with_changes(body=[*written.body[:place], definition, *written.body[place:]]).code


class _Literals(cst.CSTVisitor):
    """Which literals functions hold, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.nodes: dict[str, set[int]] = {}
        self._functions = 0

    def on_visit(self, node: "cst.CSTNode") -> bool:
        if type(node).__name__ in _UNTOUCHED:
            return False
        if isinstance(node, cst.FunctionDef):
            self._functions += 1
        return bool(super().on_visit(node))

    def leave_FunctionDef(self, original_node: "cst.FunctionDef") -> None:
        self._functions -= 1

    def visit_Expr(self, node: "cst.Expr") -> bool:
        return not isinstance(node.value, cst.SimpleString)

    def visit_Comparison(self, node: "cst.Comparison") -> bool:
        return not any(isinstance(each.operator, (cst.Is, cst.IsNot)) for each in node.comparisons)

    def visit_SimpleString(self, node: "cst.SimpleString") -> None:
        if 4 <= len(node.raw_value) <= 60 and "\n" not in node.value:
            self._add(node)

    def visit_Integer(self, node: "cst.Integer") -> None:
        self._add(node)

    def visit_Float(self, node: "cst.Float") -> None:
        self._add(node)

    def _add(self, node: "BaseExpression") -> None:
        literal = source(node.with_changes(lpar=[], rpar=[]))
        if self._functions and literal not in _PLAIN:
            self.found[literal] += 1
            self.nodes.setdefault(literal, set()).add(id(node))


class _Name(cst.CSTTransformer):
    """Puts a name in the place of nodes."""

    def __init__(self, nodes: set[int], name: str) -> None:
        super().__init__()
        self._nodes, self._name = nodes, name

    def leave_SimpleString(self, original_node: "cst.SimpleString", updated_node: "cst.SimpleString") -> Any:
        return self._named(original_node, updated_node)

    def leave_Integer(self, original_node: "cst.Integer", updated_node: "cst.Integer") -> Any:
        return self._named(original_node, updated_node)

    def leave_Float(self, original_node: "cst.Float", updated_node: "cst.Float") -> Any:
        return self._named(original_node, updated_node)

    def _named(self, original: "BaseExpression", updated: "BaseExpression") -> "BaseExpression":
        if id(original) not in self._nodes:
            return updated
        return cst.Name(self._name, lpar=updated.lpar, rpar=updated.rpar)


def _name(literal: str, taken: frozenset[str]) -> str:
    words = "_".join(re.findall(r"[A-Za-z0-9]+", literal))[:30].strip("_").upper()
    stem = f"_VALUE_{words}" if literal[0] in "0123456789." else f"_{words or 'TEXT'}"
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    return name


def _after_imports(module: "cst.Module") -> int:
    """The place behind the docstring and the first imports: before anything that could run a function."""
    place = 0
    for place, statement in enumerate(module.body):
        small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        docstring = place == 0 and isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString)
        if not docstring and not isinstance(small, (cst.Import, cst.ImportFrom)):
            return place
    return place
