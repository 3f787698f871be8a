"""Whether two Python texts mean the same, as the parser and the compiler see it. Nothing is ever run.

Three grades, from the strictest: equal syntax trees; equal trees but for docstrings; equal bytecode but for the names
of local variables. The last is a proof that a renaming was consistent, given by CPython's own scope analysis: what it
compiles to differs in nothing but the tables of local, cell and free names.
"""

import ast
import dis
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import Any, TypeVar

T = TypeVar("T")

_TOO_HARD = (SyntaxError, ValueError, RecursionError, MemoryError)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_UNORDERED = {"MAKE_CELL", "LOAD_CLOSURE"}  # emitted in the order of sorted names, which a renaming may change


def parse(text: str) -> ast.Module | None:
    """The syntax tree, or None where this interpreter's parser refuses the text."""
    return _quietly(ast.parse, text)


def same_tree(before: str, after: str) -> bool:
    """Whether both texts parse to the same tree, positions aside."""
    trees = parse(before), parse(after)
    return None not in trees and len({_dump(tree) for tree in trees}) == 1


def same_tree_but_docstrings(before: str, after: str) -> bool:
    """Whether both texts parse to the same tree once docstrings are taken out."""
    trees = [parse(before), parse(after)]
    for tree in trees:
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
                node.body[0] = ast.Pass()
    return None not in trees and len({_dump(tree) for tree in trees}) == 1


def same_code_but_names(before: str, after: str, old_names: Mapping[str, str]) -> bool:
    """Whether both texts compile to the same bytecode once each new local name is read as the old one.

    `old_names` maps new names, which must be fresh in `before`, to old ones. Names of globals, attributes and keyword
    arguments must be equal as they stand.
    """
    codes = [_quietly(lambda text: compile(text, "text", "exec", dont_inherit=True), text) for text in (before, after)]
    if codes[0] is None or codes[1] is None:
        return False
    return _normal(codes[0], {}) == _normal(codes[1], old_names)


def _normal(code: CodeType, old: Mapping[str, str]) -> tuple[Any, ...]:
    def rename(name: Any) -> Any:
        return tuple(map(rename, name)) if isinstance(name, tuple) else old.get(name, name)

    def names(words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(rename(word) for word in words)

    return (
        (code.co_name, code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_names),
        names(code.co_varnames),
        sorted(names(code.co_cellvars)),
        sorted(names(code.co_freevars)),
        code.co_exceptiontable,
        list(_instructions(code, old, rename)),
    )


def _instructions(code: CodeType, old: Mapping[str, str], rename: Callable[[Any], Any]) -> Iterator[Any]:
    run: list[str] = []  # names of neighbouring instructions whose order says nothing
    local = set(code.co_varnames) | set(code.co_cellvars) | set(code.co_freevars)
    by_name = {*dis.haslocal, *dis.hasfree}
    for step in dis.get_instructions(code):
        if step.opname in _UNORDERED:
            run.append(rename(step.argval))
            continue
        if run:
            yield sorted(run)
            run = []
        if isinstance(step.argval, CodeType):
            yield step.opname, _normal(step.argval, old)
        elif step.opcode in by_name:
            assert step.argval in local or isinstance(step.argval, tuple)
            yield step.opname, rename(step.argval)
        elif step.opname in ("LOAD_CONST", "RETURN_CONST", "KW_NAMES"):
            yield step.opname, _constant(step.argval)
        else:
            yield step.opname, step.argval if isinstance(step.argval, (str, int)) else step.arg
    yield sorted(run)


def _constant(value: Any) -> Any:
    """A constant in a form that tells 1 from 1.0 and True, and in which the order of a set does not show."""
    if isinstance(value, frozenset):
        return "set", sorted(map(repr, map(_constant, value)))
    return tuple(map(_constant, value)) if isinstance(value, tuple) else repr(value)


def _dump(tree: ast.AST | None) -> str:
    assert tree is not None
    return ast.dump(tree)


def _quietly(function: Callable[[str], T], text: str) -> T | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(text)
    except _TOO_HARD:
        return None
