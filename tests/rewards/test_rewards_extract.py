"""From completions to programs; no text, however strange, may harm the process that looks at it."""

import ast
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.rewards.extract import MAX_PROGRAM_CHARACTERS, extract_code, inspect_program, program_of
from better_ai.tasks import Task

CODE = "def f(x):\n    return x\n"
TASK = Task(
    id="t", prompt="Write f.", entry_point="f", tests="assert f(1) == 1\n", reference=CODE, difficulty=0.1, tags=("t",)
)
CODE_TASK = replace(
    TASK, prompt='import math\n\n\ndef f(x):\n    """Return x."""\n', reference="", prompt_kind="code"
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        f"```python\n{CODE}```",
        f"Sure! Here it is:\n\n```python\n{CODE}```\n\nIt returns x.\n```python\nf(1)\n```",
        f"```\n{CODE}",
        f"  ```py title\n{CODE}  ```\n",
    ],
)
def test_the_first_block_or_else_the_text(text: str) -> None:
    assert extract_code(text) == CODE
    assert program_of(TASK, text) == CODE


def test_a_backtick_inside_code_is_no_fence() -> None:
    code = 'def f(x):\n    return "```"\n'
    assert extract_code(f"```\n{code}```\n") == code


def test_a_completion_goes_on_where_a_prompt_of_code_ends() -> None:
    assert program_of(CODE_TASK, "    return x\n") == CODE_TASK.prompt + "    return x\n"
    assert program_of(CODE_TASK, "```python\n    return x\n```") == CODE_TASK.prompt + "    return x\n"


def test_a_function_written_anew_keeps_the_imports_of_its_prompt() -> None:
    program = program_of(CODE_TASK, "```python\ndef f(x):\n    return math.floor(x)\n```")
    names: dict = {}
    exec(program, names)
    assert names["f"](2.5) == 2


@pytest.mark.parametrize(
    ("program", "defines"),
    [
        ("def f(): pass", True),
        ("async def f(): pass", True),
        ("class f: pass", True),
        ("f = lambda: 1", True),
        ("g, (f, h) = 1, (2, 3)", True),
        ("if (f := 3): pass", True),
        ("if True:\n    def f(): pass", True),
        ("from m import f", True),
        ("from m import g as f", True),
        ("import f.g", True),
        ("from m import *", True),
        ("f()", False),
        ("def g(): pass", False),
        ("import g as h", False),
        ("x.f = 1", False),
        ("# def f(): pass", False),
        ("", False),
    ],
)
def test_what_defines_the_entry_point(program: str, defines: bool) -> None:
    assert inspect_program(program, "f").defines == defines


@pytest.mark.parametrize(
    "program",
    [
        "def f(:", "def f():\nreturn 1", "\0", "def f(): return '\ud800'", "9" * 5000, "(" * 300, "f'{" * 9,
        "x" * (MAX_PROGRAM_CHARACTERS + 1),
    ],
)  # fmt: skip
def test_what_does_not_parse_is_told_with_its_reason(program: str) -> None:
    inspection = inspect_program(program, "f")
    assert not inspection.parses
    assert inspection.problem


_REPEATED = (
    "-", "not ", "~", "x.", "1+", "1**", "lambda:", "1 if 1 else ", "x=", "if x:pass\nelif ", "(", "[", "{1:", "f'{",
    "@x\n", "await ", "x()", "x[0]", "1 and ", "for x in y: ", "while 1:", "\\\n", "'a' ", "match x:\n case ",
)  # fmt: skip


def test_no_nesting_brings_the_parser_down() -> None:
    """In a process of its own, with the deepest texts that the length limit lets through."""
    program = (
        "from better_ai.rewards.extract import MAX_PROGRAM_CHARACTERS as most, inspect_program\n"
        f"for piece in {_REPEATED!r}:\n"
        "    for size in (most, most // 8, most // 32):\n"
        "        text = piece * (size // len(piece))\n"
        "        for tail in ('', '1', 'x:pass', 'def f(): pass'):\n"
        "            inspect_program((text + tail)[:most], 'f')\n"
        "print('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "alive\n", (done.returncode, done.stderr[-500:])


@given(st.text(st.characters(), max_size=200) | st.text("def f():\n `'\"\\(){}[]:=+1x\t\0\r", max_size=200))
def test_any_text_is_inspected_without_an_error(text: str) -> None:
    program = program_of(TASK, text)
    inspection = inspect_program(program, "f")
    assert (inspection.problem == "") == (inspection.parses and inspection.defines)
    if inspection.parses:
        ast.parse(program)
