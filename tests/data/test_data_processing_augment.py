"""Augmenters change how a program looks and nothing that it does."""

import ast
import re
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processing_programs import PROGRAMS

from better_ai.data.processing.augment import AUGMENTERS, augment, augmenter
from better_ai.data.processing.augment.names import rename_one
from better_ai.data.processing.equivalence import same_code_but_names, same_tree, same_tree_but_docstrings
from better_ai.sandbox import JudgeJob, Sandbox

LAYOUT = ("quotes", "blank_lines", "indentation", "line_breaks", "spaces")
SEEDS = range(6)


@cache
def library_functions() -> list[str]:
    """Functions of the standard library, as texts."""
    found = []
    for path in sorted(Path(ast.__file__).parent.glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = text.split("\n")
        found += [
            "\n".join(lines[node.lineno - 1 : node.end_lineno]) + "\n"
            for node in ast.parse(text).body
            if isinstance(node, ast.FunctionDef) and 3 <= node.end_lineno - node.lineno <= 60
        ]
    return Random(0).sample(sorted(set(found)), 400)


@pytest.mark.parametrize("name", AUGMENTERS)
@settings(max_examples=25)
@given(index=st.integers(0, 399), seed=st.integers(0, 99))
def test_what_comes_out_parses_and_is_something_else(name: str, index: int, seed: int) -> None:
    text = library_functions()[index]
    written = augmenter(name)(text, Random(seed))
    assert written == augmenter(name)(text, Random(seed))
    if written is not None:
        assert written != text
        compile(written, name, "exec")
        if name in LAYOUT:
            assert ast.dump(ast.parse(written)) == ast.dump(ast.parse(text))


@pytest.mark.parametrize("name", AUGMENTERS)
def test_each_applies_somewhere(name: str) -> None:
    texts = [program for _, program, _ in PROGRAMS.values()]
    written = [augmenter(name)(text, Random(seed)) for text in texts for seed in SEEDS]
    assert any(written), f"{name} never applies"


@pytest.fixture(scope="module")
def box():
    with Sandbox(workers=2) as sandbox:
        yield sandbox


def test_programs_pass_their_tests_before_anything_is_done(box: Sandbox) -> None:
    jobs = [JudgeJob(program, tests, entry, "shared") for entry, program, tests in PROGRAMS.values()]
    assert [verdict.reason for verdict in box.judge_many(jobs) if not verdict.passed] == []


def check_rewritten(box: Sandbox, seeds: range) -> int:
    """Judge variants of all programs: of each augmenter alone, and of several one after the other."""
    jobs, made = [], []
    for entry, program, tests in PROGRAMS.values():
        variants = {augmenter(name)(program, Random(seed)): (name, seed) for name in AUGMENTERS for seed in seeds[:5]}
        for seed in seeds:
            mixed = augment(program, AUGMENTERS, Random(seed), most=6)
            assert mixed is not None and len(mixed.applied) >= 4
            variants[mixed.text] = (mixed.applied, seed)
        for text, how in variants.items():
            if text is not None:
                jobs.append(JudgeJob(text, tests, entry, "shared"))
                made.append((entry, how, text))
    verdicts = box.judge_many(jobs)
    broken = [(how, verdict.reason) for how, verdict in zip(made, verdicts, strict=True) if not verdict.passed]
    assert broken == []
    return len(jobs)


def test_rewritten_programs_pass_their_tests(box: Sandbox) -> None:
    assert check_rewritten(box, range(8)) > 200


@pytest.mark.slow
def test_rewritten_programs_pass_their_tests_over_many_seeds(box: Sandbox) -> None:
    assert check_rewritten(box, range(100, 200)) > 900


@pytest.mark.slow
@pytest.mark.parametrize("module", ["difflib.py", "statistics.py", "collections/__init__.py"])
def test_rewritten_modules_of_the_library_pass_their_doctests(box: Sandbox, module: str) -> None:
    text = (Path(ast.__file__).parent / module).read_text(encoding="utf-8").replace("if __name__ ==", "if False and")
    examine = "\nimport doctest, sys\nprint(doctest.testmod(sys.modules['__main__']))\n"
    expected = box.run(text + examine).stdout
    assert re.fullmatch(r"TestResults\(failed=0, attempted=[6-9]\d\)\n", expected)
    variants = {augmenter(name)(text, Random(seed)): (name, seed) for name in AUGMENTERS for seed in range(2)}
    mixed = [augment(text, AUGMENTERS, Random(seed), most=8) for seed in range(3)]
    variants |= {each.text: (each.applied, seed) for seed, each in enumerate(mixed) if each is not None}
    variants.pop(None, None)
    assert len(variants) > 15
    assert [how for variant, how in variants.items() if box.run(variant + examine).stdout != expected] == []


def test_an_augmenter_that_breaks_programs_is_caught_by_their_tests(box: Sandbox, monkeypatch) -> None:
    def wrong(text: str, random: Random) -> str | None:
        """Inverts branches and forgets the condition."""
        written = augmenter("invert_branches")(text, random)
        return written and written.replace("if not ", "if ", 1)

    entry, program, tests = PROGRAMS["private helpers"]
    monkeypatch.setattr("better_ai.data.processing.augment.branches.nest_branches", wrong)
    names = ("nest_branches", "rename", "quotes")
    unchecked = augment(program, names, Random(0), most=3)
    assert unchecked is not None and "nest_branches" in unchecked.applied
    assert not box.judge(unchecked.text, tests, entry, integrity="shared").passed

    asked = []

    def still_passes(text: str) -> bool:
        asked.append(text)
        return box.judge(text, tests, entry, integrity="shared").passed

    checked = augment(program, names, Random(0), most=3, still_passes=still_passes)
    assert checked is not None and len(asked) == 3
    assert set(checked.applied) == {"rename", "quotes"}
    assert box.judge(checked.text, tests, entry, integrity="shared").passed


def names_of(text: str) -> set[str]:
    tree = ast.parse(text)
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("def f(x):\n    y = x\n    return y\n", {"x"}),
        ("def _f(x):\n    return x\nprint(_f(x=1))\n", {"x"}),
        ("def _f(x):\n    return x\ng(**{'a': _f})\n", {"x"}),
        ("def _f(x):\n    return x\n_f(**{'x': 1})\n", {"x"}),
        ("@g\ndef _f(x):\n    return x\n", {"x"}),
        ("def f():\n    y = 1\n    return locals()\n", {"y"}),
        ("def f():\n    y = 1\n    return eval('y')\n", {"y"}),
        ("def f():\n    y = 1\n    def g():\n        return vars()\n    return g\n", {"y"}),
        ("def f():\n    y = 1\n    return f'{y=}'\n", {"y"}),
        ("def f():\n    global y\n    y = 1\n", {"y"}),
        ("def f():\n    y = 1\n    def g():\n        nonlocal y\n        y = 2\n    return y\n", {"y"}),
        ("def f():\n    # y holds one\n    y = 1\n    return y\n", {"y"}),
        ("class C:\n    y = 1\n    def _f(self, x):\n        return self.y + x\n", {"y", "self", "x"}),
        ("y = 1\ndef f():\n    return y\n", {"y"}),
        ("def f(g=lambda x: x):\n    return g(x=1)\n", {"x", "g"}),
    ],
)
@pytest.mark.parametrize("name", ["rename", "obscure"])
def test_names_that_somebody_may_know_are_kept(text: str, kept: set[str], name: str) -> None:
    for seed in range(20):
        written = augmenter(name)(text, Random(seed))
        if written is not None:
            assert kept <= names_of(written)


def test_parameters_nobody_passes_by_keyword_are_renamed() -> None:
    text = "def _f(x, /, *y, z, **w):\n    return x, y, z, w\n"
    text += "def g():\n    def h(v):\n        return v\n    return h(1), _f(1, z=2)\n"
    written = augmenter("obscure")(text, Random(0))
    assert written is not None
    assert names_of(text) - names_of(written) == {"x", "y", "w", "v"}


def test_new_names_are_fresh() -> None:
    text = (
        "import a, b\ndef f(count):\n    index = len(a.c)\n    return index, b, d, [i for i in count if i.e != 'k']\n"
    )
    for seed in range(50):
        written = augmenter("obscure")(text, Random(seed))
        assert written is not None
        fresh = names_of(written) - names_of(text)
        assert len(fresh) == 2 and not fresh & {"a", "b", "c", "d", "e", "k", "f"}
        found = rename_one(text, Random(seed))
        assert found is not None and found[1] in {"index", "i"} and found[2] not in text


def test_the_compiler_tells_a_consistent_renaming_from_others() -> None:
    text = "def f(a):\n    b = a\n    def g(): return b + a\n    return g\n"
    assert same_code_but_names(text, text.replace("b", "c"), {"c": "b"})
    for wrong in (
        text.replace("b = a", "c = a"),
        text.replace("return b", "return c"),
        text.replace("b", "a"),
        text.replace("b + a", "a + b"),
    ):
        assert not same_code_but_names(text, wrong, {"c": "b"})
    assert not same_code_but_names("def f():\n    return 1\n", "def f():\n    return True\n", {})
    assert not same_code_but_names("def f():\n    return x.y\n", "def f():\n    return x.z\n", {"z": "y"})


def test_trees_are_compared_with_and_without_docstrings() -> None:
    a, b = 'def f():\n    """A."""\n    return "A."\n', 'def f():\n    "B."\n    return "A."\n'
    assert same_tree(a, a.replace('"', "'")) and not same_tree(a, b)
    assert same_tree_but_docstrings(a, b) and not same_tree_but_docstrings(a, b.replace('return "A', 'return "B'))
    assert not same_tree("def", "def") and not same_tree_but_docstrings("def", "def")


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("invert_branches", "if a:\n    b\nelse:\n    c\n", "if not a:\n    c\nelse:\n    b\n"),
        ("invert_branches", "if a is b:\n    b\nelse:\n    c\n", "if a is not b:\n    c\nelse:\n    b\n"),
        ("invert_branches", "if(a or b):\n    b\nelse:\n    c\n", "if not (a or b):\n    c\nelse:\n    b\n"),
        ("invert_branches", "if (x := a):\n    b\nelse:\n    c\n", "if not (x := a):\n    c\nelse:\n    b\n"),
        ("de_morgan", "x = not (a and b)\n", "x = (not a or not b)\n"),
        ("de_morgan", "x = not a and not (b == c)\n", "x = not (a or (b == c))\n"),
        (
            "return_early",
            "def f():\n    if a:\n        return 1\n    else:\n        b\n        return 2\n",
            "def f():\n    if a:\n        return 1\n    b\n    return 2\n",
        ),
        (
            "return_early",
            "def f():\n    if a:\n        b\n        c\n",
            "def f():\n    if not a:\n        return\n    b\n    c\n",
        ),
        (
            "conditionals",
            "x = (a if c else\n     b)\n",
            "if c:\n    x = a\nelse:\n    x = b\n",
        ),
        (
            "conditionals",
            "if c:\n    x = lambda: 1\nelse:\n    x = 1, 2\n",
            "x = (lambda: 1) if c else (1, 2)\n",
        ),
        (
            "unroll_comprehensions",
            "def f():\n    x = [t + 1 for t in it if t]\n    return x\n",
            "def f():\n    x = []\n    for t in it:\n        if t:\n            x.append(t + 1)\n    return x\n",
        ),
        (
            "collect_in_comprehensions",
            "def f():\n    x = []\n    for a, b in it:\n        if a:\n            x.append(b)\n    return x\n",
            "def f():\n    x = [b for a, b in it if a]\n    return x\n",
        ),
        (
            "unroll_comprehensions",
            "def f():\n    x = [t for t in it]\n    return {t: [t for t in x] for t in x if t}\n",
            None,
        ),
        (
            "unroll_comprehensions",
            "def f():\n    x = [t for t in it]\n    return {t for t in x if t}\n",
            "def f():\n    x = []\n    for t in it:\n        x.append(t)\n    return {t for t in x if t}\n",
        ),
        ("call_format", 'x = f"{a.b!r:>4} {{}} {c}"\n', 'x = "{!r:>4} {{}} {}".format(a.b, c)\n'),
        ("use_f_strings", 'x = "{!r:>4} {{}} {}".format(a.b, c)\n', 'x = f"{a.b!r:>4} {{}} {c}"\n'),
        (
            "extract_constant",
            'import os\n\ndef f(x="kept"):\n    """Kept too."""\n    return x + "utf-8"\n',
            'import os\n_UTF_8 = "utf-8"\n\ndef f(x="kept"):\n    """Kept too."""\n    return x + _UTF_8\n',
        ),
    ],
)
def test_rewriting(name: str, before: str, after: str | None) -> None:
    assert augmenter(name)(before, Random(0)) == after


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("unroll_comprehensions", "x = [t for t in it]\n"),
        ("unroll_comprehensions", "def f(t):\n    x = [t for t in t]\n    return x\n"),
        ("unroll_comprehensions", "def f():\n    x = [t for t in it]\n    return x, (x for x in t)\n"),
        ("unroll_comprehensions", "def f():\n    t = 1\n    x = [t for t in it]\n    return t, x\n"),
        ("unroll_comprehensions", "def f(x):\n    x = [t for t in x]\n    return x\n"),
        ("unroll_comprehensions", "def f():\n    try:\n        x = [t for t in it]\n    finally:\n        return x\n"),
        ("unroll_comprehensions", "def f():\n    with g():\n        x = [t for t in it]\n    return x\n"),
        ("unroll_comprehensions", "def f():\n    x = [lambda: t for t in it]\n    return x\n"),
        ("unroll_comprehensions", "def f():\n    global x\n    x = [t for t in it]\n"),
        ("unroll_comprehensions", "def f():\n    x = [t for t in it]\n    return lambda: x\n"),
        ("unroll_comprehensions", "def f():\n    x = [t for t in it]\n    return locals()\n"),
        ("unroll_comprehensions", "async def f():\n    x = [t async for t in it]\n    return x\n"),
        ("unroll_comprehensions", "def f():\n    class C:\n        x = [t for t in it]\n    return C\n"),
        ("collect_in_comprehensions", "def f():\n    x = []\n    for t in it:\n        x.append(t)\n    return t\n"),
        ("collect_in_comprehensions", "def f():\n    x = []\n    for t in it:\n        x.append(len(x))\n"),
        ("collect_in_comprehensions", "def f():\n    x = []\n    for t in it:\n        x.append((yield t))\n"),
        (
            "collect_in_comprehensions",
            "def f():\n    x = []\n    for t in it:\n        x.append(t)\n    else:\n        g()\n",
        ),
        ("collect_in_comprehensions", "x = []\nfor t in it:\n    x.append(t)\n"),
        ("call_format", 'x = f"{a()}"\n'),
        ("call_format", 'x = f"{a=}"\n'),
        ("call_format", 'x = f"{a:{b}}"\n'),
        ("call_format", 'x = f"{a}" "b"\n'),
        ("call_format", 'x = f"\\x7b{a}"\n'),
        ("call_format", 'x = f"\\N{DASH}{a}"\n'),
        ("use_f_strings", 'x = "{} \\173".format(a)\n'),
        ("use_f_strings", 'x = "{} {}".format(*a)\n'),
        ("use_f_strings", 'x = "{0}".format(a)\n'),
        ("use_f_strings", 'x = "{}".format(a())\n'),
        ("use_f_strings", 'x = "{".format(a)\n'),
        ("extract_constant", "def f():\n    return globals(), 1234\n"),
        ("extract_constant", "def f(x: 'T' = 17, *, y=18):\n    return x is 19\n"),
        ("extract_constant", "def f(x):\n    match x:\n        case 17: return\n"),
        ("docstring_style", 'def f(a):\n    """Doc.\n\n    Args:\n        b: not a parameter\n    """\n'),
        ("docstring_style", 'def f(a):\n    """Doc.\n\n    Args:\n        a: x\n    """\n    return f.__doc__\n'),
        ("return_early", "def f():\n    if a:\n        b\n    else:\n        return 2\n"),
        ("quotes", "x = 1\r\ny = 'a'\r\n"),
        *((name, "def (:\n") for name in AUGMENTERS),
    ],
)
def test_what_could_change_a_program_is_left_alone(name: str, text: str) -> None:
    assert [augmenter(name)(text, Random(seed)) for seed in range(4)] == [None] * 4
