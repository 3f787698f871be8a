"""Which split a task belongs to: decided by what it is, by hash, never by a seed or a count.

Two things are held out: whole structures, and parameter values of single operations. A task whose structure or any of
whose values is held out is held out itself, so every held-out task has a structure that no training task has, or a
value that its operation never takes in training. The same holds for validation, one rank lower. Single operations
are never held out as a structure: a model must have met each of the words of a composition.
"""

import hashlib
from collections.abc import Sequence
from functools import cache

from better_ai.tasks.operation import Operation, Step
from better_ai.tasks.structure import Structure
from better_ai.tasks.task import SPLITS, Split, Value

_SHARES = {"structure": (0.2, 0.1), "values": (0.12, 0.08)}
"""Held-out and validation share of the structures, and of the values of each operation."""


def split_of(structure: Structure, steps: Sequence[Step]) -> Split:
    """The highest of the ranks of the structure and of each operation's parameters."""
    ranks = [structure_split(structure), *(step_split(step) for step in steps)]
    return max(ranks, key=SPLITS.index)


def novelties(structure: Structure, steps: Sequence[Step]) -> tuple[str, ...]:
    """What of a held-out or validation task no training task has: "new structure", "new values" or both."""
    found = []
    if structure_split(structure) != "train":
        found.append("new structure")
    if any(step_split(step) != "train" for step in steps):
        found.append("new values")
    return tuple(found)


def can_hold(structure: Structure, split: Split) -> bool:
    """Whether some choice of parameters makes a task of the split."""
    own = structure_split(structure)
    if own == split:
        return True
    return SPLITS.index(own) < SPLITS.index(split) and any(split in _value_splits(slot) for slot in structure.slots)


def structure_split(structure: Structure) -> Split:
    """The split of a structure as a whole; train for a single operation."""
    return "train" if len(structure.slots) == 1 else _bucket("structure", structure.name)


def step_split(step: Step) -> Split:
    """The split of an operation's parameter values; train for an operation without parameters."""
    return _bucket("values", step.operation.name, *step.values) if step.values else "train"


@cache
def _value_splits(operation: Operation) -> frozenset[Split]:
    return frozenset(step_split(Step(operation, values)) for values in operation.bindings())


def _bucket(what: str, *key: Value) -> Split:
    heldout, validation = _SHARES[what]
    digest = hashlib.sha256(repr((what, *key)).encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < heldout:
        return "heldout"
    return "validation" if position < heldout + validation else "train"
