"""Renaming of local variables, and of parameters that nobody can pass by keyword.

What is renamed is decided on libcst's scopes; that nothing else changed is proved afterwards on what CPython compiles
both texts to (`same_code_but_names`). Left alone are

- attributes, globals, imports, functions and classes, `self` and `cls`, names with two leading underscores;
- names declared `global` or `nonlocal`, and those spelled in an f-string of the form {name=};
- names that a comment or docstring of the function mentions, so that prose and code stay together;
- everything in a function that could look at its own variables (`locals`, `eval`, `exec`, frames, signatures).

A parameter is renamed if it is positional-only or takes the rest (`*args`, `**kwargs`), or if its function is private
(leading underscore, or local to another function), has no decorator, is used in this text for nothing but calls, and
no such call passes it by keyword. Code elsewhere that passes arguments of a private function by keyword, or reads
variables out of another frame, is beyond what a text alone can show.
"""

import builtins
import keyword
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any

from better_ai.data.processing.augment.rewrite import cst, parse_module
from better_ai.data.processing.equivalence import same_code_but_names
from better_ai.extras import import_extra

if TYPE_CHECKING:
    import libcst.metadata as metadata
else:
    metadata = import_extra("libcst.metadata", "data")

INTROSPECTIVE = frozenset(
    [
        *("locals", "vars", "dir", "eval", "exec", "globals", "compile", "currentframe", "_getframe", "f_locals"),
        *("signature", "getargspec", "getfullargspec", "__code__", "co_varnames", "__kwdefaults__", "__defaults__"),
    ]
)
"""Names whose presence means that a function may look at its own variables or at those of the module."""

_KEPT = frozenset(["self", "cls", "mcs", "mcls", "_"])
_RESERVED = frozenset([*keyword.kwlist, *keyword.softkwlist, *dir(builtins)])
_WORD = re.compile(r"[^\W\d]\w*")

_SYNONYMS = {
    "i": ("index", "idx"),
    "n": ("count", "number"),
    "s": ("string", "text"),
    "x": ("value", "val"),
    "res": ("result", "outcome"),
    "result": ("outcome", "res"),
    "ret": ("result", "returned"),
    "tmp": ("temporary", "temp"),
    "idx": ("index", "position"),
    "index": ("idx", "position"),
    "num": ("number", "count"),
    "count": ("number", "total"),
    "val": ("value", "item"),
    "value": ("val", "content"),
    "item": ("element", "entry"),
    "items": ("elements", "entries"),
    "elem": ("element", "item"),
    "msg": ("message", "note"),
    "message": ("msg", "note"),
    "args": ("arguments", "parameters"),
    "kwargs": ("keywords", "options"),
    "func": ("function", "callback"),
    "fn": ("function", "func"),
    "name": ("label", "title"),
    "line": ("row", "text_line"),
    "lines": ("rows", "text_lines"),
    "path": ("location", "file_path"),
    "data": ("payload", "content"),
    "buf": ("buffer", "chunk"),
    "key": ("identifier", "label"),
    "obj": ("target", "instance"),
    "start": ("begin", "first"),
    "end": ("stop", "last"),
    "size": ("length", "extent"),
    "length": ("size", "extent"),
}

Namer = Callable[[str, Random, frozenset[str]], str]
"""Old name, randomness, names that are taken -> a free name."""


def rename_variables(text: str, random: Random) -> str | None:
    """Give about half of the variables other names that read well."""
    return _rename(text, random, _readable, 0.5)


def obscure_variables(text: str, random: Random) -> str | None:
    """Give all variables names that say nothing."""
    return _rename(text, random, _opaque, 1.0)


def rename_one(text: str, random: Random) -> tuple[str, str, str] | None:
    """The text with one variable renamed, its old name and its new one."""
    found = _renameable(text)
    if not found:
        return None
    old = random.choice(sorted(found[1]))
    new = _readable(old, random, _taken(text))
    written = _write(text, *found, {old: new})
    return None if written is None else (written, old, new)


def _rename(text: str, random: Random, namer: Namer, share: float) -> str | None:
    found = _renameable(text)
    if not found:
        return None
    names = sorted(found[1])
    chosen = [name for name in names if random.random() < share] or [random.choice(names)]
    taken = _taken(text)
    new_names = {}
    for name in chosen:
        new_names[name] = namer(name, random, taken)
        taken |= {new_names[name]}
    return _write(text, *found, new_names)


def _write(text: str, module: "cst.Module", nodes: dict[str, list[Any]], new_names: dict[str, str]) -> str | None:
    replacements = {id(node): new for old, new in new_names.items() for node in nodes[old]}
    written = module.visit(_Replace(replacements)).code
    old_names = {new: old for old, new in new_names.items()}
    return written if same_code_but_names(text, written, old_names) else None


def _taken(text: str) -> frozenset[str]:
    """All words of a text, code or not: a name that is none of them neither shadows nor captures anything."""
    return _RESERVED.union(_WORD.findall(text))


def _readable(name: str, random: Random, taken: frozenset[str]) -> str:
    words = name.split("_")
    swapped = [
        "_".join([*words[:place], synonym, *words[place + 1 :]])
        for place, word in enumerate(words)
        for synonym in _SYNONYMS.get(word, ())
    ]
    camel = words[0] + "".join(word.capitalize() for word in words[1:])
    candidates = [*swapped, *([camel] if len(words) > 1 and all(words) else []), f"current_{name}", f"{name}_value"]
    free = [candidate for candidate in candidates if candidate not in taken]
    return random.choice(free) if free else _numbered(name, taken)


def _opaque(name: str, random: Random, taken: frozenset[str]) -> str:
    free = [letter for letter in "abcdefghkmnpqrtuvwxyz" if letter not in taken]
    return random.choice(free) if free else _numbered("v", taken)


def _numbered(stem: str, taken: Iterable[str]) -> str:
    number = 1
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"


def _renameable(text: str) -> tuple["cst.Module", dict[str, list[Any]]] | None:
    """The module, and for each name that may change all nodes that spell it."""
    module = parse_module(text)
    if module is None:
        return None
    try:
        wrapper = metadata.MetadataWrapper(module, unsafe_skip_copy=True)
        scopes = {scope for scope in wrapper.resolve(metadata.ScopeProvider).values() if scope is not None}
        facts = _Facts()
        module.visit(facts)
    except RecursionError:
        return None
    nodes: dict[str, list[Any]] = defaultdict(list)
    for scope in scopes:
        outermost = _outermost(scope)
        if outermost is None or id(outermost) in facts.introspective:
            continue
        for name in {assignment.name for assignment in scope.assignments}:
            if name.startswith("__") or name in _KEPT | facts.declared | facts.mentioned[id(outermost)]:
                continue
            spelled = _spelled(scope, name, facts)
            if spelled:
                nodes[name] += spelled
    return (module, nodes) if nodes else None


def _outermost(scope: Any) -> Any:
    """The outermost function around a function's or comprehension's scope; None for all other scopes."""
    if not isinstance(scope, metadata.ComprehensionScope) and not _is_function(scope):
        return None
    function = None
    while not isinstance(scope, metadata.GlobalScope):
        if _is_function(scope):
            function = scope.node
        scope = scope.parent
    return function


def _is_function(scope: Any) -> bool:
    return isinstance(scope, metadata.FunctionScope) and isinstance(getattr(scope, "node", None), cst.FunctionDef)


def _spelled(scope: Any, name: str, facts: "_Facts") -> list[Any] | None:
    """All nodes that spell a variable of a scope, or None where it must keep its name."""
    found: dict[int, Any] = {}
    for assignment in scope[name]:
        if assignment.scope is not scope or not isinstance(assignment, metadata.Assignment):
            return None
        node = assignment.node
        if isinstance(node, cst.Param):
            if not _may_rename(node, name, scope, facts):
                return None
            node = node.name
        references = [access.node for access in assignment.references]
        if not all(isinstance(each, cst.Name) and each.value == name for each in [node, *references]):
            return None
        found.update((id(each), each) for each in [node, *references])
    return list(found.values())


def _may_rename(param: "cst.Param", name: str, scope: Any, facts: "_Facts") -> bool:
    """Whether no call can pass this parameter by keyword."""
    if not isinstance(scope.node, cst.FunctionDef):
        return False
    function, parameters = scope.node, scope.node.params
    if param in (parameters.star_arg, parameters.star_kwarg) or any(
        param is each for each in parameters.posonly_params
    ):
        return True
    outer = scope.parent
    local = _is_function(outer)
    private = isinstance(outer, metadata.GlobalScope) and function.name.value.startswith("_")
    if not (local or private) or function.decorators:
        return False
    definitions = outer[function.name.value]
    if len(definitions) != 1:
        return False
    for access in next(iter(definitions)).references:
        call = facts.calls.get(id(access.node))
        if call is None or any(arg.star == "**" or (arg.keyword and arg.keyword.value == name) for arg in call.args):
            return False
    return True


class _Facts(cst.CSTVisitor):
    """What scopes do not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[int, cst.Call] = {}
        """By the id of the name that is called."""
        self.declared: set[str] = set()
        """Names in `global` and `nonlocal` statements, and in f-strings that show them."""
        self.mentioned: dict[int, set[str]] = defaultdict(set)
        """Words of comments and docstrings, by the id of the outermost function around them."""
        self.introspective: set[int] = set()
        """Ids of outermost functions that may look at variables by name."""
        self._functions: list[int] = []

    def visit_FunctionDef(self, node: "cst.FunctionDef") -> None:
        self._functions.append(id(node))
        self._mention(node.get_docstring(clean=False) or "")

    def leave_FunctionDef(self, original_node: "cst.FunctionDef") -> None:
        self._functions.pop()

    def visit_Comment(self, node: "cst.Comment") -> None:
        self._mention(node.value)

    def visit_Name(self, node: "cst.Name") -> None:
        if self._functions and node.value in INTROSPECTIVE:
            self.introspective.add(self._functions[0])

    def visit_Call(self, node: "cst.Call") -> None:
        self.calls[id(node.func)] = node

    def visit_NameItem(self, node: "cst.NameItem") -> None:
        self.declared.add(node.name.value)

    def visit_FormattedStringExpression(self, node: "cst.FormattedStringExpression") -> None:
        if node.equal is not None and isinstance(node.expression, cst.Name):
            self.declared.add(node.expression.value)

    def _mention(self, prose: str) -> None:
        if self._functions:
            self.mentioned[self._functions[0]].update(_WORD.findall(prose))


class _Replace(cst.CSTTransformer):
    def __init__(self, replacements: dict[int, str]) -> None:
        super().__init__()
        self._replacements = replacements

    def leave_Name(self, original_node: "cst.Name", updated_node: "cst.Name") -> "cst.Name":
        new = self._replacements.get(id(original_node))
        return updated_node if new is None else updated_node.with_changes(value=new)
