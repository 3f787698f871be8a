"""How many threads one training process computes with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch


def thread_count(num_threads: int, num_processes: int = 1) -> int:
    """`num_threads`, or for 0 the physical cores that this process may use, shared among the processes."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return num_threads or max(1, min(psutil.cpu_count(logical=False) or allowed, allowed) // num_processes)


@contextmanager
def torch_threads(num_threads: int, num_processes: int = 1) -> Iterator[int]:
    """Compute with that many threads inside the block; yields the number."""
    before = torch.get_num_threads()
    threads = thread_count(num_threads, num_processes)
    torch.set_num_threads(threads)
    try:
        yield threads
    finally:
        torch.set_num_threads(before)
