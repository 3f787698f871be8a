"""Readers of public benchmark files, given by path: HumanEval (arXiv 2107.03374) and MBPP (arXiv 2108.07732).

Both sets are for measuring only; nothing here gives them to a training stage.
"""

import ast
from pathlib import Path
from typing import Any

from better_ai.tasks.jsonl import read_records, text, texts
from better_ai.tasks.task import Split, Task

_MBPP_PROMPT_LAST, _MBPP_TEST_LAST, _MBPP_VALIDATION_LAST = 10, 510, 600
"""The task ids that end MBPP's few-shot, test and validation parts; the rest is for training."""


def read_humaneval(path: Path | str) -> list[Task]:
    """Read `HumanEval.jsonl`, gzip or not: prompts are the beginning of a program, tests define `check(candidate)`.

    Helper functions that stand in a prompt (tasks 32, 38 and 50 test with them) are repeated before the tests, which
    run apart from the candidate. Raises UserError that names every bad line.
    """
    return read_records(path, _humaneval_task)


def _humaneval_task(record: dict[str, Any]) -> Task:
    prompt, entry_point = text(record, "prompt"), text(record, "entry_point")
    return Task(
        id=text(record, "task_id"),
        prompt=prompt,
        entry_point=entry_point,
        tests=_helpers(prompt, entry_point) + text(record, "test").lstrip("\n"),
        reference=prompt + text(record, "canonical_solution"),
        difficulty=0.5,
        tags=("humaneval",),
        split="heldout",
        prompt_kind="code",
    )


def _helpers(prompt: str, entry_point: str) -> str:
    """The source of a code prompt's statements other than the function to complete."""
    try:
        statements = ast.parse(prompt).body
    except SyntaxError as error:
        raise ValueError(f"prompt is not the beginning of a program ({error.msg}, line {error.lineno})") from None
    names = {statement.name for statement in statements if isinstance(statement, ast.FunctionDef)}
    if entry_point not in names:
        raise ValueError(f"prompt does not begin a function {entry_point!r}")
    others = [node for node in statements if not (isinstance(node, ast.FunctionDef) and node.name == entry_point)]
    return "".join(ast.unparse(node) + "\n\n" for node in others)


def read_mbpp(path: Path | str) -> list[Task]:
    """Read `mbpp.jsonl`: prompts are instructions, followed by the first test because only tests name the function.

    Solutions come with CRLF line ends, which are normalised. Set-up code (two tasks) needs the solution's names and so
    stands at the head of the tests. Tests that use a module which the solution imports (596) import it themselves;
    tests that handle objects of a class which it defines (367, 601, 927) share its process. The challenge tests
    (eleven tasks) are left out, as the published scores leave them out. The split follows the paper's task ids.
    Raises UserError that names every bad line.
    """
    return read_records(path, _mbpp_task)


def _mbpp_task(record: dict[str, Any]) -> Task:
    number = record["task_id"]
    if not isinstance(number, int):
        raise ValueError(f"task_id must be an integer, found {number!r}")
    reference = text(record, "code").replace("\r\n", "\n")
    setup = text(record, "test_setup_code")
    asserts = texts(record, "test_list")
    if not asserts:
        raise ValueError("test_list is empty")
    tests = "".join(line.replace("\r\n", "\n") + "\n" for line in (*([setup] if setup else []), *asserts))
    try:
        solution, tested = ast.parse(reference).body, _names(ast.parse(tests))
    except SyntaxError as error:
        raise ValueError(f"not Python ({error.msg}, line {error.lineno})") from None
    functions = [node.name for node in solution if isinstance(node, ast.FunctionDef) and node.name in tested]
    if not functions:
        raise ValueError("the tests call none of the solution's functions")
    imports = [
        ast.unparse(node) + "\n"
        for node in solution
        if isinstance(node, ast.Import) and tested & {alias.asname or alias.name for alias in node.names}
    ]
    shared = any(isinstance(node, ast.ClassDef) and node.name in tested for node in solution)
    return Task(
        id=f"MBPP/{number}",
        prompt=f"{text(record, 'text').strip()}\nYour code should pass this test:\n{asserts[0]}",
        entry_point=functions[-1],
        tests="".join(imports) + tests,
        reference=reference,
        difficulty=0.5,
        tags=("mbpp",),
        split=_mbpp_split(number),
        integrity="shared" if shared else "split",
    )


def _names(tree: ast.Module) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _mbpp_split(number: int) -> Split:
    if number <= _MBPP_PROMPT_LAST or number > _MBPP_VALIDATION_LAST:
        return "train"
    return "heldout" if number <= _MBPP_TEST_LAST else "validation"
