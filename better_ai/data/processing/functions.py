"""The functions of a Python document, each as a text of its own with the imports it needs."""

import ast
import builtins
import doctest
import inspect
import symtable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from textwrap import dedent

from better_ai.data.processing.docstrings import Docstring, parse
from better_ai.data.processing.source import FUNCTIONS, Source, Span, docstring_node

_BUILTINS = frozenset(dir(builtins))
_NOT_CODE = (ast.Pass, ast.Raise)


@dataclass(frozen=True)
class FunctionText:
    """A function or method, taken out of its document and moved to the left margin."""

    name: str
    """With the class before it: `Class.method`."""
    source: Source
    """The function alone, decorators included, with a line break at its end."""
    imports: tuple[str, ...]
    """Import statements of the document for names that the function uses."""
    missing: frozenset[str]
    """Names that the function uses and neither defines, imports nor finds among the builtins."""
    document: Source
    span: Span
    """Where the function stands in `document`, from the start of its first line."""
    margin: str
    """What each line began with there."""

    @property
    def node(self) -> ast.FunctionDef | ast.AsyncFunctionDef:
        """The definition, in `source`."""
        node = self.source.tree.body[0]
        assert isinstance(node, FUNCTIONS)
        return node

    @property
    def is_method(self) -> bool:
        return "." in self.name

    @property
    def text(self) -> str:
        return self.source.text

    @cached_property
    def docstring(self) -> Docstring | None:
        found = ast.get_docstring(self.node)
        return parse(found)[0] if found and found.strip() else None

    @property
    def statements(self) -> list[ast.stmt]:
        """The body without the docstring."""
        return self.node.body[1:] if docstring_node(self.node) else self.node.body

    @property
    def with_imports(self) -> str:
        """The function below its imports."""
        return self.below_imports(self.text)

    def below_imports(self, text: str) -> str:
        return "".join(f"{line}\n" for line in self.imports) + "\n\n" * bool(self.imports) + text

    def in_document(self, text: str) -> str:
        """The document with another text in place of the function."""
        lines = [self.margin + line if line.strip() else line for line in text.splitlines(keepends=True)]
        start, stop = self.span
        return self.document.edited([(start, stop, "".join(lines))])

    @cached_property
    def examples(self) -> str:
        """Assertions made of the examples in the docstring; empty where it has none that can be asserted."""
        return _assertions(ast.get_docstring(self.node) or "")


def functions(document: Source, *, min_lines: int, max_lines: int) -> Iterator[FunctionText]:
    """Functions and methods at the top of a document, in order, that have that many lines and more than a stub."""
    imports = _imports(document.tree)
    for class_name, node in _definitions(document.tree):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        assert node.end_lineno is not None
        if not min_lines <= node.end_lineno - first + 1 <= max_lines or _is_stub(node):
            continue
        span = document.line_start(first), document.line_start(node.end_lineno + 1)
        found = _alone(document.segment(*span), node)
        if found is None:
            continue
        source, margin = found
        try:
            wanted = _global_names(source.text) - {node.name}
        except SyntaxError:  # parses and does not compile
            continue
        name = f"{class_name}.{node.name}" if class_name else node.name
        needed = tuple(line for each in sorted(wanted & imports.keys()) for line in imports[each])
        missing = frozenset(wanted - imports.keys() - _BUILTINS)
        yield FunctionText(name, source, needed, missing, document, span, margin)


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        if isinstance(node, FUNCTIONS):
            yield "", node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, FUNCTIONS):
                    yield node.name, inner


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    body = node.body[1:] if docstring_node(node) else node.body
    return all(isinstance(each, _NOT_CODE) or _is_ellipsis(each) for each in body)


def _is_ellipsis(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _alone(text: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[Source, str] | None:
    """A function moved to the left margin, and the margin; None where that would change a string in it, or where it
    shares a line with other code."""
    text = text if text.endswith("\n") else text + "\n"
    margin = text[: len(text) - len(text.lstrip(" \t"))]
    if margin:
        documented = docstring_node(node)
        for each in ast.walk(node):
            broken = isinstance(each, (ast.Constant, ast.JoinedStr)) and each.end_lineno != each.lineno
            if broken and not (documented and each is documented.value):
                return None
    try:
        source = Source(dedent(text))
    except ValueError:
        return None
    if len(source.tree.body) != 1 or not isinstance(source.tree.body[0], type(node)):
        return None
    return source, margin


def _imports(tree: ast.Module) -> dict[str, list[str]]:
    """Absolute imports at the top of a module: each name, and the statements that bind it and nothing else."""
    found: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                as_name = f" as {alias.asname}" if alias.asname else ""
                bound = alias.asname or alias.name.split(".")[0]
                found.setdefault(bound, []).append(f"import {alias.name}{as_name}")
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module != "__future__":
            for alias in node.names:
                as_name = f" as {alias.asname}" if alias.asname else ""
                if alias.name != "*":
                    found[alias.asname or alias.name] = [f"from {node.module} import {alias.name}{as_name}"]
    return found


def _global_names(text: str) -> set[str]:
    """Names that a text reads from its module or the builtins."""
    names: set[str] = set()
    tables = [symtable.symtable(text, "text", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        names.update(
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")
        )
    return names


def _assertions(docstring: str) -> str:
    try:
        examples = doctest.DocTestParser().get_examples(inspect.cleandoc(docstring))
    except ValueError:
        return ""
    lines, asserted = [], False
    for example in examples:
        if example.exc_msg or example.options or "..." in example.want or "<" in example.want:
            return ""
        try:
            compile(example.source, "example", "eval")
        except (SyntaxError, ValueError):
            if example.want:
                return ""
            lines.append(example.source.rstrip("\n"))
            continue
        want = example.want.rstrip("\n")
        if "\n" in want or "\n" in example.source.rstrip("\n"):
            return ""
        if want:
            lines.append(f"assert repr({example.source.rstrip()}) == {want!r}")
            asserted = True
        else:
            lines.append(example.source.rstrip())
    return "\n".join(lines) + "\n" if asserted else ""
