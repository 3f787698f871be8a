"""A random order of any number of things that costs no memory: each place is computed alone.

Swap-or-not (Hoang, Morris and Rogaway 2012, arXiv 1208.1176): in each round the members of every pair {x, K - x} change
places, or do not, as a keyed bit of the pair says. It is a permutation for any number of things, without the
power-of-two domain and the cycle-walking of a Feistel network; and any place of any epoch is found at once, so going on
in the middle costs nothing. As a shuffle of rows it reads the whole data set at random; a row of 2,048 tokens is a page
of 4 KB. The rounds are chosen for statistics, not for secrecy: a pair of neighbours stays one with probability 2**-64.
"""

import numpy as np

ROUNDS = 64


class RandomOrder:
    """A permutation of 0..size-1 drawn from a key, such as a seed and an epoch (numbers of at least 0)."""

    def __init__(self, size: int, *key: int) -> None:
        assert size > 0
        self.size = size
        drawn = np.random.SeedSequence(key).generate_state(2 * ROUNDS, np.uint64)
        self._mirrors, self._keys = drawn[:ROUNDS] % np.uint64(size), drawn[ROUNDS:]

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """What stands at these places, int64."""
        size, x = np.uint64(self.size), np.asarray(places, np.int64).astype(np.uint64)
        for mirror, key in zip(self._mirrors, self._keys, strict=True):
            partner = mirror + size - x
            partner[partner >= size] -= size
            swapped = (_mixed(np.maximum(x, partner) ^ key) >> np.uint64(63)).astype(bool)
            np.copyto(x, partner, where=swapped)
        return x.astype(np.int64)


def _mixed(x: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): every bit of the result depends on every bit of x."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
