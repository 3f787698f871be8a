"""Negative controls for tests that share a process with the solution: the same tests, made impossible to pass.

An honest solution fails both. One that leaves early, skips asserts or returns objects equal to everything passes them
and gives itself away. Not caught: a solution that recognises the controls, or a tracer that skips only `check`.
"""

import ast
from typing import Any


def with_canary(tests: str) -> str:
    """The tests with a false assertion after the last one: a pass means that assertions do not count."""
    tree = ast.parse(tests)
    body = next(
        (node.body for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "check"), tree.body
    )
    body.append(ast.parse("assert 0 == 1").body[0])
    return ast.unparse(ast.fix_missing_locations(tree))


def with_changed_literals(tests: str) -> str | None:
    """The tests with every expected literal changed, or None where no assertion compares a call with a literal.

    Changed are `assert call(...) == literal` (either way round, `is` too), `assert call(...)` and `assert not
    call(...)`, and the constant in `assert abs(call(...) - constant) < tolerance`.
    """
    tree = ast.parse(tests)
    changed = [_change(node) for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    return ast.unparse(ast.fix_missing_locations(tree)) if any(changed) else None


def _change(node: ast.Assert) -> bool:
    test = node.test
    if isinstance(test, ast.Call) and not _is_builtin_predicate(test):
        node.test = ast.UnaryOp(ast.Not(), test)
        return True
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) and isinstance(test.operand, ast.Call):
        node.test = test.operand
        return True
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return False
    left, (right,) = test.left, test.comparators
    if isinstance(test.ops[0], ast.Eq | ast.Is):
        if _calls(left) and _is_literal(right):
            test.comparators = [_other(right)]
            return True
        if _calls(right) and _is_literal(left):
            test.left = _other(left)
            return True
    if isinstance(test.ops[0], ast.Lt | ast.LtE) and isinstance(left, ast.Call):
        return _change_distance(left)
    return False


def _is_builtin_predicate(call: ast.Call) -> bool:
    """`assert all(...)`, `assert isclose(...)`: negating those could turn a true statement into another true one."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in ("all", "any", "isinstance", "isclose", "issubset", "issuperset")


def _change_distance(distance: ast.Call) -> bool:
    """`abs(call - 2.5)` becomes `abs(call - (2.5 + a lot))`."""
    match distance:
        case ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(op=ast.Sub()) as difference]):
            for side, other in (("left", difference.right), ("right", difference.left)):
                if _is_literal(getattr(difference, side)) and _calls(other):
                    setattr(difference, side, _other(getattr(difference, side)))
                    return True
    return False


def _calls(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Call) for part in ast.walk(node))


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _other(literal: ast.expr) -> ast.expr:
    """The literal with every value in it changed, its type and (unless it is empty) its length kept."""
    return ast.parse(repr(_changed(ast.literal_eval(literal))), mode="eval").body


def _changed(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float() | complex():
            return value * 2 + 1009  # further than any tolerance
        case str():
            return value + "~"
        case bytes():
            return value + b"~"
        case list() | tuple() | set():
            return type(value)([_changed(item) for item in value] or ["~"])
        case dict():
            return {key: _changed(item) for key, item in value.items()} or {"~": "~"}
        case _:
            return "~"
