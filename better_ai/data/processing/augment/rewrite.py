"""What all augmenters built on libcst share: parsing, and a rewriter that takes a random share of its sites."""

from random import Random
from typing import TYPE_CHECKING

from better_ai.data.processing.equivalence import parse
from better_ai.extras import import_extra

if TYPE_CHECKING:
    import libcst as cst
else:
    cst = import_extra("libcst", "data")

_SHARE = 0.5

SPACE = cst.SimpleWhitespace(" ")


class Rewriter(cst.CSTTransformer):
    """Visits a module and rewrites some of the sites it finds; subclasses ask `take` at each."""

    def __init__(self, random: Random, share: float) -> None:
        super().__init__()
        self.sites = self.taken = 0
        self._random, self._share = random, share

    def take(self) -> bool:
        """Whether to rewrite the site at hand."""
        self.sites += 1
        taken = self._random.random() < self._share
        self.taken += taken
        return taken


def rewrite(text: str, random: Random, kind: type[Rewriter]) -> str | None:
    """Rewrite about half of the sites and at least one; None where there is none."""
    module = parse_module(text)
    if module is None:
        return None
    for share in (_SHARE, 1.0):
        rewriter = kind(random, share)
        try:
            written = module.visit(rewriter).code
        except RecursionError:
            return None
        if rewriter.taken:
            return written if parse(written) is not None else None
        if not rewriter.sites:
            return None
    raise AssertionError("a share of 1 takes every site")


def parse_module(text: str) -> "cst.Module | None":
    """The concrete syntax tree, or None where the text is no Python."""
    if parse(text) is None:
        return None
    try:
        return cst.parse_module(text)
    except (cst.ParserSyntaxError, RecursionError):
        return None


def parenthesized(expression: "cst.BaseExpression") -> "cst.BaseExpression":
    """The expression between parentheses, unless it already stands between some."""
    if expression.lpar:
        return expression
    return expression.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def standalone(expression: "cst.BaseExpression") -> "cst.BaseExpression":
    """The expression in a form that may stand on lines of its own: one that breaks lines gets parentheses."""
    return parenthesized(expression) if "\n" in source(expression) else expression


def source(node: "cst.CSTNode") -> str:
    """The text of a node."""
    return cst.Module([]).code_for_node(node)


def only_statement(body: "cst.BaseSuite") -> "cst.CSTNode | None":
    """The one statement of a body; None where there are more."""
    if len(body.body) != 1:
        return None
    line = body.body[0]
    if isinstance(line, cst.SimpleStatementLine):
        return line.body[0] if len(line.body) == 1 else None
    return line


def names_in(*nodes: "cst.CSTNode") -> list[str]:
    """Every identifier below the nodes: variables, attributes, parameters and keywords alike."""
    collector = _Names()
    for node in nodes:
        node.visit(collector)
    return collector.found


class _Names(cst.CSTVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def visit_Name(self, node: "cst.Name") -> None:
        self.found.append(node.value)
