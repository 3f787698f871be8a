"""Small programs with tests, for what must not change when a program is rewritten. Each holds traps of its own."""

PROGRAMS = {
    "names in closures": (
        "run",
        '''
def run(limit, *args, scale=2, **options):
    """Sum what is left of the arguments below a limit."""
    total, seen = 0, []
    def _keep(value, /, factor):
        nonlocal total
        seen.append(value)
        scaled = value * factor
        total += scaled
        return lambda extra: scaled + extra
    adders = [_keep(arg, scale) for arg in args if arg < limit]
    extras = sum(adder(1) for adder in adders)
    for name, value in sorted(options.items()):
        total -= value if name.startswith("minus") else -value
    return total, extras, seen
''',
        "def check(candidate):\n"
        "    assert candidate(5, 1, 7, 3) == (8, 10, [1, 3])\n"
        "    assert candidate(9, 2, scale=3, minus_a=1, b=4) == (9, 7, [2])\n"
        "    assert candidate(limit=0) == (0, 0, [])",
    ),
    "private helpers": (
        "area",
        """
_UNIT = 1.5

def _sign(value):
    if not value:
        return 0
    value = value / abs(value)
    return int(value)

def _clip(value, low, high=10):
    if value < low:
        return low
    elif value > high:
        return high
    else:
        return value

def _scaled(width, height):
    return _clip(width, 0) * _clip(height, low=1) * _UNIT

def area(width, height):
    result = _scaled(width, height) * abs(_sign(height) or 1)
    if result is not None and not (result < 5 and width != 0):
        text = "big"
    else:
        text = "small"
    return f"{text}: {result:.1f} {width!r:>4}"
""",
        "def check(candidate):\n"
        "    assert candidate(2, 3) == 'big: 9.0    2'\n"
        "    assert candidate(-4, 30) == 'small: 0.0   -4' or candidate(-4, 30) == 'big: 0.0   -4'\n"
        "    assert candidate(-4, 30).endswith('0.0   -4')\n"
        "    assert candidate(1, 0) == 'small: 1.5    1'",
    ),
    "loops and lists": (
        "squares",
        """
def squares(numbers, skip=()):
    found = []
    for number in numbers:
        if number not in skip:
            found.append(number * number)
    pairs = [(a, b) for a, b in zip(found, found[1:]) if a != b]
    longest = []
    for pair in pairs:
        longest.append(max(pair) if pair else None)
    report = "{} of {!r:>6}, {{braces}}".format(longest, skip)
    return found, pairs, report
""",
        "def check(candidate):\n"
        "    assert candidate([1, 2, 3]) == ([1, 4, 9], [(1, 4), (4, 9)], '[4, 9] of     (), {braces}')\n"
        "    assert candidate([], [1])[:2] == ([], [])\n"
        "    assert candidate([2, 2, 5], (5,)) == ([4, 4], [], '[] of   (5,), {braces}')",
    ),
    "guards": (
        "classify",
        '''
def classify(items):
    """Classify items.

    Args:
        items (list): what to classify
            over two lines

    Returns:
        dict: counts by kind

    Raises:
        ValueError: for None
    """
    counts = {}
    def note(kind):
        if kind:
            counts[kind] = counts.get(kind, 0) + 1
            counts["all"] = counts.get("all", 0) + 1
    for item in items:
        if item is None:
            raise ValueError("None among the items")
        elif isinstance(item, bool):
            note("bool")
            continue
        else:
            if not item or not isinstance(item, int):
                kind = "other" if item else ""
            else:
                kind = "int"
        note(kind)
    return counts
''',
        "def check(candidate):\n"
        "    assert candidate([1, 0, 'a', True, 2]) == {'int': 2, 'all': 4, 'other': 1, 'bool': 1}\n"
        "    assert candidate([]) == {}\n"
        "    try:\n        candidate([1, None])\n        assert False, 'no error'\n"
        "    except ValueError as error:\n        assert 'None among' in str(error)",
    ),
    "scopes of many kinds": (
        "mix",
        """
import re as regex
from collections import defaultdict

count = 0

class Box:
    size = 3
    def __init__(self, size=None):
        self.size = size or self.size
    def grow(self, by):
        size = self.size + by
        self.size = size
        return self

def mix(words, key=len):
    global count
    count += 1
    groups = defaultdict(list)
    for word in words:
        if (match := regex.match(r"[a-z]+", word)) and not match.group() == "skip":
            groups[key(match.group())].append(word)
    try:
        first = groups[min(groups)][0]
    except ValueError as error:
        first = f"{type(error).__name__}"
    def size():
        for size in range(2):
            yield size
    *rest, last = size()
    match list(groups):
        case [head, *tail]:
            shape = head, len(tail)
        case _:
            shape = None
    del rest
    text = f"{last=} {first}"
    return text, shape, Box().grow(by=4).size, {w: [c for c in w if c in "ab"] for w in words}
""",
        "def check(candidate):\n"
        "    assert candidate(['ab', 'c', 'skip', '1']) == (\n"
        "        'last=1 c', (2, 1), 7, {'ab': ['a', 'b'], 'c': [], 'skip': [], '1': []})\n"
        "    assert candidate([]) == ('last=1 ValueError', None, 7, {})\n"
        "    assert candidate(['b'], key=lambda word: word * 2)[1] == ('bb', 0)",
    ),
    "half-filled lists": (
        "collect",
        """
def collect(numbers, limit):
    kept = ["before"]
    try:
        kept = [limit // number for number in numbers]
    except ZeroDivisionError:
        pass
    doubled = []
    def peek():
        return len(doubled)
    for number in numbers:
        doubled.append(number + peek())
    number = -1
    tail = []
    for number in numbers:
        tail.append(number)
    later = []
    for value in numbers:
        later.append(lambda: value)
    return kept, doubled, number, tail, [each() for each in later]
""",
        "def check(candidate):\n"
        "    assert candidate([1, 2], 4) == ([4, 2], [1, 3], 2, [1, 2], [2, 2])\n"
        "    assert candidate([1, 0], 4) == (['before'], [1, 1], 0, [1, 0], [0, 0])\n"
        "    assert candidate([], 4) == ([], [], -1, [], [])",
    ),
    "eyes on variables": (
        "look",
        """
def look(alpha, beta=2):
    gamma = alpha + beta
    names = sorted(locals())
    return names, "%(gamma)s" % locals(), eval("alpha * gamma")

def call(**options):
    return look(**options)
""",
        "def check(candidate):\n"
        "    assert candidate(1) == (['alpha', 'beta', 'gamma'], '3', 3)\n"
        "    assert call(alpha=2, beta=5) == (['alpha', 'beta', 'gamma'], '7', 14)",
    ),
    "truth has effects": (
        "ask",
        """
class Truth:
    def __init__(self, value, log):
        self.value, self.log = value, log
    def __bool__(self):
        self.log.append(self.value)
        return bool(self.value % 2)

def ask(a, b, c):
    log = []
    a, b, c = (Truth(each, log) for each in (a, b, c))
    if not (a and (b or c)):
        answer = 1
    else:
        answer = 2
    other = 3 if not a or not b else 4
    while not (a or b):
        break
    return answer, other, (not a.value and not c.value), log
""",
        "def check(candidate):\n"
        "    assert candidate(1, 3, 5) == (2, 4, False, [1, 3, 1, 3, 1])\n"
        "    assert candidate(2, 3, 0) == (1, 3, False, [2, 2, 2, 3])\n"
        "    assert candidate(0, 3, 0) == (1, 3, True, [0, 0, 0, 3])\n"
        "    assert candidate(1, 2, 4) == (1, 3, False, [1, 2, 4, 1, 2, 1])",
    ),
}
"""Name -> entry point, program, tests in HumanEval's form."""
