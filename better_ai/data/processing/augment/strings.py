"""F-strings turned into calls of `str.format`, and back.

Equal in effect as long as formatting one value changes no other: an f-string evaluates and formats one part after the
other, `format` evaluates all of them first. Only names and attributes of names are moved, so that nothing else could
come between. Nested, joined and self-documenting strings, computed format specifications and strings with
characters given by number or name, which might be braces, are left alone.
"""

import re
from random import Random
from typing import TYPE_CHECKING

from better_ai.data.processing.augment.rewrite import Rewriter, cst, rewrite, source

if TYPE_CHECKING:
    from libcst import BaseExpression

_CODED = re.compile(r"\\[xuUN0-7]")
_FIELD = re.compile(r"\{\{|\}\}|\{(![rsa])?(:[^{}]*)?\}|[{}]")


def call_format(text: str, random: Random) -> str | None:
    """`f"{a!r:>4}"` becomes `"{!r:>4}".format(a)`."""
    return rewrite(text, random, _CallFormat)


def use_f_strings(text: str, random: Random) -> str | None:
    """`"{!r:>4}".format(a)` becomes `f"{a!r:>4}"`."""
    return rewrite(text, random, _UseFString)


class _Unnested(Rewriter):
    """Knows whether it is inside an f-string or a row of joined strings."""

    def __init__(self, random: Random, share: float) -> None:
        super().__init__(random, share)
        self.depth = 0

    def visit_FormattedString(self, node: "cst.FormattedString") -> None:
        self.depth += 1

    def visit_ConcatenatedString(self, node: "cst.ConcatenatedString") -> None:
        self.depth += 1

    def leave_ConcatenatedString(
        self, original_node: "cst.ConcatenatedString", updated_node: "cst.ConcatenatedString"
    ) -> "BaseExpression":
        self.depth -= 1
        return updated_node

    def leave_FormattedString(
        self, original_node: "cst.FormattedString", updated_node: "cst.FormattedString"
    ) -> "BaseExpression":
        self.depth -= 1
        return updated_node


class _CallFormat(_Unnested):
    def leave_FormattedString(
        self, original_node: "cst.FormattedString", updated_node: "cst.FormattedString"
    ) -> "BaseExpression":
        self.depth -= 1
        fields = [part for part in updated_node.parts if isinstance(part, cst.FormattedStringExpression)]
        literal = "".join(part.value for part in updated_node.parts if isinstance(part, cst.FormattedStringText))
        if self.depth or not fields or _CODED.search(literal) or updated_node.prefix.lower() != "f":
            return updated_node
        if not all(map(_is_plain, fields)) or not self.take():
            return updated_node
        body = "".join(map(_template, updated_node.parts))
        string = cst.SimpleString(updated_node.start[1:] + body + updated_node.end)
        call = cst.Call(cst.Attribute(string, cst.Name("format")), [cst.Arg(field.expression) for field in fields])
        return call.with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)


class _UseFString(_Unnested):
    def leave_Call(self, original_node: "cst.Call", updated_node: "cst.Call") -> "BaseExpression":
        function = updated_node.func
        if self.depth or not isinstance(function, cst.Attribute) or function.attr.value != "format":
            return updated_node
        string = function.value
        if not isinstance(string, cst.SimpleString) or string.prefix or string.lpar or _CODED.search(string.value):
            return updated_node
        args = updated_node.args
        if any(arg.star or arg.keyword or not _is_chain(arg.value) for arg in args):
            return updated_node
        fields = [match for match in _FIELD.finditer(string.value) if match.group() not in ("{{", "}}")]
        if not fields or len(fields) != len(args) or any(len(match.group()) == 1 for match in fields):
            return updated_node
        if any("\\" in match.group() for match in fields) or not self.take():
            return updated_node
        values = iter(args)

        def fill(match: re.Match[str]) -> str:
            if match.group() in ("{{", "}}"):
                return match.group()
            return "{" + source(next(values).value) + match.group()[1:]

        formatted = cst.parse_expression("f" + _FIELD.sub(fill, string.value))
        return formatted.with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)


def _is_chain(expression: "BaseExpression") -> bool:
    """Whether it is a name, or attributes of a name, without parentheses or line breaks."""
    while isinstance(expression, cst.Attribute):
        if expression.lpar or source(expression.dot).strip() != source(expression.dot):
            return False
        expression = expression.value
    return isinstance(expression, cst.Name) and not expression.lpar


def _is_plain(field: "cst.FormattedStringExpression") -> bool:
    spec = field.format_spec or ()
    return (
        field.equal is None
        and _is_chain(field.expression)
        and all(isinstance(part, cst.FormattedStringText) and not set("\\{}").intersection(part.value) for part in spec)
    )


def _template(field: "cst.BaseFormattedStringContent") -> str:
    """A part of an f-string as `str.format` wants it."""
    if not isinstance(field, cst.FormattedStringExpression):
        return source(field)
    conversion = f"!{field.conversion}" if field.conversion else ""
    spec = "".join(source(part) for part in field.format_spec) if field.format_spec is not None else None
    return "{" + conversion + ("" if spec is None else f":{spec}") + "}"
