"""Verdicts: right ones for right and wrong solutions, in both forms of tests and both kinds of judging."""

from textwrap import dedent
from typing import Any

import pytest

from better_ai.errors import UserError
from better_ai.sandbox import JudgeJob, Limits, Sandbox, Verdict

# name: (entry point, solution that passes, solution that fails, tests)
TASKS = {
    "check on numbers": (
        "add",
        "def add(a, b):\n    return a + b",
        "def add(a, b):\n    return a - b",
        "def check(candidate):\n    assert candidate(2, 3) == 5\n    assert candidate(-1, 1) == 0",
    ),
    "asserts on strings": (
        "shout",
        "def shout(s):\n    return s.upper() + '!'",
        "def shout(s):\n    return s.upper()",
        "assert shout('né') == 'NÉ!'\nassert shout('') == '!'",
    ),
    "carriage returns": (
        "twice",
        "def twice(s):\r\n\treturn s * 2\r\n",
        "def twice(s):\r\n\treturn s\r\n",
        "assert twice('a') == 'aa'\r\nassert twice([1]) == [1, 1]\r\n",
    ),
    "tuples are not lists": (
        "pair",
        "def pair(a):\n    return (a, [a])",
        "def pair(a):\n    return [a, (a,)]",
        "assert pair(1) == (1, [1])",
    ),
    "sets, dicts, None": (
        "count",
        "def count(s):\n    return {c: s.count(c) for c in s} or None",
        "def count(s):\n    return {}",
        "assert count('aab') == {'a': 2, 'b': 1}\nassert count('') is None\nassert set(count('xy')) == {'x', 'y'}",
    ),
    "floats within a tolerance": (
        "third",
        "def third(x):\n    return x / 3",
        "def third(x):\n    return x // 3",
        "import math\ndef check(candidate):\n    assert abs(candidate(1) - 0.333333) < 1e-5\n"
        "    assert math.isclose(candidate(2.0), 2 / 3)\n    assert candidate(0.3) == 0.3 / 3",
    ),
    "big integers": (
        "power",
        "def power(n):\n    return 7 ** n",
        "def power(n):\n    return 7.0 ** n",
        "assert power(100) == 7 ** 100\nassert power(2) == 49 and type(power(2)) is int",
    ),
    "arguments changed in place": (
        "drain",
        "def drain(x, *, into):\n    into.update(dict.fromkeys(x))\n    x.clear()",
        "def drain(x, *, into):\n    pass",
        "x, d = [1, 2], {}\nassert drain(x, into=d) is None\nassert x == [] and d == {1: None, 2: None}",
    ),
    "exceptions by name": (
        "root",
        "class Negative(ValueError): pass\ndef root(x):\n    if x < 0: raise Negative('negative')\n    return x ** 0.5",
        "def root(x):\n    return abs(x) ** 0.5",
        "try:\n    root(-1)\n    assert False\nexcept ValueError as error:\n    assert 'negative' in str(error)",
    ),
    "generators": (
        "evens",
        "def evens(n):\n    yield from range(0, n, 2)",
        "def evens(n):\n    yield from range(n)",
        "assert list(evens(5)) == [0, 2, 4]\nassert next(evens(1)) == 0",
    ),
    "a helper of the solution": (
        "decode",
        "def encode(s):\n    return s[::-1]\ndef decode(s):\n    return encode(s)",
        "def encode(s):\n    return s[::-1]\ndef decode(s):\n    return s",
        "def check(candidate):\n    for word in ('abc', 'xyz'):\n        assert candidate(encode(word)) == word",
    ),
    "a helper in the tests, after the prompt": (
        "decode",
        "def encode(s):\n    return s[::-1]\ndef decode(s):\n    return s[::-1]",
        "def encode(s):\n    return s\ndef decode(s):\n    return s",
        "def encode(s):\n    return s[::-1]\ndef decode(s):\n    pass\ndef check(candidate):\n"
        "    assert candidate(encode('abc')) == decode(encode('abc')) == 'abc'",
    ),
    "an entry point named like a builtin": (
        "sum",
        "def sum(a, b):\n    return a + b",
        "def sum(a, b):\n    return a",
        "assert sum(1, 2) == 3",
    ),
    "a solution with a check of its own": (
        "even",
        "def check(n):\n    return n % 2 == 0\ndef even(n):\n    return check(n)",
        "def check(n):\n    return True\ndef even(n):\n    return check(n)",
        "def check(candidate):\n    assert candidate(2) == True\n    assert candidate(3) == False",
    ),
    "types as arguments": (
        "only",
        "def only(x, kind):\n    return [v for v in x if isinstance(v, kind)]",
        "def only(x, kind):\n    return x",
        "assert only([1, 'a', 2], int) == [1, 2]",
    ),
    "tests with annotations and classes of their own": (
        "double",
        "def double(x):\n    return 2 * x",
        "def double(x):\n    return x",
        "limit: int = 3\nclass Case:\n    def run(self, n: int) -> None:\n        assert double(n) == 2 * n\n"
        "for n in range(limit):\n    Case().run(n)",
    ),
    "dataclasses inside": (
        "area",
        "from dataclasses import dataclass\n@dataclass\nclass Box:\n    w: int\n    h: int\n"
        "def area(w, h):\n    b = Box(w, h)\n    return b.w * b.h",
        "def area(w, h):\n    return w + h",
        "assert area(3, 4) == 12",
    ),
}


@pytest.mark.parametrize("integrity", ["split", "shared"])
def test_right_solutions_pass_and_wrong_ones_fail(box: Sandbox, integrity: Any) -> None:
    rows = [row for name, row in TASKS.items() if name != "a helper of the solution" or integrity == "split"]
    good = box.judge_many([JudgeJob(right, tests, entry, integrity) for entry, right, _, tests in rows])
    bad = box.judge_many([JudgeJob(wrong, tests, entry, integrity) for entry, _, wrong, tests in rows])
    assert [(verdict.status, verdict.reason) for verdict in good] == [("passed", "all tests passed")] * len(rows)
    assert [(verdict.passed, verdict.status) for verdict in bad] == [(False, "failed")] * len(rows)
    assert {verdict.tier for verdict in good + bad} == {box.tier} == {"jail"}
    assert all(verdict.cpu_seconds > 0 and verdict.wall_seconds > 0 for verdict in good + bad)


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        ("def f(x): return x", "assertion failed: assert f(1) == 2  # not 1"),
        ("def f(x): return x + y", "raised NameError: name 'y' is not defined in: assert f(1) == 2"),
        ("def f(: pass", "the solution does not load: SyntaxError"),
        ("import nowhere", "the solution does not load: ModuleNotFoundError: No module named 'nowhere'"),
        ("def g(x): return x", "the solution defines no 'f'"),
        ("def f(x): raise Exception('x' * 10 ** 6)", "raised Exception: xxx"),
        ("def f(x):\n    while True: pass", "CPU limit of 1 s"),
        ("\0", "the solution does not load"),
        ("x = '\ud800'", "the solution does not load"),
    ],
)
@pytest.mark.parametrize("integrity", ["split", "shared"])
def test_the_reason_names_what_failed(box: Sandbox, candidate: str, reason: str, integrity: Any) -> None:
    tests = "assert True\nassert f(1) == 2  # not 1"
    verdict = box.judge(candidate, tests, "f", integrity=integrity, limits=Limits(cpu_seconds=1))
    assert (verdict.passed, verdict.status) == (False, "failed")
    assert reason in verdict.reason
    assert len(verdict.reason) < 1000


def test_the_message_of_an_assertion_is_quoted(box: Sandbox) -> None:
    verdict = box.judge("def f(x): return 3", "def check(f):\n    y = f(1)\n    assert y == 2, f'got {y}'", "f")
    assert verdict.reason == "assertion failed: assert y == 2, f'got {y}' (got 3)"


def test_wall_and_memory_limits_fail_the_solution(box: Sandbox) -> None:
    asleep = box.judge("import time\ntime.sleep(60)", "assert f()", "f", limits=Limits(wall_seconds=0.3))
    assert (asleep.status, asleep.reason) == ("failed", "the wall limit of 0.3 s was reached")
    greedy = box.judge("def f(): return len(bytearray(1 << 33))", "assert f() == 1", "f")
    assert greedy.status == "failed" and "MemoryError" in greedy.reason


def test_tests_that_cannot_be_split_are_lost_and_not_failed(box: Sandbox) -> None:
    solution, tests = "def apply(f, x): return f(x)", "assert apply(lambda x: x + 1, 1) == 2"
    verdict = box.judge(solution, tests, "apply")
    assert (verdict.passed, verdict.status) == (False, "lost")
    assert "function" in verdict.reason and 'integrity="shared"' in verdict.reason
    assert box.judge(solution, tests, "apply", integrity="shared").passed
    opaque = box.judge("class C: pass\ndef f(x=None): return C()", "assert f(f()) == 1", "f")
    assert opaque.status == "failed", "an object of the solution's own making is no excuse"


@pytest.mark.parametrize("tests", ["", "# nothing\n", "def check(", "assert f(1) ==", "return 1"])
def test_tests_that_test_nothing_are_the_callers_error(tests: str) -> None:
    with pytest.raises(UserError, match="tests"):
        JudgeJob("def f(): pass", tests, "f")


SHARED_FORGERIES = {
    "leaves when loaded": "import os\nos._exit(0)",
    "leaves when called": "import os\ndef solve(x): os._exit(0)",
    "exit handler": "import atexit, os\natexit.register(os._exit, 0)\nimport sys\ndef solve(x): os._exit(0)",
    "exec": "import os\nos.execv('/bin/true', ['true'])",
    "equal to everything": dedent("""
        class Any(list):
            def __eq__(self, other): return True
            def __bool__(self): return True
        def solve(x): return Any()
    """),
    "equal integers": dedent("""
        class I(int):
            def __eq__(self, other): return True
            __hash__ = int.__hash__
        def solve(x): return [I(v) for v in range(len(x))]
    """),
    "jumps over asserts": dedent("""
        import sys
        def trace(frame, event, argument):
            if event == 'line' and frame.f_code.co_name == 'check':
                try: frame.f_lineno += 1
                except ValueError: pass
            return trace
        def solve(x):
            frame = sys._getframe(1)
            while frame:
                frame.f_trace = trace
                frame = frame.f_back
            sys.settrace(trace)
            return Any()
        class Any(list):
            def __eq__(self, other): return True
    """),
    "reads the expected value": dedent("""
        import gc, sys
        def solve(x):
            code = sys._getframe(1).f_code
            class Any(list):
                def __eq__(self, other): return [v for v in code.co_consts if v] and True
            return Any()
    """),
    "swallows assertion errors": dedent("""
        import sys, os
        sys.excepthook = lambda *a: os._exit(0)
        import traceback
        traceback.extract_tb = lambda *a: os._exit(0)
        def solve(x): return x
    """),
}


@pytest.mark.parametrize("name", SHARED_FORGERIES)
def test_controls_catch_forgeries_in_a_shared_process(box: Sandbox, name: str) -> None:
    tests = (
        "def check(candidate):\n    assert candidate([2, 1]) == [1, 2]\n    assert candidate([5, 4, 3]) == [3, 4, 5]"
    )
    verdict = box.judge(SHARED_FORGERIES[name], tests, "solve", integrity="shared")
    assert (verdict.passed, verdict.status, verdict.integrity) == (False, "failed", "shared+controls")
    assert "forges" in verdict.reason


def test_shared_says_when_no_literal_could_be_changed(box: Sandbox) -> None:
    tests = "assert all(f(n) == n for n in range(3))"
    verdict = box.judge("def f(n): return n", tests, "f", integrity="shared")
    assert (verdict.passed, verdict.integrity) == (True, "shared")


def test_the_world_of_a_run_is_fixed(box: Sandbox) -> None:
    source = dedent("""
        import locale, os, random, sys, time
        print(time.tzname, time.localtime(0).tm_hour, locale.setlocale(locale.LC_ALL, ""), sys.stdout.encoding)
        print(hash("x"), random.random(), sorted(os.environ), os.getcwd(), os.getpid(), os.getuid())
        print(sys.argv, __name__, os.listdir("/tmp"), sys.stdin.read() == "")
    """)
    first, second = box.run(source), box.run(source)
    assert first.exit_code == 0, first.stderr
    assert first.stdout == second.stdout
    assert "('UTC', 'UTC') 0 C.UTF-8 utf-8" in first.stdout
    assert "['HOME', 'LC_ALL', 'PATH', 'PYTHONHASHSEED', 'TZ'] /tmp 1 1000" in first.stdout
    assert "['main.py'] __main__ [] True" in first.stdout
    with Sandbox(workers=1) as another:
        assert another.run(source).stdout == first.stdout


def test_a_program_ends_as_under_python(box: Sandbox) -> None:
    threads = box.run(
        "import atexit, sys, threading\natexit.register(print, 'bye')\n"
        "threading.Timer(0.01, lambda: print('late')).start()\nprint('err', file=sys.stderr)\nsys.exit('sorry')"
    )
    assert (threads.status, threads.exit_code) == ("exit", 1)
    assert (threads.stdout, threads.stderr) == ("late\nbye\n", "err\nsorry\n")
    assert threads.output_bytes == len(threads.stdout + threads.stderr)
    assert [box.run(f"import sys\nsys.exit({code})").exit_code for code in ("None", "0", "7", "-1", "True")] == [
        0,
        0,
        7,
        255,
        1,
    ]
    error = box.run("def f():\n    return 1 / 0\nf()")
    assert error.exit_code == 1
    assert error.stderr.startswith("Traceback") and "return 1 / 0" in error.stderr and "sandbox" not in error.stderr
    killed = box.run("import ctypes\nctypes.string_at(0)")
    assert (killed.status, killed.signal, killed.exit_code) == ("signal", 11, None)


def test_programs_may_use_processes_threads_and_event_loops(box: Sandbox) -> None:
    source = dedent("""
        import asyncio, subprocess, sys, threading, tempfile, unittest.mock
        print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout.strip())
        async def main():
            return await asyncio.to_thread(lambda: 5)
        print(asyncio.run(main()))
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        print(subprocess.check_output("echo shell", shell=True, text=True).strip())
    """)
    result = box.run(source)
    assert (result.stdout, result.stderr) == ("42\n5\nshell\n", "")


def test_limits_of_cpu_and_wall_are_both_timeouts(box: Sandbox) -> None:
    spinning = box.run("while True: pass", limits=Limits(cpu_seconds=1))
    assert (spinning.status, spinning.signal) == ("timeout", 9)
    assert 0.5 < spinning.cpu_seconds < 2
    sleeping = box.run("print('x', flush=True)\nimport time\ntime.sleep(60)", limits=Limits(wall_seconds=2.0))
    assert (sleeping.status, sleeping.stdout) == ("timeout", "x\n")
    assert sleeping.cpu_seconds < 0.3
    by_itself = box.run("import os\npid = os.fork()\nos.kill(pid, 9) if pid else None\nos.waitpid(pid, 0)")
    assert by_itself.status == "exit", "another's death by SIGKILL is no time-out"


def test_output_is_cut_and_counted(box: Sandbox) -> None:
    result = box.run("print('x' * 1_000_000)")
    assert (len(result.stdout), result.output_bytes) == (65536, 1_000_001)


@pytest.mark.parametrize("field", ["cpu_seconds", "wall_seconds", "memory_bytes", "processes", "open_files"])
def test_limits_must_make_sense(field: str) -> None:
    for value in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UserError, match=field):
            Limits(**{field: value})
    with pytest.raises(UserError, match="whole"):
        Limits(cpu_seconds=1.5)  # type: ignore[arg-type]


def test_verdicts_are_values() -> None:
    with pytest.raises(AttributeError):
        Verdict(True, "passed", "split", "", 0.0, 0.0).passed = False  # type: ignore[misc]
