"""From a completion to the program to judge, and what can be said of a program without running it."""

import ast
import re
import warnings
from dataclasses import dataclass

from better_ai.tasks import Task

MAX_PROGRAM_CHARACTERS = 1 << 16
"""A longer program is not parsed: what CPython's parser does with nesting is bounded by the text it gets."""

_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)


def extract_code(text: str) -> str:
    """The first fenced block, up to the end where its fence is never closed; without a fence, the whole text."""
    found = _FENCE.search(text)
    return found.group(1) if found else text


def program_of(task: Task, text: str) -> str:
    """The whole program that a completion stands for.

    After a prompt of code the completion may go on where the prompt ends, or write the function anew; then the
    prompt stays before it, since it may hold imports and helpers.
    """
    code = extract_code(text)
    if task.prompt_kind == "instruction":
        return code
    if inspect_program(code, task.entry_point).defines:
        return f"{task.prompt}\n\n{code}"
    return task.prompt + code


@dataclass(frozen=True)
class Inspection:
    """What parsing tells of a program."""

    parses: bool
    defines: bool
    """Whether it binds the entry point anywhere; code that only `exec` would run is not looked into."""
    problem: str = ""
    """Why it cannot pass; empty when it may."""


def inspect_program(program: str, entry_point: str) -> Inspection:
    """Parse a program; nothing of it is run. Safe for any text: see `MAX_PROGRAM_CHARACTERS`."""
    if len(program) > MAX_PROGRAM_CHARACTERS:
        return Inspection(False, False, f"longer than {MAX_PROGRAM_CHARACTERS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(program)
    except SyntaxError as error:
        return Inspection(False, False, f"does not parse: {error.msg}, line {error.lineno}")
    except ValueError as error:
        return Inspection(False, False, f"does not parse: {error}")
    except (RecursionError, MemoryError):
        return Inspection(False, False, "does not parse: nested too deeply")
    if any(_binds(node, entry_point) for node in ast.walk(tree)):
        return Inspection(True, True)
    return Inspection(True, False, f"does not define {entry_point}")


def _binds(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name == name
    if isinstance(node, ast.Name):
        return node.id == name and isinstance(node.ctx, ast.Store)
    if isinstance(node, ast.alias):
        return node.name == "*" or (node.asname or node.name.partition(".")[0]) == name
    return False
