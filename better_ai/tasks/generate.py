"""Generated tasks: families of structures, and drawing distinct tasks of a split from them."""

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import chain
from math import prod

from better_ai.config import TasksConfig
from better_ai.errors import ConfigError, UserError
from better_ai.tasks import arithmetic, composition, conditions, dictionaries, lists, loops, strings
from better_ai.tasks.cases import choose_cases
from better_ai.tasks.operation import Step
from better_ai.tasks.splits import can_hold, novelties, split_of
from better_ai.tasks.structure import Structure
from better_ai.tasks.task import Split, Task, Value
from better_ai.tasks.wording import NUM_FRAMES, instruction

ENTRY_POINTS = ("f", "g", "solve", "compute", "convert", "process")


def _compositions() -> Iterable[Structure]:
    """Chains of two of any operations, and of three short ones."""
    operations = (
        *arithmetic.NUMBER_OPERATIONS, *strings.TEXT_OPERATIONS, *lists.NUMBERS_OPERATIONS, *lists.WORDS_OPERATIONS,
        *dictionaries.TABLE_OPERATIONS, *dictionaries.TABLE_MAKERS,
    )  # fmt: skip
    short = (*arithmetic.BASIC, *strings.BASIC, *lists.NUMBERS_OPERATIONS)
    return chain(composition.compositions(operations, 2), composition.compositions(short, 3))


FAMILIES: dict[str, Callable[[], Iterable[Structure]]] = {
    "arithmetic": lambda: composition.singles("arithmetic", arithmetic.NUMBER_OPERATIONS),
    "strings": lambda: composition.singles("strings", strings.TEXT_OPERATIONS),
    "lists": lambda: composition.singles("lists", (*lists.NUMBERS_OPERATIONS, *lists.WORDS_OPERATIONS)),
    "dictionaries": lambda: composition.singles(
        "dictionaries", (*dictionaries.TABLE_OPERATIONS, *dictionaries.TABLE_MAKERS)
    ),
    "conditions": conditions.branches,
    "loops": loops.loops,
    "composition": _compositions,
}


@cache
def structures_of(family: str) -> tuple[Structure, ...]:
    """Every structure of a family. Raises ConfigError for an unknown family."""
    if family not in FAMILIES:
        raise ConfigError(f"unknown family of tasks {family!r}; known: {', '.join(FAMILIES)}")
    return tuple(FAMILIES[family]())


@cache
def _structures_with(family: str, split: Split) -> tuple[Structure, ...]:
    """The structures of a family from which tasks of the split can be made."""
    return tuple(structure for structure in structures_of(family) if can_hold(structure, split))


def generate_tasks(config: TasksConfig, split: Split, count: int, seed: int) -> list[Task]:
    """`count` different tasks of a split, drawn evenly over the families, then over the structures of each.

    A family named twice in the configuration is drawn twice as often. No two tasks share structure, parameters and
    wording, and outside of train no two share structure and parameters: what is measured on must not count the same
    task twice. A smaller count gives a prefix of a larger one. What belongs to which split depends on neither seed
    nor count (see `splits`). Raises ConfigError for an unknown family and UserError when fewer tasks exist.
    """
    rng = random.Random(f"{split}:{seed}")
    families = list(config.families)
    pools = {family: _Pool(family, split, config.max_difficulty) for family in families}
    tasks: list[Task] = []
    while len(tasks) < count:
        if not families:
            raise UserError(
                f"asked for {count} {split} tasks, but only {len(tasks)} exist in the families"
                f" {', '.join(config.families)} up to difficulty {config.max_difficulty:g};"
                f" ask for fewer, add families or raise max_difficulty"
            )
        family = rng.choice(families)
        task = pools[family].draw(rng)
        if task is None:
            families = [other for other in families if other != family]
        else:
            tasks.append(task)
    return tasks


class _Pool:
    """The structures of one family that still have undrawn tasks."""

    def __init__(self, family: str, split: Split, max_difficulty: float) -> None:
        self._split = split
        self.structures = [one for one in _structures_with(family, split) if one.difficulty <= max_difficulty]
        self._drawn: dict[Structure, set[object]] = defaultdict(set)

    def draw(self, rng: random.Random) -> Task | None:
        """A task not drawn before; None when there is none left."""
        while self.structures:
            task = self._try(rng.choice(self.structures), rng)
            if task is not None:
                return task
        return None

    def _try(self, structure: Structure, rng: random.Random) -> Task | None:
        """A task; None when chance hit one drawn before, another split or a part without effect."""
        choice = _Choice(
            tuple(
                tuple(rng.choice(values) for values in operation.parameters.values()) for operation in structure.slots
            ),
            rng.randrange(NUM_FRAMES),
            rng.randrange(_num_connectives(structure)),
            tuple(rng.randrange(len(operation.phrases)) for operation in structure.slots),
        )
        drawn, key = self._drawn[structure], (choice if self._split == "train" else choice.values)
        if key in drawn:
            return None
        drawn.add(key)
        if len(drawn) == _num_keys(structure, self._split):
            self.structures.remove(structure)
        return _task(structure, choice, self._split)


@dataclass(frozen=True)
class _Choice:
    """All that is chosen to make a task of a structure."""

    values: tuple[tuple[Value, ...], ...]
    frame: int
    connective: int
    phrases: tuple[int, ...]


def _num_keys(structure: Structure, split: Split) -> int:
    """How many different draws of a structure there are, those that belong to other splits included."""
    values = prod(len(choices) for operation in structure.slots for choices in operation.parameters.values())
    if split != "train":
        return values
    return values * NUM_FRAMES * _num_connectives(structure) * prod(len(slot.phrases) for slot in structure.slots)


def _num_connectives(structure: Structure) -> int:
    return len(structure.connectives) if len(structure.slots) > 1 else 1


def _task(structure: Structure, choice: _Choice, split: Split) -> Task | None:
    """The task, or None when it belongs to another split or no tests can tell it from a simpler program."""
    steps = [Step(operation, values) for operation, values in zip(structure.slots, choice.values, strict=True)]
    if split_of(structure, steps) != split:
        return None
    parameters = tuple(chain.from_iterable(choice.values))
    digest = hashlib.sha256(repr((structure.name, choice)).encode()).hexdigest()
    mutants = [*structure.structural_mutants(steps), *structure.parameter_mutants(steps)]
    cases = choose_cases(structure.source, structure.meaning(steps), mutants, parameters, random.Random(digest))
    if cases is None:
        return None
    name = ENTRY_POINTS[int(digest, 16) % len(ENTRY_POINTS)]
    call = f"{name}({structure.variable})"
    connective = structure.connectives[choice.connective]
    return Task(
        id=f"{structure.family}-{digest[:12]}",
        prompt=instruction(call, structure.clauses(steps, choice.phrases), choice.frame, connective),
        entry_point=name,
        tests="".join(f"assert {name}({value!r}) == {expected!r}\n" for value, expected in cases),
        reference="\n".join([f"def {call}:", *structure.body(steps)]) + "\n",
        difficulty=structure.difficulty,
        tags=(structure.family, *novelties(structure, steps)),
        split=split,
        structure=structure.name,
        parameters=parameters,
    )
