"""Refactorings of conditions and branches that evaluate the same expressions in the same order.

What a program does stays the same for all values but those that do something when they are asked for their truth:
outside of conditions, De Morgan's law may ask one once more or once less. In conditions even that is equal.
"""

from random import Random
from typing import TYPE_CHECKING, Any

from better_ai.data.processing.augment.rewrite import (
    SPACE,
    Rewriter,
    cst,
    only_statement,
    parenthesized,
    rewrite,
    source,
    standalone,
)

if TYPE_CHECKING:
    from libcst import BaseExpression, BaseStatement, FlattenSentinel

_FLIPPED = {cst.Is: cst.IsNot, cst.IsNot: cst.Is, cst.In: cst.NotIn, cst.NotIn: cst.In}
_LEAVING = (cst.Return, cst.Raise, cst.Continue, cst.Break)
_LOOSE = (cst.BooleanOperation, cst.IfExp, cst.Lambda, cst.NamedExpr, cst.Tuple, cst.Yield)


def invert_branches(text: str, random: Random) -> str | None:
    """`if c: A else: B` becomes `if not c: B else: A`."""
    return rewrite(text, random, _InvertBranches)


def apply_de_morgan(text: str, random: Random) -> str | None:
    """`not (a and b)` becomes `not a or not b`, and back; likewise with `or`."""
    return rewrite(text, random, _DeMorgan)


def return_early(text: str, random: Random) -> str | None:
    """Drops an `else` after a branch that leaves; turns an `if` around the end of a function into a guard."""
    return rewrite(text, random, _ReturnEarly)


def nest_branches(text: str, random: Random) -> str | None:
    """Puts what follows a branch that leaves into an `else`: the converse of `return_early`."""
    return rewrite(text, random, _NestBranches)


def convert_conditionals(text: str, random: Random) -> str | None:
    """`x = a if c else b` becomes an `if` statement, and back; likewise with `return`."""
    return rewrite(text, random, _ConvertConditionals)


def negate(test: "BaseExpression") -> "BaseExpression":
    """The opposite of a condition, where nothing but its truth is asked for."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        inner = test.expression
        return inner.with_changes(lpar=[*test.lpar, *inner.lpar], rpar=[*inner.rpar, *test.rpar])
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        target = test.comparisons[0]
        flipped = _FLIPPED.get(type(target.operator))
        if flipped:
            return test.with_changes(comparisons=[target.with_changes(operator=flipped())])
    return _negation(test)


def _negation(expression: "BaseExpression") -> "BaseExpression":
    operand = parenthesized(expression) if isinstance(expression, _LOOSE) else standalone(expression)
    return cst.UnaryOperation(cst.Not(whitespace_after=SPACE), operand)


def _leaves(body: "cst.BaseSuite") -> bool:
    """Whether control never passes the end of a body, told by its last statement."""
    last = body.body[-1]
    if isinstance(last, cst.SimpleStatementLine):
        last = last.body[-1]
    return isinstance(last, _LEAVING)


def _has_comments(node: "cst.CSTNode") -> bool:
    return "#" in source(node)


def _with_test(node: "cst.If", test: "BaseExpression") -> "cst.If":
    return node.with_changes(test=test, whitespace_before_test=SPACE)


class _InvertBranches(Rewriter):
    def leave_If(self, original_node: "cst.If", updated_node: "cst.If") -> "cst.If":
        otherwise = updated_node.orelse
        if not isinstance(otherwise, cst.Else) or not self.take():
            return updated_node
        swapped = updated_node.with_changes(body=otherwise.body, orelse=otherwise.with_changes(body=updated_node.body))
        return _with_test(swapped, negate(updated_node.test))


class _DeMorgan(Rewriter):
    def leave_UnaryOperation(
        self, original_node: "cst.UnaryOperation", updated_node: "cst.UnaryOperation"
    ) -> "BaseExpression":
        inner = updated_node.expression
        if not (_is_not(updated_node) and isinstance(inner, cst.BooleanOperation)):
            return updated_node
        if _is_not(inner.left) or _is_not(inner.right) or not self.take():
            return updated_node
        return inner.with_changes(
            left=_negation(inner.left),
            operator=_other(inner.operator),
            right=_negation(inner.right),
            lpar=[*updated_node.lpar, *inner.lpar],
            rpar=[*inner.rpar, *updated_node.rpar],
        )

    def leave_BooleanOperation(
        self, original_node: "cst.BooleanOperation", updated_node: "cst.BooleanOperation"
    ) -> "BaseExpression":
        left, right = updated_node.left, updated_node.right
        if not isinstance(left, cst.UnaryOperation) or not isinstance(right, cst.UnaryOperation):
            return updated_node
        if not (_is_not(left) and _is_not(right)) or left.lpar or right.lpar or not self.take():
            return updated_node
        inner = cst.BooleanOperation(
            left.expression,
            _other(updated_node.operator),
            right.expression,
            lpar=[cst.LeftParen()],
            rpar=[cst.RightParen()],
        )
        return cst.UnaryOperation(
            cst.Not(whitespace_after=SPACE), inner, lpar=updated_node.lpar, rpar=updated_node.rpar
        )


def _is_not(node: "cst.CSTNode") -> bool:
    return isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not)


def _other(operator: "cst.BaseBooleanOp") -> "cst.BaseBooleanOp":
    kind = cst.Or if isinstance(operator, cst.And) else cst.And
    around = operator.whitespace_before, operator.whitespace_after
    before, after = (space if source(space) else SPACE for space in around)
    return kind(whitespace_before=before, whitespace_after=after)


class _ReturnEarly(Rewriter):
    def leave_IndentedBlock(
        self, original_node: "cst.IndentedBlock", updated_node: "cst.IndentedBlock"
    ) -> "cst.IndentedBlock":
        body: list[cst.BaseStatement] = []
        for statement in updated_node.body:
            body += self._flattened(statement)
        return updated_node.with_changes(body=body)

    def _flattened(self, node: "BaseStatement") -> list["BaseStatement"]:
        if not (isinstance(node, cst.If) and node.orelse and _leaves(node.body)):
            return [node]
        otherwise = node.orelse
        kept = node.with_changes(orelse=None)
        if isinstance(otherwise, cst.If):
            return [kept, otherwise] if self.take() else [node]
        block = otherwise.body
        if not isinstance(block, cst.IndentedBlock) or any(map(_has_comments, (block.header, *block.footer))):
            return [node]
        if not self.take():
            return [node]
        first: Any = block.body[0]
        first = first.with_changes(leading_lines=[*otherwise.leading_lines, *first.leading_lines])
        return [kept, first, *block.body[1:]]

    def leave_FunctionDef(self, original_node: "cst.FunctionDef", updated_node: "cst.FunctionDef") -> "cst.FunctionDef":
        block = updated_node.body
        last = block.body[-1]
        if not (isinstance(last, cst.If) and last.orelse is None and isinstance(last.body, cst.IndentedBlock)):
            return updated_node
        inner = last.body
        if any(map(_has_comments, (inner.header, *inner.footer))) or len(inner.body) < 2 or not self.take():
            return updated_node
        leave = cst.IndentedBlock([cst.SimpleStatementLine([cst.Return()])])
        guard = _with_test(last.with_changes(body=leave), negate(last.test))
        return updated_node.with_changes(body=block.with_changes(body=[*block.body[:-1], guard, *inner.body]))


class _NestBranches(Rewriter):
    def leave_IndentedBlock(
        self, original_node: "cst.IndentedBlock", updated_node: "cst.IndentedBlock"
    ) -> "cst.IndentedBlock":
        for place, node in enumerate(updated_node.body[:-1]):
            if isinstance(node, cst.If) and node.orelse is None and _leaves(node.body) and self.take():
                rest = cst.Else(cst.IndentedBlock(updated_node.body[place + 1 :]))
                return updated_node.with_changes(body=[*updated_node.body[:place], node.with_changes(orelse=rest)])
        return updated_node


class _ConvertConditionals(Rewriter):
    def __init__(self, random: Random, share: float) -> None:
        super().__init__(random, share)
        self._elifs: set[int] = set()

    def leave_SimpleStatementLine(
        self, original_node: "cst.SimpleStatementLine", updated_node: "cst.SimpleStatementLine"
    ) -> "BaseStatement | FlattenSentinel[BaseStatement]":
        statement = updated_node.body[0]
        value = _plain_value(statement)
        if not isinstance(value, cst.IfExp) or len(updated_node.body) > 1 or _has_comments(updated_node):
            return updated_node
        if not self.take():
            return updated_node
        chosen, other = (
            cst.IndentedBlock([cst.SimpleStatementLine([_with_value(statement, standalone(each))])])
            for each in (value.body, value.orelse)
        )
        lines = updated_node.leading_lines
        return cst.If(standalone(value.test), chosen, cst.Else(other), leading_lines=lines)

    def visit_If(self, node: "cst.If") -> None:
        if isinstance(node.orelse, cst.If):
            self._elifs.add(id(node.orelse))

    def leave_If(self, original_node: "cst.If", updated_node: "cst.If") -> "BaseStatement":
        otherwise = updated_node.orelse
        if id(original_node) in self._elifs or not isinstance(otherwise, cst.Else):
            return updated_node
        chosen: Any = only_statement(updated_node.body)
        other: Any = only_statement(otherwise.body)
        a, b = _plain_value(chosen), _plain_value(other)
        if a is None or b is None or type(chosen) is not type(other) or _has_comments(updated_node):
            return updated_node
        if isinstance(chosen, cst.Assign) and source(chosen.targets[0].target) != source(other.targets[0].target):
            return updated_node
        if len(source(updated_node)) > 160 or not self.take():
            return updated_node
        parts = [parenthesized(each) if isinstance(each, _LOOSE) else standalone(each) for each in (a, b)]
        test = updated_node.test
        test = parenthesized(test) if isinstance(test, (cst.IfExp, cst.Lambda, cst.NamedExpr)) else standalone(test)
        line = cst.SimpleStatementLine([_with_value(chosen, cst.IfExp(test=test, body=parts[0], orelse=parts[1]))])
        return line.with_changes(leading_lines=updated_node.leading_lines)


def _plain_value(statement: Any) -> "BaseExpression | None":
    """What a statement returns, or assigns to one name."""
    if isinstance(statement, cst.Return):
        return statement.value
    if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
        return statement.value if isinstance(statement.targets[0].target, cst.Name) else None
    return None


def _with_value(statement: Any, value: "BaseExpression") -> Any:
    if isinstance(statement, cst.Return):
        return cst.Return(value, whitespace_after_return=SPACE)
    return statement.with_changes(value=value, semicolon=cst.MaybeSentinel.DEFAULT)
