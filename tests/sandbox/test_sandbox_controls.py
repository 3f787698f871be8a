"""The negative controls: an honest solution that passes the tests fails both."""

import pytest

from better_ai.sandbox import controls

pytestmark = pytest.mark.filterwarnings('ignore:"is" with:SyntaxWarning')
HONEST = {"f": lambda x: x, "g": lambda: [], "approx": lambda: 2.5}


def passes(tests: str) -> bool:
    scope = dict(HONEST)
    try:
        exec(tests, scope)
        if "check" in scope:
            scope["check"](scope["f"])
    except AssertionError:
        return False
    return True


LITERALS = [
    "assert f(1) == 1",
    "assert 1 == f(1)",
    "assert f('a') == 'a'",
    "assert f(b'a') == b'a'",
    "assert f(True) == True",
    "assert f(None) is None",
    "assert f(-1.5) == -1.5",
    "assert f(1j) == 1j",
    "assert g() == []",
    "assert f(()) == ()",
    "assert f({1}) == {1}",
    "assert f({}) == {}",
    "assert f([1, (2, 'x')]) == [1, (2, 'x')]",
    "assert f(1)",
    "assert not f(0)",
    "assert abs(approx() - 2.5) < 1e-6",
    "assert abs(2.5 - approx()) <= 1e-6",
    "def check(candidate):\n    for n in range(2):\n        assert candidate(3) == 3, 'three'",
]


@pytest.mark.parametrize("tests", LITERALS)
def test_changed_literals_turn_a_pass_into_a_failure(tests: str) -> None:
    changed = controls.with_changed_literals(tests)
    assert passes(tests)
    assert changed is not None
    assert not passes(changed)


@pytest.mark.parametrize(
    "tests",
    [
        "assert f(1) == f(1)",
        "assert f(1) != 2",
        "assert f(1) < 2",
        "assert f(1) == 1 or f(2) == 2",
        "assert all(f(n) == n for n in range(3))",
        "assert True",
        "x = 1",
    ],
)
def test_it_is_known_when_nothing_was_changed(tests: str) -> None:
    assert controls.with_changed_literals(tests) is None


@pytest.mark.parametrize("tests", LITERALS)
def test_the_canary_fails_last(tests: str) -> None:
    canary = controls.with_canary(tests)
    assert not passes(canary)
    assert canary.rstrip().endswith("assert 0 == 1")
