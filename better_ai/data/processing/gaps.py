"""Texts cut for fill-in-the-middle: at any character, around the body of a function, or along the syntax tree.

    document  two characters drawn at random (Bavarian et al. 2022, arXiv 2207.14255)
    function  a function or method, or its body behind the docstring
    node      along the syntax tree (Gong et al. 2025, arXiv 2506.00204), in two ways, drawn evenly. One node: of those
              around a random character, from the statement at the top down to the name. Neighbours: of the nodes
              inside the smallest one around two random characters, the run that overlaps the drawn stretch best, by
              intersection over union.

The parts of a cut text are the text again, byte for byte. Function and node cuts need Python that parses; left out are
nodes inside f-strings, whose places older interpreters misreport.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from better_ai.data.processing.source import FUNCTIONS, Source, Span, docstring_node

Level = Literal["document", "function", "node"]
LEVELS: tuple[Level, ...] = ("document", "function", "node")


@dataclass(frozen=True)
class Gap:
    """A text in three parts, of which the middle is to be filled in."""

    prefix: str
    middle: str
    suffix: str

    @property
    def text(self) -> str:
        return self.prefix + self.middle + self.suffix


def cut(text: str, level: Level, random: Random) -> Gap | None:
    """Cut a text; None where it has no function or is no Python, and for an empty text."""
    if level == "document":
        if not text:
            return None
        start, stop = sorted(random.randrange(len(text) + 1) for _ in range(2))
        return Gap(text[:start], text[start:stop], text[stop:])
    try:
        source = Source(text)
    except ValueError:
        return None
    span = _function(source, random) if level == "function" else _nodes(source, random)
    if span is None:
        return None
    start, stop = span
    return Gap(source.segment(0, start), source.segment(start, stop), source.segment(stop, len(source.data)))


def _function(source: Source, random: Random) -> Span | None:
    found = [node for node in ast.walk(source.tree) if isinstance(node, FUNCTIONS)]
    if not found:
        return None
    node = random.choice(found)
    start, stop = source.span(node)
    body = node.body[1:] if docstring_node(node) else node.body
    return (source.span(body[0])[0], stop) if body and random.random() < 0.5 else (start, stop)


def _nodes(source: Source, random: Random) -> Span | None:
    if not source.tree.body:
        return None
    low, high = sorted(random.randrange(len(source.data) + 1) for _ in range(2))
    if random.random() < 0.5:
        path = _around(source, low, low)
        return source.span(random.choice(path)) if path else source.span(random.choice(source.tree.body))
    path = _around(source, low, high)
    inner = sorted(map(source.span, _children(path[-1] if path else source.tree)))
    return _best_run(inner, low, high) or (source.span(path[-1]) if path else inner[0])


def _around(source: Source, low: int, high: int) -> list[ast.stmt | ast.expr]:
    """The nodes around a stretch of text, from the outermost in."""
    path: list[ast.stmt | ast.expr] = []
    node: ast.AST | None = source.tree
    while node is not None:
        node = next((child for child in _children(node) if _covers(source.span(child), low, high)), None)
        path += [node] if node else []
    return path


def _best_run(children: list[Span], low: int, high: int) -> Span | None:
    """The run of neighbours that overlaps low..high best; only its ends can be worth leaving out."""
    touched = [place for place, (start, stop) in enumerate(children) if start < high and stop > low]
    if not touched:
        return None
    first, last = touched[0], touched[-1]
    runs = [
        (children[start][0], children[stop][1])
        for start in (first, first + 1)
        for stop in (last, last - 1)
        if start <= stop
    ]

    def overlap(run: Span) -> float:
        shared = min(run[1], high) - max(run[0], low)
        return shared / (max(run[1], high) - min(run[0], low))

    return max(runs, key=overlap)


def _covers(span: Span, low: int, high: int) -> bool:
    return span[0] <= low and high <= span[1]


def _children(node: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    """The statements and expressions directly below a node."""
    if isinstance(node, ast.JoinedStr):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.stmt, ast.expr)):
            yield child
        else:
            yield from _children(child)
