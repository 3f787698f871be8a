"""Bytes of sampled tokens in, safe text out: whole characters only, and never a part of a stop string."""

import codecs
from collections.abc import Sequence


class TextAssembler:
    """Joins token bytes into text, piece by piece.

    Bytes that are no UTF-8 become U+FFFD, as in `bytes.decode(errors="replace")`. Text that may be the beginning of a
    stop string is held back until it is decided; once a stop string is complete, `stopped` is set and nothing after
    its start is ever given out. If several begin in the same piece, the one that begins first counts.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = tuple(stop)
        self._held = ""
        self.stopped = False

    def push(self, piece: bytes) -> str:
        """Add one token's bytes; returns the text that is now certain."""
        return self._release(self._decoder.decode(piece))

    def finish(self) -> str:
        """No token follows: returns the rest, an unfinished character as U+FFFD."""
        rest = self._release(self._decoder.decode(b"", final=True)) + self._held
        self._held = ""
        return rest

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        self._held += text
        starts = [start for stop in self._stop if (start := self._held.find(stop)) >= 0]
        if starts:
            self.stopped = True
            certain, self._held = self._held[: min(starts)], ""
            return certain
        keep = max((_overlap(self._held, stop) for stop in self._stop), default=0)
        split = len(self._held) - keep
        certain, self._held = self._held[:split], self._held[split:]
        return certain


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a proper beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
