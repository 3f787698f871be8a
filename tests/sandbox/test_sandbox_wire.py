"""The link's codec: exact for builtin values, closed to everything else."""

import json
import os
import socket
import struct
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from better_ai.sandbox import wire

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**200), max_value=2**200)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
    | st.binary(max_size=20)
    | st.sampled_from([int, str, list, type(None)])
    | st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 5))
)
hashables = st.deferred(lambda: scalars | st.tuples(hashables, hashables) | st.frozensets(hashables, max_size=3))
values = st.deferred(
    lambda: (
        hashables
        | st.binary(max_size=9).map(bytearray)
        | st.lists(values, max_size=4)
        | st.tuples(values, values)
        | st.dictionaries(hashables, values, max_size=4)
        | st.sets(hashables, max_size=4)
    )
)


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(wire.encode(value)))


def exact(value: Any) -> Any:
    """A form that also tells 1 from True from 1.0, 0.0 from -0.0, and one order of a dict from another."""
    kind = type(value)
    if kind in (list, tuple):
        return kind, [exact(item) for item in value]
    if kind is dict:
        return kind, [(exact(key), exact(item)) for key, item in value.items()]
    if kind in (set, frozenset):
        return kind, sorted((exact(item) for item in value), key=repr)
    return kind, repr(value)


@given(values)
def test_builtin_values_arrive_exactly(value: Any) -> None:
    assert exact(wire.decode(through_json(value))) == exact(value)


def test_not_a_number_and_iterators_arrive() -> None:
    assert repr(wire.decode(through_json([float("nan"), float("-inf")]))) == "[nan, -inf]"
    for iterator in (iter([1, 2]), map(abs, [1, -2]), (n for n in (1, 2)), {1: 0, 2: 0}.keys()):
        received = wire.decode(through_json(iterator))
        assert type(received) is type(iter([]))
        assert list(received) == [1, 2]


def test_an_endless_iterator_is_cut() -> None:
    assert len(list(wire.decode(wire.encode(iter(int, 1))))) == wire.MAX_ITEMS


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__

    def __index__(self) -> int:
        return 99


class LyingList(list[int]):
    def __iter__(self) -> Any:
        return iter([99])


class Colour(IntEnum):
    RED = 7


def test_subclasses_become_the_plain_value_whatever_they_override() -> None:
    Point = namedtuple("Point", "x y")
    for value, plain in (
        (Liar(5), 5),
        (LyingList([1, 2]), [1, 2]),
        (Colour.RED, 7),
        (Point(1, 2), (1, 2)),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (defaultdict(list, {1: [2]}), {1: [2]}),
        (deque([1, 2]), [1, 2]),
    ):
        received = wire.decode(through_json(value))
        assert exact(received) == exact(plain), value


def test_what_cannot_cross_is_equal_to_nothing_and_refused_when_strict() -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

    received = wire.decode(through_json([Equal(), print, Equal]))
    assert [item.name for item in received] == ["Equal", "builtin_function_or_method", "type"]
    assert received[0] not in (Equal.__name__, 1, received[1])
    for value in (Equal(), [Equal()], {1: Equal()}, print):
        with pytest.raises(wire.CannotCross):
            wire.encode(value, strict=True)
    assert wire.encode(received[0], strict=True) == {"o": "Opaque"}, "the solution's own may go back"


def test_depth_is_bounded_on_both_sides() -> None:
    nested: Any = []
    for _ in range(1000):
        nested = [nested]
    assert "too deeply nested" in json.dumps(wire.encode(nested))
    with pytest.raises(wire.LinkError, match="deep"):
        wire.decode(nested)
    loop: list[Any] = []
    loop.append(loop)
    wire.encode(loop)
    mapping: Any = {}
    for _ in range(wire.MAX_DEPTH - 1):
        mapping = {0: mapping}
    assert exact(wire.decode(through_json(mapping))) == exact(mapping), "the deepest that is sent is also received"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*"ifcbyntszdrgo", "x", ""]), inner, max_size=2)
    ),
    max_leaves=20,
)


@settings(max_examples=300)
@given(anything)
def test_decoding_gives_builtin_values_or_fails_closed(message: Any) -> None:
    try:
        value = wire.decode(message)
    except wire.LinkError:
        return
    allowed = (type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range)
    assert type(value) in (*allowed, type, type(iter([])), wire.Opaque)


@settings(max_examples=300)
@given(st.binary(max_size=60), st.booleans())
def test_arbitrary_bytes_on_the_link_fail_closed(data: bytes, framed: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack("<I", len(data)) + data if framed else data)
        theirs.close()
        try:
            message = wire.Link(ours.fileno()).receive()
        except wire.LinkError:
            return
        assert type(message) is dict


def test_frames_survive_any_split_and_a_closed_end_is_an_error() -> None:
    reader, writer = os.pipe()
    message = {"x": "é" * 1000, "y": wire.encode([1.5, (2,), {3}])}
    body = json.dumps(message).encode()
    frame = struct.pack("<I", len(body)) + body
    os.write(writer, frame + frame[:100])
    os.close(writer)
    link = wire.Link(reader)
    assert link.receive() == message
    with pytest.raises(wire.LinkError):
        link.receive()
    os.close(reader)


def test_oversize_frames_are_refused_unread_and_unsent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack("<I", wire.MAX_FRAME_BYTES + 1))
        with pytest.raises(wire.LinkError, match="allowed"):
            wire.Link(ours.fileno()).receive()
        with pytest.raises(wire.LinkError, match="allowed"):
            wire.Link(ours.fileno()).send({"x": "y" * wire.MAX_FRAME_BYTES})
