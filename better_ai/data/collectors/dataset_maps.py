"""Which columns of well-known data sets hold what; one entry per data set, as its publisher lays it out.

A column is named by a path: `meta.pile_set_name` is a field of a struct (or of an object in JSON Lines). A row becomes
a text or a conversation, as its map says:

    text            one column is the document
    dialogue        columns for the user's words and the assistant's
    messages        one column lists turns with a role and a content
    ranked          an instruction and several answers with ratings; the best answer is taken
    tree            rows are messages that name their parent; the best-ranked path of each tree is taken
    content ids     rows name contents that are stored elsewhere, and perhaps carry them

Licences are those of the data set as a whole, where its publisher states one; of its parts, when rows name them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Form = Literal["text", "dialogue", "messages", "ranked", "tree", "content ids"]


@dataclass(frozen=True)
class ColumnMap:
    """The layout of one data set."""

    name: str
    ids: tuple[str, ...]
    """On the Hugging Face Hub."""
    form: Form
    content: tuple[str, ...]
    """text: the text. dialogue: the user's columns, joined by a blank line where not empty. messages: the list of
    turns. ranked: the instruction. tree: the text of a message. content ids: the text, if it was downloaded."""
    answer: str = ""
    """dialogue: the assistant's column. ranked: the list of answers."""
    answer_language: str = ""
    """Set where an answer is bare code or a patch: the language of the fence it gets, or a column in braces."""
    language: str = "markdown"
    """Language of the documents, or a column in braces."""
    license: str = "unknown"
    """SPDX expression of the data set."""
    license_column: str = ""
    """Column of the licences of a row: a string or a list of them, all of which apply."""
    path: tuple[str, ...] = ()
    """Columns that, joined by slashes, say where a row comes from. Empty: its position in the file."""
    revision: str = ""
    score: str = ""
    date: str = ""
    """Column of the time at which the row's text was visited or written; ISO 8601."""
    metadata: tuple[str, ...] = ()
    """Further columns that are kept with the document."""
    evaluation: tuple[str, ...] = ()
    """Splits that are a benchmark's and never belong in training."""
    columns: tuple[str, ...] = field(init=False)
    """All columns without which the layout is another one."""

    def __post_init__(self) -> None:
        braced = [name[1:-1] for name in (self.language, self.answer_language) if name.startswith("{")]
        optional = () if self.form == "content ids" else self.content
        structure = ("message_id", "parent_id", "message_tree_id", "role", "rank") if self.form == "tree" else ()
        ratings = ("annotations",) if self.form == "ranked" else ()
        named = (*optional, self.answer, *braced, self.license_column, *self.path, self.revision, self.score, self.date)
        required = dict.fromkeys(filter(None, (*named, *structure, *ratings)))
        object.__setattr__(self, "columns", tuple(required))


_STACK = "max_stars_repo"

DATASET_MAPS: tuple[ColumnMap, ...] = (
    ColumnMap(
        "the-stack-v1",
        ("bigcode/the-stack", "bigcode/the-stack-dedup", "bigcode/the-stack-smol"),
        "text",
        ("content",),
        language="{lang}",
        license_column=f"{_STACK}_licenses",
        path=(f"{_STACK}_name", f"{_STACK}_path"),
        revision=f"{_STACK}_head_hexsha",
        score="max_stars_count",
    ),
    ColumnMap(
        "the-stack-v2",
        ("bigcode/the-stack-v2", "bigcode/the-stack-v2-dedup"),
        "content ids",
        ("content",),
        language="{language}",
        license_column="detected_licenses",
        path=("repo_name", "path"),
        revision="revision_id",
        score="star_events_count",
        date="visit_date",
        metadata=("blob_id", "license_type", "is_vendor", "is_generated"),
    ),
    ColumnMap(
        "starcoderdata",
        ("bigcode/starcoderdata",),
        "text",
        ("content",),
        language="unknown",
        path=(f"{_STACK}_name", f"{_STACK}_path"),
        score="max_stars_count",
    ),
    ColumnMap(
        "the-pile",
        ("EleutherAI/pile", "monology/pile-uncopyrighted", "EleutherAI/the_pile_deduplicated"),
        "text",
        ("text",),
        language="text",
        metadata=("meta.pile_set_name",),
    ),
    ColumnMap(
        "slimpajama",
        ("cerebras/SlimPajama-627B", "DKYoon/SlimPajama-6B"),
        "text",
        ("text",),
        language="text",
        metadata=("meta.redpajama_set_name",),
    ),
    ColumnMap("openwebtext", ("Skylion007/openwebtext", "openwebtext"), "text", ("text",), language="text"),
    ColumnMap(
        "magicoder-oss-instruct",
        ("ise-uiuc/Magicoder-OSS-Instruct-75K",),
        "dialogue",
        ("problem",),
        answer="solution",
        license="MIT",
        metadata=("lang", "raw_index", "index"),
    ),
    ColumnMap(
        "magicoder-evol-instruct",
        ("ise-uiuc/Magicoder-Evol-Instruct-110K",),
        "dialogue",
        ("instruction",),
        answer="response",
        license="Apache-2.0",
    ),
    ColumnMap("code-feedback", ("m-a-p/Code-Feedback",), "messages", ("messages",), license="Apache-2.0", path=("id",)),
    ColumnMap(
        "code-ultra-feedback",
        ("coseal/CodeUltraFeedback",),
        "ranked",
        ("instruction",),
        answer="responses",
        license="MIT",
        metadata=("preference",),
    ),
    ColumnMap(
        "rlvr-code",
        ("saurabh5/rlvr-code-data-Python", "saurabh5/rlvr_acecoder"),
        "messages",
        ("messages",),
        metadata=("ground_truth", "dataset"),
    ),
    ColumnMap(
        "code-alpaca",
        ("sahil2801/CodeAlpaca-20k",),
        "dialogue",
        ("instruction", "input"),
        answer="output",
        license="CC-BY-4.0",
    ),
    ColumnMap(
        "dolly-15k",
        ("databricks/databricks-dolly-15k",),
        "dialogue",
        ("instruction", "context"),
        answer="response",
        license="CC-BY-SA-3.0",
        metadata=("category",),
    ),
    ColumnMap(
        "oasst1",
        ("OpenAssistant/oasst1",),
        "tree",
        ("text",),
        license="Apache-2.0",
        date="created_date",
        metadata=("lang",),
    ),
    ColumnMap(
        "swe-bench",
        ("princeton-nlp/SWE-bench", "SWE-bench/SWE-bench", "princeton-nlp/SWE-bench_Lite"),
        "dialogue",
        ("problem_statement",),
        answer="patch",
        answer_language="diff",
        path=("repo", "instance_id"),
        revision="base_commit",
        date="created_at",
        metadata=("version", "FAIL_TO_PASS", "PASS_TO_PASS"),
        evaluation=("test", "dev"),
    ),
)


def map_named(name: str) -> ColumnMap | None:
    return next((entry for entry in DATASET_MAPS if entry.name == name), None)


def map_of(id: str) -> ColumnMap | None:
    """The map that knows this data set, whatever the case of its letters."""
    return next((entry for entry in DATASET_MAPS if id.lower() in map(str.lower, entry.ids)), None)


def closest_map(found: Iterable[str], content: str) -> ColumnMap | None:
    """The map with the most columns of those that a layout fits and that read this column, if they tell more."""
    there = set(found)
    fitting = [
        entry
        for entry in DATASET_MAPS
        if content in entry.content
        and len(entry.columns) > 1
        and there.issuperset(name.split(".")[0] for name in (*entry.columns, *entry.metadata))
    ]
    return max(fitting, key=lambda entry: len(entry.columns), default=None)


def text_map(column: str) -> ColumnMap:
    """For a data set with the text in one column and nothing else that is known.

    Only a column named `text` is taken for prose; whatever else may be code, whose white space must stay.
    """
    return ColumnMap(f"column {column}", (), "text", (column,), language="text" if column == "text" else "unknown")
