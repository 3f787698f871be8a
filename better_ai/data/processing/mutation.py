"""Bugs put into a function: small changes of the syntax tree of the kinds that programmers make.

Every mutation parses and has another syntax tree than before. Whether it changes what the function does only a test
can say: the caller runs tests and drops mutants that pass. Operators after the classic set (Offutt et al. 1996:
relational, arithmetic and logical replacement, statement deletion) and those of learned bug finders (wrong variable,
swapped arguments; Pradel and Sen 2018, DeepBugs).
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from better_ai.data.processing.equivalence import parse, same_tree
from better_ai.data.processing.source import FUNCTIONS, Edit, Source, docstring_node

_COMPARISONS: dict[type[ast.cmpop], tuple[tuple[str, str], ...]] = {
    ast.Lt: (("<=", "boundary"), (">", "comparison")),
    ast.LtE: (("<", "boundary"), (">=", "comparison")),
    ast.Gt: ((">=", "boundary"), ("<", "comparison")),
    ast.GtE: ((">", "boundary"), ("<=", "comparison")),
    ast.Eq: (("!=", "comparison"),),
    ast.NotEq: (("==", "comparison"),),
    ast.Is: (("is not", "comparison"),),
    ast.IsNot: (("is", "comparison"),),
    ast.In: (("not in", "comparison"),),
    ast.NotIn: (("in", "comparison"),),
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, ...]] = {
    ast.Add: ("-",),
    ast.Sub: ("+",),
    ast.Mult: ("+", "//"),
    ast.Div: ("//", "*"),
    ast.FloorDiv: ("/", "%"),
    ast.Mod: ("//",),
    ast.BitAnd: ("|",),
    ast.BitOr: ("&",),
    ast.LShift: (">>",),
    ast.RShift: ("<<",),
}
_COMPARISON = re.compile(rb"<=|>=|==|!=|<|>|is\s+not\b|not\s+in\b|is\b|in\b")
_OPERATOR = re.compile(rb"\*\*|//|<<|>>|[-+*/%&|^@]")


@dataclass(frozen=True)
class Mutation:
    """One bug: its operator, the text with it, and what has to be done about it."""

    operator: str
    text: str
    line: int
    """In the text with the bug, from 1."""
    fix: str
    """A sentence."""


@dataclass(frozen=True)
class _Site:
    operator: str
    edits: tuple[Edit, ...]
    fix: str


def mutate(source: Source, random: Random) -> Iterator[Mutation]:
    """All mutations of the functions of a text, in random order; operators take turns, so that no kind prevails."""
    by_operator: dict[str, list[_Site]] = {}
    for site in _sites(source):
        by_operator.setdefault(site.operator, []).append(site)
    for sites in by_operator.values():
        random.shuffle(sites)
    operators = sorted(by_operator)
    while operators:
        random.shuffle(operators)
        for operator in operators:
            site = by_operator[operator].pop()
            text = source.edited(site.edits)
            if parse(text) is not None and not same_tree(text, source.text):
                line = source.data[: min(site.edits)[0]].count(b"\n") + 1
                yield Mutation(operator, text, line, site.fix)
        operators = sorted(operator for operator in operators if by_operator[operator])


def _sites(source: Source) -> Iterator[_Site]:
    for function in ast.walk(source.tree):
        if isinstance(function, FUNCTIONS):
            yield from _wrong_variables(source, function)
            documented = docstring_node(function)
            for statement in function.body:
                if statement is not documented:
                    for node in _code_below(statement):
                        for operator in _OPERATORS.get(type(node), ()):
                            yield from operator(source, node)


def _code_below(node: ast.AST) -> Iterator[ast.AST]:
    """The node and those below it that edits may touch: not nested functions, which have their turn, not f-strings,
    whose inner places older interpreters misreport, not annotations and patterns."""
    if isinstance(node, (*FUNCTIONS, ast.JoinedStr, ast.pattern, ast.Global, ast.Nonlocal)):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name != "annotation":
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _code_below(child)


def _compare(source: Source, node: ast.Compare) -> Iterator[_Site]:
    left: ast.expr = node.left
    for operator, right in zip(node.ops, node.comparators, strict=True):
        between = source.span(left)[1], source.span(right)[0]
        match = _COMPARISON.search(source.data, *between)
        if match:
            old = match.group().decode()
            for new, kind in _COMPARISONS[type(operator)]:
                fix = f"The comparison has to be `{old}`, not `{new}`."
                yield _Site(kind, ((*match.span(), new),), fix)
        left = right


def _arithmetic(source: Source, node: ast.BinOp) -> Iterator[_Site]:
    match = _OPERATOR.search(source.data, source.span(node.left)[1], source.span(node.right)[0])
    texts = any(isinstance(each, ast.JoinedStr) or _is_text(each) for each in (node.left, node.right))
    if match and not texts:
        old = match.group().decode()
        for new in _ARITHMETIC.get(type(node.op), ()):
            yield _Site("arithmetic", ((*match.span(), new),), f"The operator has to be `{old}`, not `{new}`.")


def _augmented(source: Source, node: ast.AugAssign) -> Iterator[_Site]:
    match = _OPERATOR.search(source.data, source.span(node.target)[1], source.span(node.value)[0])
    if match and isinstance(node.op, (ast.Add, ast.Sub)) and not _is_text(node.value):
        new = "-" if isinstance(node.op, ast.Add) else "+"
        fix = f"`{source.of(node.target)}` has to be changed by `{match.group().decode()}=`, not by `{new}=`."
        yield _Site("arithmetic", ((*match.span(), new),), fix)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))


def _constant(source: Source, node: ast.Constant) -> Iterator[_Site]:
    span = source.span(node)
    if isinstance(node.value, bool):
        new = str(not node.value)
        yield _Site("boolean", ((*span, new),), f"The value has to be `{node.value}`, not `{new}`.")
    elif isinstance(node.value, int) and abs(node.value) < 1 << 20 and source.data[slice(*span)].isdigit():
        for value in (node.value + 1, node.value - 1):
            if value >= 0:
                yield _Site(
                    "off_by_one", ((*span, str(value)),), f"The number is off by one: it has to be {node.value}."
                )


def _range(source: Source, node: ast.Call) -> Iterator[_Site]:
    if isinstance(node.func, ast.Name) and node.func.id == "range" and 1 <= len(node.args) <= 2 and not node.keywords:
        stop = node.args[-1]
        if isinstance(stop, (ast.Name, ast.Call, ast.Attribute)):
            text = source.of(stop)
            for sign in "+-":
                fix = f"The range ends in the wrong place: it has to stop at `{text}`."
                yield _Site("off_by_one", ((*source.span(stop), f"{text} {sign} 1"),), fix)


def _arguments(source: Source, node: ast.Call) -> Iterator[_Site]:
    plain = [arg for arg in node.args if not isinstance(arg, ast.Starred)]
    for first, second in pairwise(plain):
        if ast.dump(first) != ast.dump(second):
            a, b = source.of(first), source.of(second)
            edits = ((*source.span(first), b), (*source.span(second), a))
            called = ast.unparse(node.func)
            yield _Site("swapped_arguments", edits, f"Two arguments of `{called}` are in the wrong order.")


def _logic(source: Source, node: ast.BoolOp) -> Iterator[_Site]:
    old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    edits = []
    for left, right in pairwise(node.values):
        match = re.search(rf"\b{old}\b".encode(), source.data[source.span(left)[1] : source.span(right)[0]])
        if match is None:
            return
        start = source.span(left)[1] + match.start()
        edits.append((start, start + len(old), new))
    yield _Site("logic", tuple(edits), f"The conditions have to be joined by `{old}`, not by `{new}`.")


def _condition(source: Source, node: ast.If | ast.While) -> Iterator[_Site]:
    start, stop = source.span(node.test)
    text = source.segment(start, stop)
    if isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not):
        inner = source.of(node.test.operand)
        yield _Site(
            "negation", ((start, stop, f"({inner})"),), f"The condition has to be `{_short(text)}`: a `not` is missing."
        )
    elif not isinstance(node.test, (ast.Compare, ast.Constant)):
        new = f"not ({text})" if source.data[start - 1 : start] != b"(" else f" not ({text})"
        yield _Site("negation", ((start, stop, new),), f"The condition is negated: it has to be `{_short(text)}`.")


def _return(source: Source, node: ast.Return) -> Iterator[_Site]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        start = source.span(node)[0]
        if not isinstance(node.value, ast.Yield):
            yield _Site(
                "missing_return",
                ((start, source.span(node.value)[0], ""),),
                "The value is computed and never returned.",
            )


def _expression(source: Source, node: ast.Expr) -> Iterator[_Site]:
    if isinstance(node.value, ast.Call):
        fix = f"A call is missing: `{_short(source.of(node))}`."
        yield _Site("missing_call", ((*source.span(node), "pass"),), fix)


def _leave(source: Source, node: ast.Break | ast.Continue) -> Iterator[_Site]:
    old, new = ("break", "continue") if isinstance(node, ast.Break) else ("continue", "break")
    yield _Site("loop_exit", ((*source.span(node), new),), f"The loop has to `{old}` here, not to `{new}`.")


def _wrong_variables(source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[_Site]:
    """Another variable of the same function, one that is bound on an earlier line, in place of the right one."""
    bound: dict[str, int] = {}
    body = [node for statement in function.body for node in _code_below(statement)]
    for arg in ast.walk(function.args):
        if isinstance(arg, ast.arg) and arg.arg not in ("self", "cls"):
            bound[arg.arg] = function.lineno
    inner = {
        name.id
        for node in body
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda))
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }
    for node in body:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in inner:
            bound.setdefault(node.id, node.lineno)
    for node in body:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in bound:
            for other, line in bound.items():
                if other != node.id and line < node.lineno:
                    fix = f"The wrong variable is used: `{other}` has to be `{node.id}`."
                    yield _Site("wrong_variable", ((*source.span(node), other),), fix)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


_OPERATORS: dict[type[ast.AST], tuple[Callable[..., Iterator[_Site]], ...]] = {
    ast.Compare: (_compare,),
    ast.BinOp: (_arithmetic,),
    ast.AugAssign: (_augmented,),
    ast.Constant: (_constant,),
    ast.Call: (_range, _arguments),
    ast.BoolOp: (_logic,),
    ast.If: (_condition,),
    ast.While: (_condition,),
    ast.Return: (_return,),
    ast.Expr: (_expression,),
    ast.Break: (_leave,),
    ast.Continue: (_leave,),
}
