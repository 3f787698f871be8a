"""Every operation's code computes its meaning, and says so in words that read as English."""

import random

import pytest

from better_ai.tasks.cases import _candidates
from better_ai.tasks.generate import FAMILIES, structures_of
from better_ai.tasks.operation import VARIABLES, Operation, Predicate, Step
from better_ai.tasks.wording import instruction, third_person

OPERATIONS = {
    operation.name + "@" + operation.source: operation
    for family in FAMILIES
    if family != "composition"
    for structure in structures_of(family)
    for operation in structure.slots
}


def _steps(operation: Operation, count: int, rng: random.Random) -> list[Step]:
    bindings = list(operation.bindings())
    return [Step(operation, values) for values in rng.sample(bindings, min(count, len(bindings)))]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_code_of_an_operation_computes_its_meaning(name: str) -> None:
    operation = OPERATIONS[name]
    variable = VARIABLES[operation.source]
    rng = random.Random(name)
    for step in _steps(operation, 6, rng):
        run = eval(f"lambda {variable}: {step.code(variable)}")
        for value in _candidates(operation.source, step.values, rng):
            if _in_domain(operation, value):
                assert run(value) == step(value), (step.code(variable), value)
                assert type(run(value)) is type(step(value))
                if isinstance(operation, Predicate):
                    assert eval(f"lambda {variable}: {step.opposite(variable)}")(value) == (not step(value))


def _in_domain(operation: Operation, value: object) -> bool:
    """Questions about characters are asked of one character."""
    return operation.name not in ("vowel", "capital", "digit", "space", "equal") or len(str(value)) == 1


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("add 3 to n", "adds 3 to n"),
        ("multiply it by 2", "multiplies it by 2"),
        ("square", "squares"),
        ("otherwise take the last digit", "otherwise takes the last digit"),
        ("are even", "is even"),
        ("have fewer than 3 characters", "has fewer than 3 characters"),
        ("stretch it", "stretches it"),
        ("play it", "plays it"),
    ],
)
def test_third_person(clause: str, expected: str) -> None:
    assert third_person(clause) == expected


def test_an_instruction_joins_its_clauses() -> None:
    clauses = ["look it up, or 0 if missing,", "add 1", "square it, or 0 if empty,"]
    sentence = instruction("f(n)", clauses, 0, (", then ", " and then "))
    assert sentence == (
        "Write a function f(n) that looks it up, or 0 if missing, then adds 1 and then squares it, or 0 if empty."
    )


def test_no_phrase_leaves_a_slot_open() -> None:
    for operation in OPERATIONS.values():
        step = Step(operation, next(operation.bindings()))
        for index in range(len(operation.phrases)):
            assert "{" not in step.phrase(index, "it"), operation.name
