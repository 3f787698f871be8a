"""One row of a data set, by its column map, as a text or a conversation. Plain functions; nothing is read here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from better_ai.data.chat import Conversation, Message
from better_ai.data.collectors.dataset_maps import ColumnMap
from better_ai.data.collectors.rows import Unreadable
from better_ai.data.languages import BY_NAME, UNKNOWN, language_of
from better_ai.data.transcript import write_transcript

Row = Mapping[str, Any]

ROLES = {"user": "user", "human": "user", "prompter": "user", "assistant": "assistant", "gpt": "assistant",
         "bot": "assistant", "model": "assistant", "system": "system", "tool": "tool"}  # fmt: skip
"""How data sets call who speaks -> how we do."""


@dataclass(frozen=True)
class Extracted:
    """What a row holds."""

    text: str
    language: str
    path: str
    """Empty where the data set names none."""
    license: str | None
    details: dict[str, Any]
    """For the metadata."""


def extract(row: Row, columns: ColumnMap, *, language: str = "") -> Extracted:
    """Text and provenance of a row. `language` stands in for one that neither row nor map name. Raises Unreadable."""
    path = "/".join(str(column(row, name) or "") for name in columns.path).strip("/")
    details: dict[str, Any] = {name.split(".")[-1]: column(row, name) for name in columns.metadata}
    if columns.revision:
        details["revision"] = column(row, columns.revision)
    if columns.score:
        details["score"] = column(row, columns.score)
    if columns.date:
        details["fetched_at"] = _date(column(row, columns.date))
    if columns.form in ("text", "content ids"):
        text = _text(row, columns)
    else:
        text = write_transcript(_conversation(row, columns))
        details["kind"] = "conversation"
    named = language_name(_filled(columns.language, row), path)
    if named == UNKNOWN or columns.language == "text":
        named = language or named
    return Extracted(text, named, path, licenses(row, columns), details)


def column(row: Row, path: str) -> Any:
    """The value under a path such as `meta.name`; None where any step of it is missing."""
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def missing_columns(found: Iterable[str], columns: ColumnMap) -> list[str]:
    """What a layout with these top-level columns lacks."""
    there = set(found)
    return [name for name in columns.columns if name.split(".")[0] not in there]


def licenses(row: Row, columns: ColumnMap) -> str | None:
    """All licences of a row as one SPDX expression; None where the data set names none per row."""
    if not columns.license_column:
        return None
    value = column(row, columns.license_column)
    names = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return " AND ".join(sorted({name.strip() for name in names if isinstance(name, str) and name.strip()})) or "unknown"


def language_name(named: str, path: str) -> str:
    """The name our table has for a language, by what the data set calls it, else by the path."""
    name = named.lower().replace("-", " ") if named.lower() not in BY_NAME else named.lower()
    name = {"jupyter notebook": "jupyter", "batchfile": "batch", "vue": "html", "shell": "shell"}.get(name, name)
    if name in BY_NAME or name == "text":
        return name
    by_path = language_of(path, b"") if path else UNKNOWN
    return by_path if by_path != UNKNOWN else name


def trees(rows: Iterable[tuple[str, Row | Unreadable]], columns: ColumnMap) -> Iterator[tuple[str, Row | Unreadable]]:
    """Rows of messages that stand together by tree -> one row per tree, with the path of its best-ranked replies.

    A reply without a rank comes after those with one; deleted and refused messages are no replies.
    """

    def tree_of(named: tuple[str, Row | Unreadable]) -> str:
        row = named[1]
        return named[0] if isinstance(row, Unreadable) else str(row.get("message_tree_id"))

    for tree, members in groupby(rows, tree_of):
        messages: dict[str, list[Row]] = {}
        root: Row | None = None
        for name, row in members:
            if isinstance(row, Unreadable):
                yield name, row
                continue
            if row.get("deleted") or row.get("review_result") is False:
                continue
            if row.get("parent_id") is None:
                root = root or row
            else:
                messages.setdefault(str(row["parent_id"]), []).append(row)
        if root is None:
            if messages:
                yield tree, Unreadable("tree without its first message")
            continue
        turns, seen, reply = [root], {root.get("message_id")}, root
        while replies := [
            row for row in messages.get(str(reply.get("message_id")), []) if row.get("message_id") not in seen
        ]:
            reply = min(replies, key=lambda row: (_rank(row), str(row.get("message_id"))))
            turns.append(reply)
            seen.add(reply.get("message_id"))
        text = columns.content[0]
        listed = [{"role": turn.get("role"), "content": turn.get(text)} for turn in turns]
        yield tree, {**root, "messages": listed}


def _date(value: Any) -> str | None:
    return value if isinstance(value, str) else value.isoformat() if isinstance(value, date) else None


def _rank(row: Row) -> float:
    rank = row.get("rank")
    return float(rank) if isinstance(rank, int | float) else float("inf")


def _text(row: Row, columns: ColumnMap) -> str:
    value = column(row, columns.content[0])
    if value is None and columns.form == "content ids":
        wanted = column(row, "blob_id")
        raise Unreadable(f"content {wanted} is not in the data set; it has to be downloaded from Software Heritage")
    if not isinstance(value, str):
        raise Unreadable(f"column {columns.content[0]} holds no text but {type(value).__name__}")
    return value


def _conversation(row: Row, columns: ColumnMap) -> Conversation:
    if columns.form == "messages":
        return conversation(column(row, columns.content[0]))
    if columns.form == "tree":
        return conversation(row.get("messages"))
    asked = "\n\n".join(filter(None, (_words(row, name) for name in columns.content)))
    if columns.form == "ranked":
        answer = _best(column(row, columns.answer), row.get("annotations"))
    else:
        answer = _words(row, columns.answer)
        if columns.answer_language and answer:
            answer = f"```{_filled(columns.answer_language, row)}\n{answer.strip()}\n```"
    return conversation([{"role": "user", "content": asked}, {"role": "assistant", "content": answer}])


def conversation(turns: Any) -> Conversation:
    """Turns as data sets write them, with role or from, content or value. Raises Unreadable for anything else."""
    if not isinstance(turns, list | tuple) or not turns:
        raise Unreadable("no list of turns")
    messages = []
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, Mapping):
            raise Unreadable(f"turn {number} is no object")
        role = str(turn.get("role", turn.get("from"))).lower()
        content = turn.get("content", turn.get("value"))
        if role not in ROLES:
            raise Unreadable(f"turn {number} has the unknown role {role[:40]!r}")
        if not isinstance(content, str) or not content.strip():
            raise Unreadable(f"turn {number} has no text")
        messages.append(Message(ROLES[role], content))
    return Conversation(tuple(messages))


def _words(row: Row, name: str) -> str:
    value = column(row, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"column {name} holds no text but {type(value).__name__}")
    return value.strip("\n")


def _best(answers: Any, annotations: Any) -> str:
    """The answer with the highest rating, which an annotation gives by model or by position; of equals the first."""
    if not isinstance(answers, list | tuple) or not isinstance(annotations, list | tuple):
        raise Unreadable("no list of answers with a list of ratings")
    rated = [entry for entry in annotations if isinstance(entry, Mapping)]
    by_model = {entry.get("model"): entry.get("rating") for entry in rated}
    best, highest = "", float("-inf")
    for position, answer in enumerate(answers):
        if not isinstance(answer, Mapping) or not isinstance(answer.get("response"), str):
            raise Unreadable(f"answer {position + 1} has no text")
        rating = by_model.get(answer.get("model"))
        if rating is None and position < len(rated):
            rating = rated[position].get("rating")
        try:
            value = float(rating) if rating is not None else float("-inf")
        except (TypeError, ValueError):
            value = float("-inf")
        if value > highest:
            best, highest = answer["response"], value
    if highest == float("-inf"):
        raise Unreadable("no answer has a rating")
    return best


def _filled(name: str, row: Row) -> str:
    """A constant, or what a column in braces holds."""
    return str(column(row, name[1:-1]) or UNKNOWN) if name.startswith("{") else name
