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
    stands at the head of the tests. The challenge tests (eleven tasks) are left out, as the published scores leave
    them out. The split follows the paper's task ids. Raises UserError that names every bad line.
    """
    return read_records(path, _mbpp_task)


def _mbpp_task(record: dict[str, Any]) -> Task:
    number = record["task_id"]
    if not isinstance(number, int):
        raise ValueError(f"task_id must be an integer, found {number!r}")
    tests = [test.replace("\r\n", "\n") for test in texts(record, "test_list")]
    setup = text(record, "test_setup_code").replace("\r\n", "\n")
    if not tests:
        raise ValueError("test_list is empty")
    return Task(
        id=f"MBPP/{number}",
        prompt=f"{text(record, 'text').strip()}\nYour code should pass this test:\n{tests[0]}",
        entry_point=_tested_function(tests[0], text(record, "code")),
        tests="".join(line + "\n" for line in (*([setup] if setup else []), *tests)),
        reference=text(record, "code").replace("\r\n", "\n"),
        difficulty=0.5,
        tags=("mbpp",),
        split=_mbpp_split(number),
    )


def _tested_function(test: str, solution: str) -> str:
    """The function of the solution that the test calls."""
    try:
        defined = {node.name for node in ast.parse(solution).body if isinstance(node, ast.FunctionDef)}
        called = [node.func for node in ast.walk(ast.parse(test)) if isinstance(node, ast.Call)]
    except SyntaxError as error:
        raise ValueError(f"not Python ({error.msg}, line {error.lineno})") from None
    names = [function.id for function in called if isinstance(function, ast.Name) and function.id in defined]
    if not names:
        raise ValueError(f"the first test calls none of the solution's functions {sorted(defined)}")
    return names[0]


def _mbpp_split(number: int) -> Split:
    if number <= _MBPP_PROMPT_LAST or number > _MBPP_VALIDATION_LAST:
        return "train"
    return "heldout" if number <= _MBPP_TEST_LAST else "validation"
