"""Memory of this process: its peak over a span, and how freed blocks are kept."""

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psutil
import torch

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_open_spans: list["PeakMemory"] = []


class PeakMemory:
    """`with PeakMemory() as peak: ...; peak.bytes`: the most memory in use at once since the span began.

    Resident memory of this process; of the GPU allocator when CUDA has been used. Spans nest. Linux counts the peak
    exactly; elsewhere it is the larger of the values at both ends.
    """

    def __init__(self) -> None:
        self._host = 0

    def __enter__(self) -> Self:
        _restart_peak()
        _open_spans.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _restart_peak()
        _open_spans.remove(self)

    @property
    def bytes(self) -> int:
        if self in _open_spans:
            _restart_peak()
        return self._host


def _restart_peak() -> None:
    """Hand the peak reached so far to every open span and start counting anew, so that spans may nest."""
    peak = _peak_bytes()
    for span in _open_spans:
        span._host = max(span._host, peak)
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        _CLEAR_REFS.write_text("5")


def _peak_bytes() -> int:
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    if _CLEAR_REFS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return psutil.Process().memory_info().rss


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside the block glibc keeps freed memory for the next allocation; afterwards it is given back.

    By default large blocks return to the kernel when freed, which hands out zeroed pages, one fault each, when the next
    step asks for the same activations. That is 10 to 15 % of a small model's step. Nothing happens with another C
    library.
    """
    if not (sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "mallopt")):
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
    try:
        yield
    finally:
        libc.malloc_trim(0)
