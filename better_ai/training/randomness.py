"""The global random number generators of torch, numpy and Python, taken together."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_rng(seed: int) -> None:
    """Start all generators from one seed."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def rng_state() -> dict[str, Any]:
    """Where the generators are, as tensors and plain values."""
    state: Any = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "numpy": state | {"state": state["state"] | {"key": state["state"]["key"].tolist()}},
        "python": random.getstate(),
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Put the generators where `rng_state` found them."""
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    key = np.array(state["numpy"]["state"]["key"], dtype=np.uint32)
    np.random.set_state(state["numpy"] | {"state": state["numpy"]["state"] | {"key": key}})
    random.setstate(state["python"])


@contextmanager
def kept_rng() -> Iterator[None]:
    """Leave the generators as they were, whatever the block draws."""
    state = rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
