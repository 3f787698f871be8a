"""Whether a text is well formed in its language, by a parser that somebody keeps.

Python by `ast`'s own parser, JSON, TOML and YAML by their strict readers, the others by tree-sitter grammars (single
wheels, as the bundle of all downloads grammars at run time). A strict parser says yes or no: its share of errors is 0
or 1. tree-sitter always builds a tree and marks what it could not fit in: the share is that of the bytes in ERROR
nodes, each MISSING token counting as one byte.

tree-sitter knows no preprocessor: macros that stand for half a statement are errors to it in perfectly good C and C++.

Bounds: most of these parsers are quadratic on endless repetitions of an opening bracket or the like. A text that zlib
shrinks 60-fold is therefore not parsed but called malformed. Of 12,732 source files above 4 kB the median shrinks
3-fold and the most repetitive one 19-fold. What remains is nonsense without repetition (random names between opening
brackets), which the grammars of Scala, Lua, Julia and Bash read in quadratic time: 100 kB take 2 to 12 s. The size that
collectors let through bounds that; a clock would too, but then a verdict could depend on the machine.

Left out: SQL (its dialects disagree), and what only a compiler sees, such as types and names.
"""

import json
import symtable
import tomllib
import warnings
import zlib
from ast import parse as parse_python
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import yaml

from better_ai.extras import import_extra

VERSION = 1
MAX_REPETITION = 60
REPETITION_FROM_BYTES = 4096
"""Shorter texts are parsed in a second at worst."""

GRAMMARS: dict[str, tuple[str, str]] = {
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "c++": ("tree_sitter_cpp", "language"),
    "c#": ("tree_sitter_c_sharp", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "bash": ("tree_sitter_bash", "language"),
    "scala": ("tree_sitter_scala", "language"),
    "julia": ("tree_sitter_julia", "language"),
    "haskell": ("tree_sitter_haskell", "language"),
    "kotlin": ("tree_sitter_kotlin", "language"),
    "lua": ("tree_sitter_lua", "language"),
    "swift": ("tree_sitter_swift", "language"),
    "html": ("tree_sitter_html", "language"),
    "css": ("tree_sitter_css", "language"),
}
"""Language -> the module of its wheel and the function in it."""


class Parsed(NamedTuple):
    """What a parser found."""

    parser: str | None
    """None where there is no parser for the language: nothing is known of the text."""
    error_share: float | None
    """Of the bytes, in 0..1; None without a parser."""
    problem: str | None
    """The first error; None where there is none."""


UNCHECKED = Parsed(None, None, None)


def parse(text: str, language: str) -> Parsed:
    """Parse a text. Raises UserError when the parser's package is not installed, and nothing for any text."""
    if language in _STRICT:
        name, read = _STRICT[language]
        problem = _repetition(text) if name in _QUADRATIC else None
        problem = problem or read(text)
        return Parsed(name, float(problem is not None), problem)
    if language in GRAMMARS:
        problem = _repetition(text)
        return Parsed("tree-sitter", 1.0, problem) if problem else _parse_tree(text, language)
    return UNCHECKED


def _repetition(text: str) -> str | None:
    content = text.encode()
    if len(content) < REPETITION_FROM_BYTES:
        return None
    repeats = len(content) >= MAX_REPETITION * len(zlib.compress(content, 1))
    return f"repeats itself: shrinks {MAX_REPETITION}-fold or more" if repeats else None


def _python_problem(text: str) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            symtable.symtable(text, "<document>", "exec")  # the same parser, without the tree's Python objects
            return None
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return _python_error(text)  # or else only a name's scope is wrong


def _python_error(text: str) -> str | None:
    try:
        parse_python(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"cannot be parsed: {error}" if str(error) else f"cannot be parsed: {type(error).__name__}"
    return None


def _json_problem(text: str) -> str | None:
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return _explain(error)
    return None


def _jsonl_problem(text: str) -> str | None:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and (problem := _json_problem(line)):
            return f"line {number}: {problem}"
    return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _toml_problem(text: str) -> str | None:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return _explain(error)
    return None


def _yaml_problem(text: str) -> str | None:
    """Events only: no objects are made, no alias is followed."""
    try:
        for _ in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            pass
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return _explain(error)
    return None


def _explain(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


_STRICT: dict[str, tuple[str, Callable[[str], str | None]]] = {
    "python": ("ast", _python_problem),
    "json": ("json", _json_problem),
    "jupyter": ("json", _json_problem),
    "jsonl": ("json", _jsonl_problem),
    "toml": ("tomllib", _toml_problem),
    "yaml": ("yaml", _yaml_problem),
}
"""Language -> the parser's name, and what says what is wrong with a text."""

_QUADRATIC = ("tomllib", "yaml")

CHECKED_LANGUAGES = frozenset({*_STRICT, *GRAMMARS})


def _parse_tree(text: str, language: str) -> Parsed:
    content = text.encode()
    root = _parser(language).parse(content).root_node
    if not root.has_error:
        return Parsed("tree-sitter", 0.0, None)
    bad_bytes, first = _errors(root)
    row, column = first.start_point
    what = f"{first.type!r} is missing" if first.is_missing else "does not fit the grammar"
    share = min(1.0, bad_bytes / max(1, len(content)))
    return Parsed("tree-sitter", round(share, 6), f"line {row + 1}, byte {column}: {what}")


def _errors(root: Any) -> tuple[int, Any]:
    """Bytes in the outermost errors, and the first of them."""
    bad_bytes, errors, waiting = 0, [], [root]
    while waiting:
        node = waiting.pop()
        inside = [] if node.is_error else [child for child in node.children if child.has_error]
        if inside:
            waiting += inside
        else:  # an error, a missing token, or a node that lost a part the tree does not show
            bad_bytes += max(1, node.end_byte - node.start_byte) if node.is_error else 1
            errors.append(node)
    return bad_bytes, min(errors, key=lambda node: node.start_byte)


@cache
def _parser(language: str) -> Any:
    module, function = GRAMMARS[language]
    tree_sitter = import_extra("tree_sitter", "data")
    return tree_sitter.Parser(tree_sitter.Language(getattr(import_extra(module, "data"), function)()))
