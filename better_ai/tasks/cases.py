"""Test inputs: chosen so that wrong programs fail, not so that there are many.

A candidate pool per kind of value (edge cases, values near the parameters, random ones) is searched greedily for
inputs on which every mutant of the task that can differ does differ.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from better_ai.tasks.structure import Meaning, Mutant
from better_ai.tasks.task import Value

MIN_CASES, USUAL_CASES, MAX_CASES = 6, 8, 10
MIN_DISTINCT = 3
_LONGEST_VALUE = 70
"""Characters of a printed input or output; longer candidates are left out to keep tests readable."""

_WORDS = (
    "apple", "bread", "Cat", "stone", "moon", "lemon", "tea", "drum", "noodle", "India", "oil", "Upper", "pin", "sail",
    "as", "to", "rabbit", "eel", "candle", "dance", "tulip", "O2", "level", "b", "mirror", "route", "A1", "pond",
)  # fmt: skip
_NAMES = ("a", "b", "c", "x", "y", "z", "id", "age", "size", "name", "count", "total", "north", "south")


def choose_cases(
    kind: str, meaning: Meaning, mutants: Sequence[Mutant], parameters: Sequence[Value], rng: random.Random
) -> list[tuple[Any, Any]] | None:
    """Between `MIN_CASES` and `MAX_CASES` pairs of an input and the expected value, or None when there is no good set.

    A good set kills every mutant that any candidate input kills, every `always_wrong` mutant among them, has at least
    `MIN_DISTINCT` different answers and no answer for more than half of the inputs.
    """
    pool = [(value, meaning(value)) for value in _candidates(kind, parameters, rng)]
    pool = [case for case in pool if max(len(repr(part)) for part in case) <= _LONGEST_VALUE]
    kills = [_killed(mutants, value, expected) for value, expected in pool]
    killable = frozenset().union(*kills)
    if any(mutant.always_wrong and index not in killable for index, mutant in enumerate(mutants)):
        return None
    # The kind's emptiest input always takes part: that is where programs most often break.
    chosen, alive = [0], set(killable - kills[0])
    while alive:
        best = max(range(len(pool)), key=lambda index: len(kills[index] & alive))
        chosen.append(best)
        alive -= kills[best]
    answers = [repr(pool[index][1]) for index in chosen]
    # Further inputs: first those with a new answer, from the second half of the pool on any.
    for index in range(1, len(pool)):
        if len(chosen) >= USUAL_CASES:
            break
        answer = repr(pool[index][1])
        if index not in chosen and (answer not in answers or index > len(pool) // 2):
            chosen.append(index)
            answers.append(answer)
    most_common = max(map(answers.count, answers))
    if not MIN_CASES <= len(chosen) <= MAX_CASES or len(set(answers)) < MIN_DISTINCT or 2 * most_common > len(answers):
        return None
    return [pool[index] for index in chosen]


def _killed(mutants: Sequence[Mutant], value: Any, expected: Any) -> frozenset[int]:
    return frozenset(index for index, mutant in enumerate(mutants) if differs(mutant.meaning, value, expected))


def differs(meaning: Meaning, value: Any, expected: Any) -> bool:
    """Whether a program's answer differs from the expected one; failing counts as differing."""
    try:
        answer = meaning(value)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError):
        return True
    return bool(answer != expected or type(answer) is not type(expected))


def _candidates(kind: str, parameters: Sequence[Value], rng: random.Random) -> list[Any]:
    """Inputs of a kind, the emptiest first, without repetition."""
    numbers = [value for value in parameters if isinstance(value, int)]
    strings = [value for value in parameters if isinstance(value, str)]
    seen: dict[str, Any] = {}
    for value in _MAKERS[kind](numbers, strings, rng):
        seen.setdefault(repr(value), value)
    return list(seen.values())


def _numbers(numbers: list[int], strings: list[str], rng: random.Random) -> list[int]:
    near = [value + shift for value in numbers for shift in (0, -1, 1)]
    return [0, -7, 1, 12, *near, -1, 25, *rng.sample(range(-30, 100), 40)]


def _lists(numbers: list[int], strings: list[str], rng: random.Random) -> list[list[int]]:
    near = [0, -1, 1, *(value + shift for value in numbers for shift in (0, -1, 1))]

    def draw() -> int:
        return rng.choice(near) if rng.random() < 0.3 else rng.randint(-12, 40)

    lists = [[draw() for _ in range(rng.randint(3, 9))] for _ in range(40)]
    repeated = [[*values[:3], *values[:3], values[0]] for values in lists[:12]]
    return [[], [5], [3, 1, 2, 3, 1], [-4, 8, -15, 6], *_interleaved(lists, repeated)]


def _texts(numbers: list[int], strings: list[str], rng: random.Random) -> list[str]:
    def draw() -> str:
        words = [rng.choice(_WORDS) for _ in range(rng.randint(1, 3))]
        if strings and rng.random() < 0.6:
            words = [_inserted(word, rng.choice(strings), rng) for word in words]
        return " ".join(words)

    return ["", "b", "Hello World", "noon", *(draw() for _ in range(45))]


def _word_lists(numbers: list[int], strings: list[str], rng: random.Random) -> list[list[str]]:
    def draw() -> str:
        word = rng.choice(_WORDS)
        return _inserted(word, rng.choice(strings), rng) if strings and rng.random() < 0.4 else word

    lists = [[draw() for _ in range(rng.randint(2, 8))] for _ in range(40)]
    repeated = [[*words[:2], *words[:2], words[0]] for words in lists[:12]]
    return [[], ["Tea"], ["b", "apple", "b", "Cat"], *_interleaved(lists, repeated)]


def _tables(numbers: list[int], strings: list[str], rng: random.Random) -> list[dict[str, int]]:
    near = [0, -1, 1, *(value + shift for value in numbers for shift in (0, -1, 1))]
    names = [*_NAMES, *strings * 4]

    def draw() -> dict[str, int]:
        return {
            rng.choice(names): rng.choice(near) if rng.random() < 0.3 else rng.randint(-12, 40)
            for _ in range(rng.randint(2, 6))
        }

    return [{}, {"a": 5}, {"x": -3, "age": 30, "b": 12}, *(draw() for _ in range(45))]


def _inserted(word: str, mark: str, rng: random.Random) -> str:
    """The word with `mark` at its start, its end or inside."""
    place = rng.choice((0, len(word), rng.randint(0, len(word))))
    return word[:place] + mark + word[place:]


def _interleaved(plain: list[Any], special: list[Any]) -> list[Any]:
    mixed = [value for pair in zip(plain, special, strict=False) for value in pair]
    return [*mixed, *plain[len(special) :]]


_MAKERS: dict[str, Callable[[list[int], list[str], random.Random], list[Any]]] = {
    "number": _numbers,
    "text": _texts,
    "numbers": _lists,
    "words": _word_lists,
    "table": _tables,
}
