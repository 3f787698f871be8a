"""Which task comes next: an endless, seeded order that a number can resume."""

import numpy as np


class TaskOrder:
    """Every epoch visits all tasks once, in an order of its own drawn from (seed, epoch)."""

    def __init__(self, num_tasks: int, seed: int) -> None:
        self._num_tasks = num_tasks
        self._seed = seed
        self._epoch = -1
        self._order = np.empty(0, dtype=np.int64)

    def __getitem__(self, draw: int) -> int:
        """Index of the task of the given draw, counted from 0 over the whole run."""
        epoch, place = divmod(draw, self._num_tasks)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([self._seed, epoch]).permutation(self._num_tasks)
        return int(self._order[place])


def sampling_seed(seed: int, draw: int) -> int:
    """The engine's seed for the samples of one draw: never the same twice in a run."""
    return int(np.random.SeedSequence([seed, draw]).generate_state(1, np.uint64)[0])
