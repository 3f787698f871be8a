"""A verifiable programming task, and JSON-lines files of tasks."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from better_ai.artifacts import atomic_write
from better_ai.tasks.jsonl import read_records, text, texts

Split = Literal["train", "validation", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "validation", "heldout")

Value = int | str
"""A parameter of a generated task."""


@dataclass(frozen=True)
class Task:
    """One function to write, with the tests that decide whether a program is a solution.

    `tests` is source text: assert lines that call `entry_point`, or HumanEval's form, which defines `check(candidate)`.
    `reference` is a complete program that passes them. The first tag names the family.
    """

    id: str
    prompt: str
    entry_point: str
    tests: str
    reference: str
    difficulty: float
    """0 (trivial) to 1."""
    tags: tuple[str, ...]
    language: str = "python"
    split: Split = "train"
    structure: str = ""
    """Generated tasks: the composition of operations, without their parameters."""
    parameters: tuple[Value, ...] = ()
    """Generated tasks: the parameters of the operations, in the order of the structure."""
    prompt_kind: Literal["instruction", "code"] = "instruction"
    """Whether the prompt says in words what to write, or is the beginning of the program, to be continued."""
    integrity: Literal["split", "shared"] = "split"
    """Where the tests run: apart from the solution, or in its process because they handle objects that it defines."""

    @property
    def family(self) -> str:
        return self.tags[0]

    def demonstration(self) -> tuple[str, str]:
        """The prompt and the answer that solves it: the reference, or what remains of it after a prompt of code."""
        if self.prompt_kind == "code":
            return self.prompt, self.reference.removeprefix(self.prompt)
        return self.prompt, self.reference


def write_tasks(tasks: Iterable[Task], path: Path | str) -> None:
    """One JSON object per line, UTF-8, written atomically. Raises ArtifactError when the disk refuses."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for task in tasks:
            file.write(json.dumps(asdict(task), ensure_ascii=False) + "\n")


def read_tasks(path: Path | str) -> list[Task]:
    """Read a file of `write_tasks` that anyone may have touched. Raises UserError that names every bad line."""
    return read_records(path, _task_of)


def _task_of(record: dict[str, Any]) -> Task:
    unknown = sorted(record.keys() - {field.name for field in fields(Task)})
    if unknown:
        raise ValueError(f"unknown fields {unknown}")
    difficulty = record["difficulty"]
    if isinstance(difficulty, bool) or not isinstance(difficulty, int | float) or not 0 <= difficulty <= 1:
        raise ValueError(f"difficulty must be a number from 0 to 1, found {difficulty!r}")
    entry_point = text(record, "entry_point")
    if not entry_point.isidentifier():
        raise ValueError(f"entry_point must be an identifier, found {entry_point[:60]!r}")
    tags = texts(record, "tags")
    if not tags:
        raise ValueError("tags must name at least the family")
    parameters = record.get("parameters", [])
    if not isinstance(parameters, list) or any(
        isinstance(value, bool) or not isinstance(value, int | str) for value in parameters
    ):
        raise ValueError(f"parameters must be a list of integers and strings, found {str(parameters)[:60]!r}")
    optional = {name: text(record, name) for name in ("language", "structure") if name in record}
    return Task(
        **{name: text(record, name) for name in ("id", "prompt", "tests", "reference")},
        entry_point=entry_point,
        difficulty=float(difficulty),
        tags=tuple(tags),
        split=_one_of(record, "split", SPLITS),
        parameters=tuple(parameters),
        prompt_kind=_one_of(record, "prompt_kind", ("instruction", "code")),
        integrity=_one_of(record, "integrity", ("split", "shared")),
        **optional,
    )


def _one_of(record: dict[str, Any], field: str, known: tuple[Any, ...]) -> Any:
    """A field with one of the known values; the first of them when it is absent."""
    value = record.get(field, known[0])
    if value not in known:
        raise ValueError(f"{field} must be one of {', '.join(known)}, found {str(value)[:60]!r}")
    return value
