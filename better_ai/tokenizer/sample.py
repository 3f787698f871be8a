"""A fixed random sample of the lines of a corpus of any size, in bounded memory."""

import random
from collections.abc import Iterable

from better_ai.tokenizer.tokenizer import utf8

MAX_LINE_CHARACTERS = 2000
"""Longer lines are data rather than code or prose; their beginning is enough."""


class LineSample:
    """Keeps about `max_bytes` of the lines it is given; the same lines give the same sample.

    Each line draws a number; those with the smallest numbers stay, in their order. At most twice `max_bytes` is held.
    """

    def __init__(self, max_bytes: int, *, seed: int = 0, keep_indentation: bool = False) -> None:
        self.max_bytes, self.keep_indentation = max_bytes, keep_indentation
        self.num_bytes = 0
        self._random = random.Random(seed)
        self._threshold = 1.0
        self._kept: list[tuple[float, str, int]] = []

    def add(self, text: str) -> None:
        """Offer every line of a text that is not blank, without the spaces around it unless indentation is kept."""
        for line in text.split("\n"):
            stripped = line[:MAX_LINE_CHARACTERS].strip(" ")
            if not stripped:
                continue
            if self.keep_indentation:
                stripped = line[:MAX_LINE_CHARACTERS].rstrip(" ")
            draw = self._random.random()
            if draw < self._threshold:
                size = len(utf8(stripped)) + 1
                self._kept.append((draw, stripped, size))
                self.num_bytes += size
        if self.num_bytes > 2 * self.max_bytes:
            self._shrink()

    def lines(self) -> list[str]:
        if self.num_bytes > self.max_bytes:
            self._shrink()
        return [line for _, line, _ in self._kept]

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


def sample_lines(
    texts: Iterable[str], max_bytes: int, *, seed: int = 0, keep_indentation: bool = False
) -> tuple[list[str], int]:
    """The sampled lines of all texts and their size in bytes, line ends included."""
    sample = LineSample(max_bytes, seed=seed, keep_indentation=keep_indentation)
    for text in texts:
        sample.add(text)
    return sample.lines(), sample.num_bytes
