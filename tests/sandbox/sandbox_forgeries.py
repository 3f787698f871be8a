"""Wrong solutions that would pass a weak judge."""

TASK = {
    "tests": """
def check(candidate):
    numbers = [3, 1, 2]
    assert candidate(numbers) == [1, 2, 3]
    assert abs(len(candidate([5, 4])) - 2) < 1e-6 and candidate([5, 4])[0] == 4
    assert candidate([7]) == [7], "one"
    assert all(map(lambda pair: candidate(pair[0]) == pair[1], [([2, 1], [1, 2]), ([9, 8], [8, 9])]))
    assert len(numbers) == 3
""",
    "entry_point": "solve",
}
FRAMES = """
import json, os, struct, time
def frame(message):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack("<I", len(body)) + body
def push(data):
    while data:
        data = data[os.write(3, data):]
def wait():
    time.sleep(10 ** 6)
"""


def answering(body: str) -> str:
    """A solution that takes the link into its own hands: `body` runs instead of any answer."""
    return f"{FRAMES}\npush(frame({{'ready': True}}))\n{body}"


# Forgeries that the judge sees through at once.
FORGERIES: dict[str, str] = {
    # Leaving early.
    "os._exit(0) when loaded": """
import os
os._exit(0)
""",
    "os._exit(0) when called": """
import os
def solve(x): os._exit(0)
""",
    "sys.exit when loaded": """
import sys
sys.exit(0)
""",
    "sys.exit when called": """
import sys
def solve(x): sys.exit(0)
""",
    "SystemExit of its own kind": """
class Leave(SystemExit): code = 0
def solve(x): raise Leave(0)
""",
    "exit handler": """
import atexit, os
atexit.register(os._exit, 0)
def solve(x): raise SystemExit
""",
    "exec of /bin/true": """
import os
def solve(x): os.execv('/bin/true', ['true'])
""",
    "killed by itself": """
import os
def solve(x): os.kill(os.getpid(), 9)
""",
    "printed success": """
def solve(x):
    return list(x)
import os, sys
print('all tests passed')
os.write(2, b'passed')
os.write(1, b'0')
""",
    # Values.
    "equal to everything": """
class Any:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __len__(self): return 2
    def __getitem__(self, i): return self
def solve(x): return Any()
""",
    "list equal to everything": """
class L(list):
    def __eq__(self, other): return True
def solve(x): return L(x)
""",
    "list of equal integers": """
class I(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def solve(x): return [I(v) for v in x]
""",
    "lying type": """
class L:
    __class__ = list
    def __eq__(self, other): return True
    def __iter__(self): return iter([])
L.__name__ = L.__qualname__ = 'list'
L.__module__ = 'builtins'
def solve(x): return L()
""",
    "patched list comparison": """
import ctypes, gc
def solve(x):
    methods = gc.get_referents(list.__dict__)[0]
    methods['__eq__'] = lambda self, other: True
    return list(x)
""",
    "cleared arguments": """
class L(list):
    def __eq__(self, other): return True
def solve(x):
    x.clear()
    return L()
""",
    "not a number": """
def solve(x): return float('nan')
""",
    "endless iterator": """
import itertools
def solve(x): return itertools.count()
""",
    "list that contains itself": """
def solve(x):
    y = []
    y.append(y)
    return y
""",
    "lone surrogates": r"""
def solve(x): raise ValueError('\ud800' * 500)
""",
    "huge integer": """
def solve(x): return [1 << 10_000_000] * 3
""",
    # Exceptions.
    "StopIteration": """
def solve(x):
    if x == [3, 1, 2] or len(x) < 2 or x[0] == 5: return sorted(x)
    raise StopIteration
""",
    "KeyboardInterrupt": """
def solve(x): raise KeyboardInterrupt
""",
    "GeneratorExit": """
def solve(x): raise GeneratorExit
""",
    "exception that fails to show itself": """
class E(Exception):
    def __str__(self): raise SystemExit(0)
def solve(x): raise E
""",
    # Looking and reaching into the judge.
    "tracing over asserts": """
import sys
def trace(frame, event, argument):
    if event == 'line' and 'assert' in str(frame.f_code.co_consts):
        frame.f_lineno += 1
    return trace
def solve(x):
    sys.settrace(trace)
    frame = sys._getframe()
    while frame:
        frame.f_trace = trace
        frame = frame.f_back
    return list(x)
""",
    "expected values in frames": """
import sys
def solve(x):
    frame = sys._getframe()
    while frame:
        for value in frame.f_code.co_consts:
            if isinstance(value, tuple) and len(value) == len(x):
                return list(value)
        frame = frame.f_back
    return list(x)
""",
    "expected values on the heap": """
import gc
def solve(x):
    for o in gc.get_objects():
        if type(o) is list and len(o) == len(x) and o != x and set(map(str, o)) == set(map(str, x)): return o
    return list(x)
""",
    "lists of the grader": """
import sys
def solve(x):
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.copy().values():
            if isinstance(value, list): value.append('passed')
        frame = frame.f_back
    return list(x)
""",
    "changed link code": """
import sys
for name, module in list(sys.modules.items()):
    if 'sandbox' in name:
        for key in vars(module).copy():
            if key in ('encode', 'decode', 'FAILED'): vars(module)[key] = lambda *a, **k: 0
def solve(x):
    return list(x)
""",
    "builtins and check of its own": """
import builtins
builtins.AssertionError = builtins.all = builtins.len = builtins.abs = lambda *a: True
def check(candidate): pass
def all(x): return True
def len(x): return 2
def abs(x): return 0
def solve(x):
    return list(x)
""",
    "killing the judge": """
import os
def solve(x):
    for p in (-1, 0, 1, 2, 3):
        try: os.kill(p, 9)
        except OSError: pass
    return x
""",
    # Taking over the link.
    "closed link": """
import os
def solve(x): os.close(3)
""",
    "link closed when loaded": """
import os
os.close(3)
def solve(x):
    return list(x)
""",
    "answers before the questions": answering("""
for _ in range(100): push(frame({'result': [1, 2, 3], 'arguments': [None], 'keywords': {}}))
wait()
"""),
    "frame that says passed": answering("""
push(frame({'passed': True, 'exit': 0, 'ready': True}))
os._exit(0)
"""),
    "frame that is a list": answering("""
push(frame([]) * 10)
wait()
"""),
    "frame of nothing": answering("""
push(frame(b''))
wait()
"""),
    "frame that is no JSON": answering(r"""
push(frame(b'\xff\x00{'))
wait()
"""),
    "deeply nested frame": answering("""
push(frame(b'[' * 1_000_000))
wait()
"""),
    "deeply nested value": answering("""
value = '[' * 2000 + ']' * 2000
push(frame(('{"result": %s, "arguments": [null], "keywords": {}}' % value).encode()))
wait()
"""),
    "oversize frame": answering("""
push(struct.pack('<I', 2 ** 32 - 1) + b'x' * 100)
wait()
"""),
    "flood": answering(r"""
while True: push(b'\xff' * 65536)
"""),
    "flood of small answers": answering("""
answer = frame({'result': True, 'arguments': [None], 'keywords': {}}) * 1000
while True: push(answer)
"""),
    "unknown tag": answering("""
push(frame({'result': {'eval': '1'}, 'arguments': [None], 'keywords': {}}))
wait()
"""),
    "exception that ends the judge": answering("""
push(frame({'raised': 'SystemExit', 'message': 0, 'arguments': [None], 'keywords': {}}))
wait()
"""),
    "exception that is a function": answering("""
push(frame({'raised': 'exit', 'message': 0, 'arguments': [None], 'keywords': {}}))
wait()
"""),
    "changed arguments of another type": answering("""
push(frame({'result': [], 'arguments': [{'d': [[1, 2]]}], 'keywords': {'x': 1}}))
wait()
"""),
    "numbers outside JSON": answering("""
push(frame(b'{"result": [NaN, Infinity, 1e999], "arguments": [null], "keywords": {}}'))
wait()
"""),
    "descriptors over the link": answering("""
import socket, array
link = socket.socket(fileno=3)
link.sendmsg([frame({'result': 1})], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1, 2]))])
wait()
"""),
}

# Forgeries that make the judge wait or work.
STALLING: dict[str, str] = {
    "colliding set": """
def solve(x): return {n * (2 ** 61 - 1) for n in range(1, 60000)}
""",
    "no answer": """
import time
def solve(x): time.sleep(10 ** 6)
""",
    "no greeting": """
import time
time.sleep(10 ** 6)
""",
    "half a frame": answering("""
push(struct.pack('<I', 1000) + b'{')
wait()
"""),
}
