"""The link between tests and solution: frames of JSON that carry only exact builtin values.

The solution's end is in the hands of untrusted code, so the decoder trusts nothing: one representation for each value,
exact types, bounded size and depth, and `LinkError` for everything else. What it returns is built from builtin types
alone, hence no foreign `__eq__`, `__hash__` or `__repr__` ever runs beside the tests.

    None, bool, str, small int, list    as in JSON
    {"i": "0x1f"}     int beyond 2**53          {"t": [...]}      tuple
    {"f": "0x1p+0"}   float, exactly            {"s": [...]}      set
    {"c": [re, im]}   complex                   {"z": [...]}      frozenset
    {"b": "00ff"}     bytes                     {"d": [[k, v]]}   dict, in order
    {"y": "00ff"}     bytearray                 {"r": [a, b, c]}  range
    {"n": "int"}      one of the builtin types  {"g": [...]}      iterator, its first 100,000 items
    {"o": "Name"}     anything else: an `Opaque`, equal to nothing
"""

import json
import os
import struct
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NoReturn

MAX_FRAME_BYTES = 16 << 20
MAX_DEPTH = 100
MAX_ITEMS = 100_000  # of an iterator
_SMALL_INT = 2**53
_LENGTH = struct.Struct("<I")
_BUILTIN_TYPES: tuple[type, ...] = (
    *(int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset, range, object),
    type(None),
)
_TYPES = {kind.__name__: kind for kind in _BUILTIN_TYPES}


class LinkError(Exception):
    """The other end broke the protocol or went away."""


class CannotCross(Exception):
    """A strict encoder met a value that has no exact form on the link."""


class Opaque:
    """Stands in the tests for a value of the solution that cannot cross the link."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name} object, which cannot cross to the tests>"


def encode(value: Any, *, strict: bool = False) -> Any:
    """Turn `value` into what JSON can carry; an instance of a subclass becomes the plain builtin value.

    Strict raises `CannotCross` where otherwise an opaque object would be sent, except for one that came over the link.
    """
    return _encode(value, 0, strict)


def _encode(value: Any, depth: int, strict: bool) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if depth >= MAX_DEPTH:
        return _opaque("too deeply nested", strict)
    if encoder := _ENCODERS.get(kind):
        return encoder(value, depth + 1, strict)
    for base, encoder in _ENCODERS.items():
        if isinstance(value, base):
            return encoder(value, depth + 1, strict)
    if kind is type and value in _BUILTIN_TYPES:
        return {"n": value.__name__}
    if hasattr(kind, "__next__") or kind in _VIEWS:
        return {"g": _items(islice(value, MAX_ITEMS), depth + 1, strict)}
    return _opaque(kind.__name__, strict and kind is not Opaque)


def _opaque(name: str, strict: bool) -> dict[str, str]:
    if strict:
        raise CannotCross(name)
    return {"o": name}


def _items(values: Iterable[Any], depth: int, strict: bool) -> list[Any]:
    return [_encode(value, depth, strict) for value in values]


def _encode_int(value: int, depth: int, strict: bool) -> Any:
    value = int.__index__(value)
    return value if -_SMALL_INT < value < _SMALL_INT else {"i": hex(value)}


def _encode_dict(value: dict, depth: int, strict: bool) -> Any:
    return {"d": [_items(pair, depth, strict) for pair in dict.items(value)]}


def _encode_range(value: range, depth: int, strict: bool) -> Any:
    return {"r": _items((value.start, value.stop, value.step), depth, strict)}


# The methods of the base class are named so that what a subclass overrides does not run.
_ENCODERS: dict[type, Callable[[Any, int, bool], Any]] = {
    int: _encode_int,
    float: lambda value, depth, strict: {"f": float.hex(value)},
    list: lambda value, depth, strict: _items(list.__iter__(value), depth, strict),
    tuple: lambda value, depth, strict: {"t": _items(tuple.__iter__(value), depth, strict)},
    dict: _encode_dict,
    set: lambda value, depth, strict: {"s": _items(set.__iter__(value), depth, strict)},
    frozenset: lambda value, depth, strict: {"z": _items(frozenset.__iter__(value), depth, strict)},
    bytes: lambda value, depth, strict: {"b": bytes.hex(value)},
    bytearray: lambda value, depth, strict: {"y": bytearray.hex(value)},
    complex: lambda value, depth, strict: {"c": [float.hex(value.real), float.hex(value.imag)]},
    range: _encode_range,
    deque: lambda value, depth, strict: _items(deque.__iter__(value), depth, strict),
    str: lambda value, depth, strict: str.__str__(value),
}
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


def decode(message: Any) -> Any:
    """Rebuild a value. Raises `LinkError` for whatever `encode` does not send."""
    try:
        return _decode(message, 0)
    except LinkError:
        raise
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise LinkError(f"malformed value: {type(error).__name__}") from None


def _decode(message: Any, depth: int) -> Any:
    kind = type(message)
    if message is None or kind is bool or kind is str:
        return message
    if depth >= 4 * MAX_DEPTH:
        raise LinkError("value nested too deeply")
    if kind is int and -_SMALL_INT < message < _SMALL_INT:
        return message
    if kind is list:
        return [_decode(item, depth + 1) for item in message]
    if kind is not dict or len(message) != 1:
        raise LinkError(f"malformed value of type {kind.__name__}")
    ((tag, body),) = message.items()
    body_kind, decoder = _DECODERS[tag]
    if type(body) is not body_kind:
        raise LinkError(f"malformed value behind tag {tag[:8]!r}")
    return decoder(_decode(body, depth + 1))  # a string stays as it is


def _decode_dict(pairs: list[Any]) -> dict[Any, Any]:
    if not all(type(pair) is list for pair in pairs):
        raise LinkError("malformed dict")
    return dict(pairs)


def _decode_range(bounds: list[Any]) -> range:
    start, stop, step = bounds
    return range(start, stop, step)


def _decode_complex(parts: list[Any]) -> complex:
    real, imaginary = parts
    return complex(float.fromhex(real), float.fromhex(imaginary))


_DECODERS: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "i": (str, lambda text: int(text, 16)),
    "f": (str, float.fromhex),
    "c": (list, _decode_complex),
    "b": (str, bytes.fromhex),
    "y": (str, bytearray.fromhex),
    "n": (str, _TYPES.__getitem__),
    "t": (list, tuple),
    "s": (list, set),
    "z": (list, frozenset),
    "d": (list, _decode_dict),
    "r": (list, _decode_range),
    "g": (list, iter),
    "o": (str, Opaque),
}


class Link:
    """Length-prefixed JSON objects over a connected stream socket."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps(message, separators=(",", ":")).encode()
        if len(body) > MAX_FRAME_BYTES:
            raise LinkError(f"a frame of {len(body)} bytes is over the {MAX_FRAME_BYTES} allowed")
        data = memoryview(_LENGTH.pack(len(body)) + body)
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            _gone()

    def receive(self) -> dict[str, Any]:
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        if length > MAX_FRAME_BYTES:
            raise LinkError(f"a frame of {length} bytes is over the {MAX_FRAME_BYTES} allowed")
        try:
            message = json.loads(self._read(length))
        except (ValueError, RecursionError):
            raise LinkError("a frame is not JSON") from None
        if type(message) is not dict:
            raise LinkError("a frame is not a JSON object")
        return message

    def _read(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            try:
                part = os.read(self._fd, min(length - len(data), 1 << 20))
            except OSError:
                _gone()
            if not part:
                _gone()
            data += part
        return bytes(data)


def _gone() -> NoReturn:
    raise LinkError("it ended before it answered")
