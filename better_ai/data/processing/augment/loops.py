"""List comprehensions turned into loops, and loops that append turned into list comprehensions.

    x = [e for t in it if c]     <->     x = []
                                         for t in it:
                                             if c:
                                                 x.append(e)

Equal in effect under the conditions that are checked here: the statement stands in a function and in no `try`, `with`
or class body of it, so that nobody sees a half-filled `x` after an exception; `x` is a local variable that the
expressions do not mention and no nested function or generator can see; the variables `t` occur nowhere else in the
function, but in comprehensions that have their own; and the expressions hold no `await`, `yield`, `:=`, lambda or
further comprehension. The function does not look at its own variables by name. What remains visible is the life time
of objects, and frames in tracebacks.
"""

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from better_ai.data.processing.augment.names import INTROSPECTIVE
from better_ai.data.processing.augment.rewrite import (
    Rewriter,
    cst,
    names_in,
    only_statement,
    parenthesized,
    rewrite,
    source,
    standalone,
)

if TYPE_CHECKING:
    from libcst import BaseExpression, BaseStatement

_COMPREHENSIONS = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
_CLOSURES = (cst.FunctionDef, cst.Lambda, cst.GeneratorExp)
_FORBIDDEN = (cst.Await, cst.Yield, cst.NamedExpr, cst.Lambda, *_COMPREHENSIONS)


def unroll_comprehensions(text: str, random: Random) -> str | None:
    """Comprehension to loop."""
    return rewrite(text, random, _Unroll)


def collect_in_comprehensions(text: str, random: Random) -> str | None:
    """Loop to comprehension."""
    return rewrite(text, random, _Collect)


class _Function(cst.CSTVisitor):
    """How often each name occurs in a function, how often where it may be read later or belongs to a comprehension."""

    def __init__(self, node: "cst.FunctionDef") -> None:
        super().__init__()
        self.all: Counter[str] = Counter()
        self.nested: Counter[str] = Counter()
        """Occurrences in nested functions and generators."""
        self.own: Counter[str] = Counter()
        """Occurrences in comprehensions that bind the name themselves."""
        self.declared: set[str] = set()
        self.guarded = 0
        """How many `try`, `with` and class bodies the rewriter is in, within this function."""
        self._depth = -1  # the function itself is the first that is entered
        node.visit(self)
        self.introspective = not INTROSPECTIVE.isdisjoint(self.all)

    def on_visit(self, node: "cst.CSTNode") -> bool:
        if isinstance(node, _CLOSURES):
            self._depth += 1
        elif isinstance(node, cst.NameItem):
            self.declared.add(node.name.value)
        elif isinstance(node, cst.Name):
            self.all[node.value] += 1
            self.nested[node.value] += self._depth > 0
        if isinstance(node, _COMPREHENSIONS):
            self.own.update(_own_names(node))
        return True

    def on_leave(self, original_node: "cst.CSTNode") -> None:
        if isinstance(original_node, _CLOSURES):
            self._depth -= 1


class _InFunctions(Rewriter):
    """Knows the function around a statement."""

    def __init__(self, random: Random, share: float) -> None:
        super().__init__(random, share)
        self._functions: list[_Function] = []

    def visit_FunctionDef(self, node: "cst.FunctionDef") -> None:
        self._functions.append(_Function(node))

    def leave_FunctionDef(self, original_node: "cst.FunctionDef", updated_node: "cst.FunctionDef") -> "cst.FunctionDef":
        self._functions.pop()
        return updated_node

    def on_visit(self, node: "cst.CSTNode") -> bool:
        if self._functions and isinstance(node, (cst.Try, cst.TryStar, cst.With, cst.ClassDef)):
            self._functions[-1].guarded += 1
        return super().on_visit(node)

    def on_leave(self, original_node: "cst.CSTNode", updated_node: "cst.CSTNode") -> Any:
        if self._functions and isinstance(original_node, (cst.Try, cst.TryStar, cst.With, cst.ClassDef)):
            self._functions[-1].guarded -= 1
        return super().on_leave(original_node, updated_node)

    def allows(self, original: list["cst.CSTNode"], name: str, target: "BaseExpression", inside: list[str]) -> bool:
        """Whether the list `name` may be filled either way by the statements `original`, whose loop runs over
        `target`; `inside` are the names in the expressions."""
        if not self._functions:
            return False
        function = self._functions[-1]
        if function.guarded or function.introspective or name in inside:
            return False
        variables, here = names_in(target), Counter(names_in(*(node for node in original if isinstance(node, cst.For))))
        return (
            not function.declared.intersection([name, *variables])
            and not function.nested[name]
            and name not in variables
            and all(function.all[each] == here[each] + function.own[each] for each in variables)
        )


class _Unroll(_InFunctions):
    def leave_SimpleStatementLine(
        self, original_node: "cst.SimpleStatementLine", updated_node: "cst.SimpleStatementLine"
    ) -> "BaseStatement | cst.FlattenSentinel[BaseStatement]":
        statement = original_node.body[0]
        if len(original_node.body) > 1 or not isinstance(statement, cst.Assign) or len(statement.targets) > 1:
            return updated_node
        name, value = statement.targets[0].target, statement.value
        if not isinstance(name, cst.Name) or not isinstance(value, cst.ListComp) or "#" in source(original_node):
            return updated_node
        loop = value.for_in
        parts = [value.elt, loop.iter, *(condition.test for condition in loop.ifs)]
        if loop.inner_for_in or loop.asynchronous or not _plain_target(loop.target) or _holds(parts, _FORBIDDEN):
            return updated_node
        if not self.allows([original_node], name.value, loop.target, names_in(value)) or not self.take():
            return updated_node
        append = cst.Call(cst.Attribute(name, cst.Name("append")), [cst.Arg(standalone(value.elt))])
        body: BaseStatement = cst.SimpleStatementLine([cst.Expr(append)])
        for condition in reversed(loop.ifs):
            body = cst.If(standalone(condition.test), cst.IndentedBlock([body]))
        fill = cst.For(loop.target, standalone(loop.iter), cst.IndentedBlock([body]))
        empty = updated_node.with_changes(body=[cst.Assign(statement.targets, cst.List([]))])
        return cst.FlattenSentinel([empty, fill])


class _Collect(_InFunctions):
    def leave_IndentedBlock(
        self, original_node: "cst.IndentedBlock", updated_node: "cst.IndentedBlock"
    ) -> "cst.IndentedBlock":
        old, new = original_node.body, updated_node.body
        for place in range(len(old) - 1):
            line = self._collected(old[place], old[place + 1], new[place])
            if line is not None:
                return updated_node.with_changes(body=[*new[:place], line, *new[place + 2 :]])
        return updated_node

    def _collected(
        self, empty: "BaseStatement", loop: "BaseStatement", updated: "BaseStatement"
    ) -> "BaseStatement | None":
        name = _empty_list(empty)
        if name is None or not isinstance(loop, cst.For) or loop.asynchronous or loop.orelse or "#" in source(loop):
            return None
        condition, body = None, only_statement(loop.body)
        if isinstance(body, cst.If) and body.orelse is None:
            condition, body = body.test, only_statement(body.body)
        element = _appended(body, name)
        if element is None or not _plain_target(loop.target):
            return None
        parts = [element, loop.iter, *([condition] if condition else [])]
        if _holds(parts, _FORBIDDEN) or not self.allows([empty, loop], name, loop.target, names_in(*parts)):
            return None
        if sum(len(source(part)) for part in parts) > 100 or not self.take():
            return None
        tests = [cst.CompIf(_inner(condition))] if condition else []
        value = cst.ListComp(_inner(element), cst.CompFor(loop.target, _inner(loop.iter), ifs=tests))
        target = cst.AssignTarget(cst.Name(name))
        return updated.with_changes(body=[cst.Assign([target], value)])


def _own_names(node: Any) -> Counter[str]:
    """How often a comprehension names the variables that it binds; its first iterable belongs to the outside."""
    loop, bound = node.for_in, set()
    while loop is not None:
        bound.update(names_in(loop.target))
        loop = loop.inner_for_in
    found = Counter(names_in(node))
    found.subtract(names_in(node.for_in.iter))
    return Counter({name: found[name] for name in bound})


def _plain_target(target: "BaseExpression") -> bool:
    if isinstance(target, cst.Tuple):
        return all(isinstance(each.value, cst.Name) for each in target.elements)
    return isinstance(target, cst.Name)


def _inner(part: "BaseExpression") -> "BaseExpression":
    """A part of a comprehension: tuples and conditional expressions need parentheses there."""
    return parenthesized(part) if isinstance(part, (cst.Tuple, cst.IfExp)) else part


def _holds(nodes: list["BaseExpression"], kinds: tuple[type, ...]) -> bool:
    finder = _Finder(kinds)
    for node in nodes:
        node.visit(finder)
    return finder.found


class _Finder(cst.CSTVisitor):
    def __init__(self, kinds: tuple[type, ...]) -> None:
        super().__init__()
        self.found = False
        self._kinds = kinds

    def on_visit(self, node: "cst.CSTNode") -> bool:
        self.found = self.found or isinstance(node, self._kinds)
        return not self.found


def _empty_list(statement: "cst.CSTNode") -> str | None:
    """The name in `name = []`."""
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return None
    assign = statement.body[0]
    if not isinstance(assign, cst.Assign) or len(assign.targets) != 1 or not isinstance(assign.value, cst.List):
        return None
    target = assign.targets[0].target
    return target.value if isinstance(target, cst.Name) and not assign.value.elements else None


def _appended(statement: "cst.CSTNode | None", name: str) -> "BaseExpression | None":
    """The `e` in `name.append(e)`."""
    if not isinstance(statement, cst.Expr) or not isinstance(statement.value, cst.Call):
        return None
    call = statement.value
    if source(call.func) != f"{name}.append" or len(call.args) != 1:
        return None
    arg = call.args[0]
    return arg.value if not arg.star and arg.keyword is None else None
