"""One document turned into conversations of every task set, and one Git history into reviews."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from better_ai.config.data.processing import GitHistory, ProcessingConfig
from better_ai.data.collectors.repository import Repository, RepositoryError
from better_ai.data.licenses import ExpressionError, allows, parse_expression
from better_ai.data.processing.conversations import Draft, Origin, TaskSet, row
from better_ai.data.processing.functions import FunctionText, functions
from better_ai.data.processing.hygiene import personal
from better_ai.data.processing.source import Source
from better_ai.data.processing.task_sets.bug_fixing import Passes, fix_bug, passing_examples
from better_ai.data.processing.task_sets.code_review import Unfit, read_change, review
from better_ai.data.processing.task_sets.completion import complete
from better_ai.data.processing.task_sets.documentation import document as write_docstring
from better_ai.data.processing.task_sets.instructions import converse, instruct
from better_ai.data.processing.task_sets.refactoring import refactor

PERSONAL = "points to a person"

Make = Callable[[FunctionText, Random], Draft | None]


class Rejected(ValueError):
    """Why a document or a history gives no conversation."""


@dataclass
class Converted:
    """Rows of `CONVERSATION_SCHEMA`, and how many drafts were dropped for which reason."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, draft: Draft, task: TaskSet, origin: Origin, seed: int) -> bool:
        """Keep a draft unless it points to a person."""
        problem = next(filter(None, (personal(message.content) for message in draft.messages)), None)
        if problem:
            self.dropped[PERSONAL] += 1
            return False
        self.rows.append(row(draft, task, origin, seed))
        return True


def convert_document(document: Mapping[str, Any], config: ProcessingConfig, passes: Passes | None) -> Converted:
    """The conversations of one document, a row of `DOCUMENT_SCHEMA`. Raises Rejected when there are none.

    What a document gives depends on the configuration and the document alone, not on its neighbours.
    """
    require_license(document["license"], config)
    if document["language"] != "python":
        raise Rejected(f"no task set is made of {document['language']}")
    try:
        source = Source(document["content"].replace("\r\n", "\n"))
    except ValueError:
        raise Rejected("does not parse") from None
    found = list(functions(source, min_lines=config.min_function_lines, max_lines=config.max_function_lines))
    if not found:
        raise Rejected(f"no function of {config.min_function_lines} to {config.max_function_lines} lines")
    origin = Origin(document["license"], document["source"], document["id"])
    converted = Converted()
    for task, make, most in _task_sets(config, passes):
        order = Random(f"{config.seed}/{origin.source_id}/{task}")
        room = most
        for function in order.sample(found, len(found)) if most else ():
            random = Random(f"{config.seed}/{origin.source_id}/{task}/{function.name}/{function.span[0]}")
            draft = make(function, random)
            if draft is not None:
                room -= converted.add(draft, task, origin, config.seed)
            if not room:
                break
    if not converted.rows:
        raise Rejected(f"every conversation {PERSONAL}" if converted.dropped else "no function fits a task set")
    return converted


def _task_sets(config: ProcessingConfig, passes: Passes | None) -> list[tuple[TaskSet, Make, int]]:
    """Name, maker and the most conversations of one document."""

    def debug(function: FunctionText, random: Random) -> Draft | None:
        return fix_bug(function, random, passes, verified_only=config.require_verified_bugs)

    def clean_up(function: FunctionText, random: Random) -> Draft | None:
        tests = passing_examples(function, passes)

        def still_passes(text: str) -> bool:
            return passes is None or not tests or passes(function.in_document(text), tests)

        return refactor(function, random, still_passes)

    return [
        ("completion", complete, config.completion),
        ("bug_fixing", debug, config.bug_fixing),
        ("refactoring", clean_up, config.refactoring),
        ("documentation", write_docstring, config.documentation),
        ("instruction", instruct, config.instruction),
        ("dialogue", converse, config.dialogue),
    ]


def convert_history(history: GitHistory, commit: str, config: ProcessingConfig) -> Iterator[Converted]:
    """The reviews of a local clone, commit by commit, from `commit` back. Raises Rejected or RepositoryError."""
    require_license(history.license, config)
    repository = Repository(Path(history.path))
    for id in repository.history(commit, max_commits=history.max_commits):
        converted = Converted()
        try:
            change = read_change(repository, id, max_diff_bytes=history.max_diff_bytes)
            draft = review(change, Random(f"{config.seed}/{id}"))
        except Unfit as reason:
            converted.dropped[str(reason)] += 1
        except RepositoryError:
            converted.dropped["unreadable"] += 1
        else:
            origin = Origin(history.license, f"git:{Path(history.path).name}", id, language="diff")
            converted.add(draft, "code_review", origin, config.seed)
        yield converted


def require_license(license: str, config: ProcessingConfig) -> None:
    """Raises Rejected where the licence is not allowed."""
    try:
        allowed = allows(parse_expression(license), frozenset(name.lower() for name in config.licenses))
    except ExpressionError:
        allowed = False
    if not allowed:
        raise Rejected(f"licence {license} is not allowed")
