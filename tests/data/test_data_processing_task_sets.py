"""Functions become conversations whose answers are the original or computed from it."""

import ast
import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processing_programs import PROGRAMS

from better_ai.data.processing.conversations import Draft, fenced
from better_ai.data.processing.docstrings import parse
from better_ai.data.processing.functions import FunctionText, functions
from better_ai.data.processing.hygiene import personal
from better_ai.data.processing.mutation import mutate
from better_ai.data.processing.source import Source
from better_ai.data.processing.task_sets.bug_fixing import fix_bug
from better_ai.data.processing.task_sets.completion import borders, complete
from better_ai.data.processing.task_sets.documentation import document, without_docstring
from better_ai.data.processing.task_sets.instructions import converse, instruct, signature
from better_ai.data.processing.task_sets.refactoring import refactor

MODULE = '''"""A module."""
import os, re as regex
import os.path
from math import floor, ceil as up
from . import sibling

LIMIT = 3

def clamp(value: int, low: int = 0, *, high: int = 10) -> int:
    """Bring a value between two bounds.

    Args:
        value: what to clamp
        low: the smallest result

    Returns:
        the value, or the bound it passed

    >>> clamp(12)
    10
    >>> clamp(-2, low=1)
    1
    """
    if low > high:
        raise ValueError("empty")
    if value < low:
        return low
    return high if value > high else value


def limited(paths):
    """Names of the first files of a list."""
    found = [os.path.basename(regex.sub("x", "y", path)) for path in paths]
    return found[:LIMIT], floor(2)


class Store:
    def get(self, key, default=None):
        """Look a key up in the store, or give the default."""
        try:
            return self.items[key]
        except KeyError:
            text = """not
moved"""
            return default or text

    def put(self, key, value):
        """Put a value into the store
        under a key.
        """
        # comment
        if key in self.items:
            self.items[key].append(value)
        else:
            self.items[key] = [value]

    def stub(self):
        """Nothing here yet, at all."""
        raise NotImplementedError
'''
FENCE = re.compile(r"```\w*\n(.*?)```", re.DOTALL)


@pytest.fixture
def found() -> dict[str, FunctionText]:
    return {each.name: each for each in functions(Source(MODULE), min_lines=3, max_lines=60)}


def code(draft: Draft) -> list[str]:
    """The code blocks of each message."""
    return ["".join(FENCE.findall(message.content)) for message in draft.messages]


def test_functions_are_taken_out_with_what_they_need(found: dict[str, FunctionText]) -> None:
    assert list(found) == ["clamp", "limited", "Store.put"], "no stub, and no method whose text moving it would change"
    assert found["limited"].imports == ("from math import floor", "import os", "import os.path", "import re as regex")
    assert found["limited"].missing == {"LIMIT"} and not found["clamp"].missing
    for function in found.values():
        ast.parse(function.text)
        assert function.in_document(function.text) == MODULE
    assert found["Store.put"].text.startswith("def put(self") and found["Store.put"].is_method


def test_examples_in_docstrings_become_assertions(found: dict[str, FunctionText]) -> None:
    assert found["clamp"].examples == "assert repr(clamp(12)) == '10'\nassert repr(clamp(-2, low=1)) == '1'\n"
    exec(found["clamp"].text + found["clamp"].examples, {})
    assert found["limited"].examples == ""


@given(seed=st.integers(0, 500))
def test_prompt_and_answer_of_a_completion_are_the_function(seed: int) -> None:
    for function in functions(Source(MODULE), min_lines=3, max_lines=60):
        draft = complete(function, Random(seed))
        assert draft is not None
        prompt, answer = code(draft)
        assert prompt + answer == function.with_imports
        assert answer.strip() and ast.parse(prompt + answer)
        assert re.match(r"\s+(?!\s)", answer), "the answer begins with the indentation of its first line"


def test_borders_are_where_statements_begin(found: dict[str, FunctionText]) -> None:
    put = found["Store.put"]
    lines = [put.source.data[start:].decode().split("\n")[0].strip() for start in borders(put)]
    assert lines == ["if key in self.items:", "self.items[key].append(value)", "self.items[key] = [value]"]


def passes(program: str, tests: str) -> bool:
    """In this process: the programs are this test's own."""
    try:
        exec(program.replace("from . import sibling", "") + tests, {})
    except Exception:
        return False
    return True


def test_bugs_are_verified_by_the_examples_of_the_docstring(found: dict[str, FunctionText]) -> None:
    drafts = [fix_bug(found["clamp"], Random(seed), passes, verified_only=True) for seed in range(60)]
    for draft in drafts:
        assert draft is not None and draft.transformation["verified"] is True
        broken, fixed = (text for text in code(draft))
        assert passes(fixed, found["clamp"].examples)
        assert not passes(broken.replace(found["clamp"].examples, ""), found["clamp"].examples)
    assert len({draft.transformation["operator"] for draft in drafts}) >= 3
    assert fix_bug(found["limited"], Random(0), passes, verified_only=True) is None
    unverified = fix_bug(found["limited"], Random(0), passes, verified_only=False)
    assert unverified is not None and unverified.transformation["verified"] is False
    nobody = fix_bug(found["clamp"], Random(0), None, verified_only=False)
    assert nobody is not None and nobody.transformation["verified"] is False


def test_tests_that_the_original_fails_verify_nothing(found: dict[str, FunctionText]) -> None:
    draft = fix_bug(found["clamp"], Random(0), lambda program, tests: False, verified_only=False)
    assert draft is not None and draft.transformation["verified"] is False
    assert fix_bug(found["clamp"], Random(0), lambda program, tests: True, verified_only=True) is None


def test_mutations_differ_parse_and_point_at_their_line() -> None:
    operators = set()
    for _, program, _ in PROGRAMS.values():
        source = Source(program)
        for mutation in mutate(source, Random(0)):
            operators.add(mutation.operator)
            assert ast.dump(ast.parse(mutation.text)) != ast.dump(ast.parse(program))
            before, after = program.split("\n"), mutation.text.split("\n")
            changed = next(
                number for number, pair in enumerate(zip(before, after, strict=False), 1) if pair[0] != pair[1]
            )
            assert changed == mutation.line
    assert operators == {
        *("arithmetic", "boolean", "boundary", "comparison", "logic", "loop_exit", "missing_call", "missing_return"),
        *("negation", "off_by_one", "swapped_arguments", "wrong_variable"),
    } - {"boolean"}


@pytest.mark.parametrize(
    ("text", "mutants"),
    [
        (
            "def f(a, b):\n    return a < b\n",
            {"return a <= b", "return a > b", "return b < b", "return a < a", "a < b"},
        ),
        (
            "def f(a):\n    return not a in (1, True)\n",
            {"return not a not in (1, True)", "return not a in (2, True)", "return not a in (0, True)"}
            | {"return not a in (1, False)", "not a in (1, True)"},
        ),
        ("def f(a):\n    if not a: g()\n", {"if (a): g()", "if not a: pass"}),
        ("def f(a):\n    while True: break\n", {"while False: break", "while True: continue"}),
        ("def f(a):\n    g(a, 'é', *a)\n", {"g('é', a, *a)", "pass"}),
        ("def f(x):\n    return f'{x + 1}'\n", {"f'{x + 1}'"}),
        (
            "def f(x):\n    for i in range(x): return x[i:2] + x\n",
            {"for i in range(x + 1): return x[i:2] + x", "for i in range(x - 1): return x[i:2] + x"}
            | {"for i in range(x): return x[i:3] + x", "for i in range(x): return x[i:1] + x"}
            | {"for i in range(x): return x[i:2] - x", "for i in range(x): return x[x:2] + x"}
            | {"for i in range(x): x[i:2] + x"},
        ),
    ],
)
def test_mutants_of_small_functions(text: str, mutants: set[str]) -> None:
    written = [mutation.text.split("\n", 1)[1].strip() for mutation in mutate(Source(text), Random(0))]
    assert len(written) == len(set(written))
    assert set(written) == mutants


def test_a_refactored_function_is_the_original(found: dict[str, FunctionText]) -> None:
    for seed in range(10):
        draft = refactor(found["clamp"], Random(seed))
        assert draft is not None
        messy, clean = code(draft)
        assert clean == found["clamp"].with_imports and messy != clean
        for value, low, high in [(5, 0, 10), (-1, 0, 10), (11, 0, 10), (3, 4, 9)]:
            results = []
            for text in (messy, clean):
                space: dict = {}
                exec(text, space)
                results.append(space["clamp"](value, low, high=high))
            assert results[0] == results[1]
    assert refactor(found["clamp"], Random(0), still_passes=lambda text: False) is None


def test_documentation_asks_for_the_docstring_in_a_style(found: dict[str, FunctionText]) -> None:
    styles = set()
    for seed in range(20):
        draft = document(found["clamp"], Random(seed))
        if draft is None:
            continue
        undocumented, docstring = code(draft)
        assert ast.get_docstring(ast.parse(undocumented).body[-1]) is None
        written, style = parse(ast.literal_eval(docstring.strip()))
        assert style == draft.transformation["style"]
        assert [entry.name for entry in written.parameters] == ["value", "low"]
        styles.add(style)
    assert len(styles) >= 3
    plain = document(found["Store.put"], Random(0))
    assert plain is not None and plain.transformation["style"] is None


def test_an_instruction_says_what_the_docstring_says(found: dict[str, FunctionText]) -> None:
    draft = instruct(found["clamp"], Random(0))
    assert draft is not None and draft.turns == 1
    request = draft.messages[0].content
    assert signature(found["clamp"]) == "clamp(value, low=0, *, high=10)" and signature(found["clamp"]) in request
    assert "Bring a value between two bounds." in request and "`low`: the smallest result." in request
    assert code(draft)[1] == found["clamp"].with_imports
    assert instruct(found["limited"], Random(0)) is None, "it needs LIMIT, which the user does not know of"
    assert instruct(found["Store.put"], Random(0)) is None, "a method alone is no program"


def test_follow_ups_are_computed(found: dict[str, FunctionText]) -> None:
    clamp = found["clamp"]
    seen = {}
    for seed in range(80):
        draft = converse(clamp, Random(seed))
        assert draft is not None and draft.turns == 2 and len(draft.messages) == 4
        seen[draft.transformation["follow_up"]] = draft
    assert set(seen) == {"clarifying", "documenting", "completing", "typing", "guarding", "testing"}, (
        "no local to rename"
    )

    for kind in ("clarifying", "documenting", "typing", "guarding", "completing"):
        assert code(seen[kind])[3] == clamp.with_imports, kind
    untyped = ast.parse(code(seen["typing"])[1]).body[0]
    assert untyped.returns is None and not any(arg.annotation for arg in ast.walk(untyped) if isinstance(arg, ast.arg))
    assert (
        "ValueError" not in code(seen["guarding"])[1]
        and "`ValueError` if `low > high`" in seen["guarding"].messages[2].content
    )
    assert code(seen["documenting"])[1] == without_docstring(clamp)
    exec(code(seen["testing"])[1] + code(seen["testing"])[3], {})


def test_the_follow_up_of_a_renaming_is_the_renamed_function() -> None:
    module = (
        'def total(numbers):\n    """Add up all numbers there are."""\n    result = sum(numbers)\n    return result\n'
    )
    (function,) = functions(Source(module), min_lines=3, max_lines=60)
    drafts = [converse(function, Random(seed)) for seed in range(30)]
    renamed = [draft for draft in drafts if draft is not None and draft.transformation["follow_up"] == "renaming"]
    assert renamed
    for draft in renamed:
        old, new = re.findall(r"`(\w+)`", draft.messages[2].content)
        assert code(draft)[3] == module.replace(old, new) != module


def test_no_fence_can_be_closed_from_inside() -> None:
    text = 'x = """\n```\n"""\n'
    assert fenced(text) == f"````python\n{text}````"
    assert fenced("a") == "```python\na\n```"


@pytest.mark.parametrize(
    "text",
    [
        "Ask jane.doe@corp.org about it",
        "# Author: somebody",
        "    Copyright (c) 2001 Somebody",
        "Patch by Jane Doe",
        "Suggested by Erik J. Demaine in a mail",
        "Thanks to Tim Peters for this",
        "# TODO(jdoe): later",
        "Call +49 30 1234 5678",
        "https://user:secret@host/x",
        "Signed-off-by: X",
        "@jdoe suggested this",
        "__author__ = 'J'",
    ],
)
def test_what_points_to_a_person_is_seen(text: str) -> None:
    assert personal(text)


@pytest.mark.parametrize(
    "text",
    [
        "@property\ndef f(self): ...",
        "a = b @ c",
        "Thanks to the Python interpreter",
        "the author of a message",
        "# TODO: later",
        "sent to user@example.com",
        "1 + 2 - 3 + 4000 * 12",
        "Based on the Unicode Standard",
        "@functools.cache\ndef reported(): pass",
    ],
)
def test_code_and_prose_are_not_taken_for_people(text: str) -> None:
    assert personal(text) is None
