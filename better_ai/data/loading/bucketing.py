"""Batches of whole examples of about one length, so that little of a batch is padding.

For fine-tuning and evaluation where packing is not wanted: one example per row, rows padded to the upper bound of
their bucket, and as many rows in a batch as a budget of tokens allows. Few shapes occur: one per bucket.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from better_ai.data.loading.order import RandomOrder
from better_ai.data.loading.packing import Example, PackedRows, one_per_row
from better_ai.data.loading.stream import check_identity
from better_ai.errors import UserError


def bucket_batches(
    lengths: np.ndarray, bounds: Sequence[int], tokens_per_batch: int, *key: int
) -> list[tuple[int, np.ndarray]]:
    """(padded length, numbers of the examples) of every batch of an epoch, in random order.

    Every example stands in exactly one batch. `bounds`: upper lengths of the buckets, ascending. `key`: seed and
    epoch. Raises UserError when an example or a single row fits nowhere.
    """
    bounds = list(bounds)
    if bounds != sorted(set(bounds)) or not bounds or bounds[0] < 1 or tokens_per_batch < bounds[-1]:
        raise UserError(
            f"the buckets {bounds} must ascend from at least 1, and tokens_per_batch={tokens_per_batch} must hold a "
            "row of the longest"
        )
    if len(lengths) and (longest := int(lengths.max())) > bounds[-1]:
        raise UserError(f"an example has {longest} tokens, the longest bucket {bounds[-1]}; add a bucket or drop it")
    if not len(lengths):
        return []
    order = RandomOrder(len(lengths), *key)(np.arange(len(lengths)))
    buckets = np.searchsorted(bounds, lengths[order])
    batches = []
    for bucket, bound in enumerate(bounds):
        members, rows = order[buckets == bucket], tokens_per_batch // bound
        batches += [(bound, members[start : start + rows]) for start in range(0, len(members), rows)]
    return [batches[number] for number in RandomOrder(len(batches), *key)(np.arange(len(batches)))]


class BucketLoader:
    """Endless batches of examples by length; ranks take turns, and a state is good for any number of ranks.

    Ranks draw whole batches in turn from one order, so in a step their rows may differ in length and number.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        bounds: Sequence[int],
        tokens_per_batch: int,
        pad_id: int,
        *,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Raises UserError when there is no example, or one fits no bucket, or there is no such rank."""
        if not examples or not 0 <= rank < world_size:
            raise UserError(f"cannot share {len(examples)} examples out to rank {rank} of {world_size}")
        self.examples, self.bounds, self.tokens_per_batch = examples, list(bounds), tokens_per_batch
        self.pad_id, self.seed, self.rank, self.world_size = pad_id, seed, rank, world_size
        self._lengths = np.array([len(example.tokens) for example in examples])
        self._content_id = _digest(examples)
        self._epoch = self._batch = 0
        self._batches = self._plan()

    def next_batch(self) -> PackedRows:
        """The next batch of this rank: one example per row."""
        for turn in range(self.world_size):
            bound, numbers = self._batches[self._batch]
            if turn == self.rank:
                mine = one_per_row([self.examples[number] for number in numbers], bound, self.pad_id)
            self._advance()
        return mine

    @property
    def epoch(self) -> float:
        """How often the examples have been seen, counted in batches."""
        return self._epoch + self._batch / len(self._batches)

    def metrics(self) -> dict[str, float]:
        return {"data/epochs": self.epoch}

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "batch": self._batch, "identity": self.identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where a state was taken. Raises ArtifactError when it is one of other examples or settings."""
        check_identity(state, self.identity())
        self._epoch, self._batch = state["epoch"], state["batch"]
        self._batches = self._plan()

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "buckets",
            "examples": self._content_id,
            "bounds": self.bounds,
            "tokens_per_batch": self.tokens_per_batch,
            "pad_id": self.pad_id,
            "seed": self.seed,
        }

    def _advance(self) -> None:
        self._batch += 1
        if self._batch == len(self._batches):
            self._epoch, self._batch = self._epoch + 1, 0
            self._batches = self._plan()

    def _plan(self) -> list[tuple[int, np.ndarray]]:
        return bucket_batches(self._lengths, self.bounds, self.tokens_per_batch, self.seed, self._epoch)


def _digest(examples: Sequence[Example]) -> str:
    digest = hashlib.sha256()
    for example in examples:
        digest.update(len(example.tokens).to_bytes(8, "little"))
        digest.update(np.asarray(example.tokens, "<u4").tobytes())
        digest.update(np.asarray(example.mask, bool).tobytes())
    return digest.hexdigest()
