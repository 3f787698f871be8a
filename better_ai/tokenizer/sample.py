"""A fixed random sample of a corpus of any size, in bounded memory."""

import random
from collections.abc import Iterable

from better_ai.tokenizer.tokenizer import utf8

MAX_LINE_CHARACTERS = 2000
"""Longer lines are data rather than code or prose; their beginning is enough."""


class TextSample:
    """Keeps about `max_bytes` of the texts it is offered; the same texts give the same sample.

    Each text draws a number; those with the smallest numbers stay, in their order. At most twice `max_bytes` is held.
    """

    def __init__(self, max_bytes: int, *, seed: int = 0) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = 0
        """Of what is kept, one more for the end of each text."""
        self._random = random.Random(seed)
        self._threshold = 1.0
        self._kept: list[tuple[float, str, int]] = []

    def offer(self, text: str) -> None:
        """Keep a text or not."""
        draw = self._random.random()
        if draw < self._threshold:
            size = len(utf8(text)) + 1
            self._kept.append((draw, text, size))
            self.num_bytes += size
        if self.num_bytes > 2 * self.max_bytes:
            self._shrink()

    def texts(self) -> list[str]:
        """What is kept."""
        if self.num_bytes > self.max_bytes:
            self._shrink()
        return [text for _, text, _ in self._kept]

    def _shrink(self) -> None:
        """Lower the threshold until `max_bytes` are left."""
        total = 0
        for draw, _, size in sorted(self._kept):
            total += size
            if total > self.max_bytes:
                self._threshold = draw
                break
        self._kept = [entry for entry in self._kept if entry[0] < self._threshold]
        self.num_bytes = sum(size for _, _, size in self._kept)


def sample_lines(texts: Iterable[str], max_bytes: int, *, seed: int = 0) -> tuple[list[str], int]:
    """A sample of the lines that are not blank, without the spaces around them, and its size with line ends."""
    sample = TextSample(max_bytes, seed=seed)
    for text in texts:
        for line in text.split("\n"):
            if stripped := line[:MAX_LINE_CHARACTERS].strip(" "):
                sample.offer(stripped)
    lines = sample.texts()
    return lines, sample.num_bytes


def sample_texts(texts: Iterable[str], max_bytes: int, *, seed: int = 0) -> list[str]:
    """A sample of whole texts; one that is larger than `max_bytes` is left out."""
    sample = TextSample(max_bytes, seed=seed)
    for text in texts:
        if text and len(text) <= max_bytes:
            sample.offer(text)
    return sample.texts()
