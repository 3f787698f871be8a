"""Operations on integers, and questions about them."""

from collections.abc import Callable

from better_ai.tasks.operation import LARGE, MEDIUM, SMALL, Operation, Predicate
from better_ai.tasks.task import Value


def _number(
    name: str, code: str, meaning: Callable[..., int], *phrases: str, cost: int = 1, **parameters: tuple[Value, ...]
) -> Operation:
    return Operation(name, "number", "number", code, meaning, phrases, parameters, cost)


def _question(
    name: str, code: str, opposite: str, meaning: Callable[..., bool], *phrases: str, **parameters: tuple[Value, ...]
) -> Predicate:
    verbs = tuple(f"are {phrase}" for phrase in phrases)
    return Predicate(name, "number", "flag", code, meaning, verbs, parameters, opposite=opposite)


ADD = _number(
    "add", "{x} + {k}", lambda x, k: x + k, "add {k} to {it}", "increase {it} by {k}", "raise {it} by {k}", k=LARGE
)
SUBTRACT = _number(
    "subtract", "{x} - {k}", lambda x, k: x - k,
    "subtract {k} from {it}", "decrease {it} by {k}", "lower {it} by {k}", k=LARGE,
)  # fmt: skip
MULTIPLY = _number("multiply", "{x} * {k}", lambda x, k: x * k, "multiply {it} by {k}", "scale {it} by {k}", k=MEDIUM)
FLOOR_DIVIDE = _number(
    "floor_divide", "{x} // {k}", lambda x, k: x // k,
    "floor-divide {it} by {k}", "divide {it} by {k}, rounding down,", k=MEDIUM,
)  # fmt: skip
REMAINDER = _number(
    "remainder", "{x} % {k}", lambda x, k: x % k,
    "take {it} modulo {k}", "find the remainder of {it} divided by {k}", k=MEDIUM,
)  # fmt: skip
SQUARE = _number("square", "{x} * {x}", lambda x: x**2, "square {it}", "multiply {it} by itself")
NEGATE = _number("negate", "-{x}", lambda x: 0 - x, "negate {it}", "flip the sign of {it}")
ABSOLUTE = _number(
    "absolute", "abs({x})", lambda x: x if x > 0 else -x, "take the absolute value of {it}", "drop the sign of {it}"
)
AT_LEAST = _number(
    "at_least", "max({x}, {k})", lambda x, k: k if x < k else x,
    "raise {it} to at least {k}", "take the larger of {it} and {k}", k=LARGE,
)  # fmt: skip
AT_MOST = _number(
    "at_most", "min({x}, {k})", lambda x, k: k if x > k else x,
    "cap {it} at {k}", "limit {it} to at most {k}", "take the smaller of {it} and {k}", k=LARGE,
)  # fmt: skip
SUBTRACT_FROM = _number("subtract_from", "{k} - {x}", lambda x, k: -x + k, "subtract {it} from {k}", k=LARGE)
DISTANCE = _number(
    "distance", "abs({x} - {k})", lambda x, k: max(x - k, k - x),
    "find the distance from {it} to {k}", "take the absolute difference of {it} and {k}", k=LARGE, cost=2,
)  # fmt: skip
LINEAR = _number(
    "linear", "{x} * {a} + {b}", lambda x, a, b: b + a * x,
    "compute {a} times {it} plus {b}", "find {b} more than {a} times {it}", a=MEDIUM, b=LARGE, cost=2,
)  # fmt: skip
SQUARE_PLUS = _number(
    "square_plus", "{x} * {x} + {k}", lambda x, k: x**2 + k,
    "compute the square of {it} plus {k}", "find {k} more than the square of {it}", k=LARGE, cost=2,
)  # fmt: skip
ROUND_DOWN = _number(
    "round_down", "{x} // {k} * {k}", lambda x, k: x - x % k,
    "round {it} down to a multiple of {k}", "find the largest multiple of {k} not above {it}", k=MEDIUM, cost=2,
)  # fmt: skip
SHIFTED_REMAINDER = _number(
    "shifted_remainder", "({x} + {a}) % {b}", lambda x, a, b: (x + a) % b,
    "compute {it} plus {a}, modulo {b}", "find the remainder of {it} plus {a} divided by {b}",
    a=LARGE, b=MEDIUM, cost=2,
)  # fmt: skip
DIGIT_SUM = _number(
    "digit_sum", "sum(int(c) for c in str(abs({x})))", lambda x: sum(map(int, str(abs(x)))),
    "add up the digits of {it}", "find the sum of the digits of {it}", cost=3,
)  # fmt: skip
LAST_DIGIT = _number(
    "last_digit", "abs({x}) % 10", lambda x: int(str(x)[-1]),
    "take the last digit of {it}", "find the units digit of {it}",
)  # fmt: skip

BASIC = (ADD, SUBTRACT, MULTIPLY, FLOOR_DIVIDE, REMAINDER, SQUARE, NEGATE, ABSOLUTE, AT_LEAST, AT_MOST)
"""Short enough to stand inside comprehensions, branches and loops."""

NUMBER_OPERATIONS = (
    *BASIC, SUBTRACT_FROM, DISTANCE, LINEAR, SQUARE_PLUS, ROUND_DOWN, SHIFTED_REMAINDER, DIGIT_SUM, LAST_DIGIT,
)  # fmt: skip

NUMBER_PREDICATES = (
    _question(
        "greater", "{x} > {k}", "{x} <= {k}", lambda x, k: x > k,
        "greater than {k}", "larger than {k}", "above {k}", k=LARGE,
    ),
    _question(
        "less", "{x} < {k}", "{x} >= {k}", lambda x, k: x < k,
        "less than {k}", "smaller than {k}", "below {k}", k=LARGE,
    ),
    _question("even", "{x} % 2 == 0", "{x} % 2 != 0", lambda x: not x & 1, "even"),
    _question("odd", "{x} % 2 == 1", "{x} % 2 != 1", lambda x: bool(x & 1), "odd"),
    _question(
        "divisible", "{x} % {k} == 0", "{x} % {k} != 0", lambda x, k: x // k * k == x,
        "divisible by {k}", "a multiple of {k}", k=SMALL[1:],
    ),
    _question("negative", "{x} < 0", "{x} >= 0", lambda x: x < 0, "negative", "below zero"),
    _question("positive", "{x} > 0", "{x} <= 0", lambda x: x > 0, "positive", "above zero"),
)  # fmt: skip
