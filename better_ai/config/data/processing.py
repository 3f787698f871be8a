"""Documents turned into variants of themselves and into conversations."""

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from better_ai.config.data.executor import ExecutorConfig, LocalExecutorConfig
from better_ai.config.data.steps import PERMISSIVE
from better_ai.config.schema import Config

AugmenterName = Literal[
    "quotes",
    "blank_lines",
    "indentation",
    "line_breaks",
    "spaces",
    "docstring_style",
    "rename",
    "obscure",
    "invert_branches",
    "de_morgan",
    "return_early",
    "nest_branches",
    "conditionals",
    "unroll_comprehensions",
    "collect_in_comprehensions",
    "call_format",
    "use_f_strings",
    "extract_constant",
]


class AugmentationConfig(Config):
    """Variants of Python documents that mean the same."""

    copies: NonNegativeInt = 0
    """Variants of each document; 0: none."""
    augmenters: tuple[AugmenterName, ...] = (
        "rename",
        "quotes",
        "blank_lines",
        "line_breaks",
        "docstring_style",
        "invert_branches",
        "de_morgan",
        "return_early",
        "conditionals",
        "use_f_strings",
    )
    most: PositiveInt = 3
    """Augmenters applied to one variant."""


class GitHistory(Config):
    """A local clone whose commits become code reviews."""

    path: str
    license: str = "unknown"
    """SPDX identifier; a history whose licence is not allowed is rejected."""
    revision: str = "HEAD"
    max_commits: PositiveInt = 10_000
    max_diff_bytes: PositiveInt = 16_000
    """Commits that change more than this are left out."""


class ProcessingConfig(Config):
    """Conversations made of Python documents and Git histories, by task set.

    The numbers say how many conversations of a kind one document gives at most; 0 turns a kind off.
    """

    without_bearing = ("executor",)

    seed: NonNegativeInt = 0
    min_function_lines: PositiveInt = 3
    max_function_lines: PositiveInt = 60
    completion: NonNegativeInt = 4
    bug_fixing: NonNegativeInt = 4
    refactoring: NonNegativeInt = 2
    documentation: NonNegativeInt = 4
    instruction: NonNegativeInt = 4
    dialogue: NonNegativeInt = 6
    require_verified_bugs: bool = False
    """Only bugs that make a test fail, which takes documents with examples in docstrings and someone to run them."""
    code_review: tuple[GitHistory, ...] = ()
    licenses: tuple[str, ...] = PERMISSIVE
    """Licences of documents and histories that may be used."""
    multi_turn_share: float | None = Field(0.25, ge=0, lt=1)
    """Share of conversations in which the user speaks more than once, exact; None: whatever comes out."""
    augmentation: AugmentationConfig = AugmentationConfig()
    executor: ExecutorConfig = LocalExecutorConfig()
    """Who does the work."""
