"""Repairs that change what a document says, made before anything is judged.

Code is kept to the byte except where a policy names what goes: indentation, tabs, trailing space and form feeds stay.
A document that was changed gets a new id and a list of the repairs in its metadata (`"cleaned"`); one that needs none
is the same row, to the byte. With the default configuration every document is.

Left out: Unicode normalisation, which changes string literals, and guessing the encoding of bytes, which collectors
decide before there is a document.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa

from better_ai.config.data import CleaningConfig
from better_ai.data.html import html_to_text
from better_ai.data.languages import BY_NAME
from better_ai.data.schema import document_id
from better_ai.data.step import Stepped, reject_rows, replace_columns
from better_ai.extras import import_extra

STEP = "clean"

REPLACEMENT = "\ufffd"
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_LINE_END = re.compile("\r\n?")
_TRAILING = re.compile("[ \t]+$", re.MULTILINE)
_SUSPECT = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u02dc\u2013-\u2122]")
"""A lead byte of UTF-8 and what a later byte becomes when both are read as Latin-1 or Windows-1252."""


class _Draft(NamedTuple):
    """A document on its way through the repairs."""

    text: str
    language: str


_Repair = Callable[[_Draft], _Draft]


def clean(batch: pa.RecordBatch, config: CleaningConfig) -> Stepped:
    """Repair the documents of a batch; turn away those beyond repair or empty afterwards.

    Raises UserError when a repair that is needed wants the extra `data` and it is not installed.
    """
    repairs = list(_repairs(config))
    texts = batch.column("content").to_pylist()
    drafts = [_Draft(*row) for row in zip(texts, batch.column("language").to_pylist(), strict=True)]
    reasons = [_beyond_repair(draft.text, config) for draft in drafts]
    done = [(draft, []) if reason else _apply(repairs, draft) for draft, reason in zip(drafts, reasons, strict=True)]
    for number, (draft, names) in enumerate(done):
        if names and not draft.text.strip():
            reasons[number] = f"nothing is left after cleaning ({', '.join(names)})"
    return reject_rows(_rewrite(batch, done), STEP, reasons)


def repair_prose_encoding(text: str) -> str:
    """Undo wrong decoding ("cafÃ©" -> "café"), line by line and only where there are signs of it, with ftfy."""
    if text.isascii() or not _SUSPECT.search(text):
        return text
    fix = import_extra("ftfy", "data").fix_encoding
    return "".join(fix(line) if _SUSPECT.search(line) else line for line in text.splitlines(keepends=True))


def _repairs(config: CleaningConfig) -> Iterator[tuple[str, _Repair]]:
    """The repairs asked for, in the order in which each can rely on those before it."""
    if config.byte_order_mark == "remove":
        yield "byte_order_mark", _on_text(lambda text: text.removeprefix("\ufeff"))
    if config.encoding:
        yield "encoding", _on_prose(repair_prose_encoding)
    if config.html:
        yield "html", _html_to_markdown
    if config.line_ends == "lf":
        yield "line_ends", _on_text(lambda text: _LINE_END.sub("\n", text) if "\r" in text else text)
    if config.control_characters == "remove":
        yield "control_characters", _on_text(lambda text: _CONTROL.sub("", text))
    if config.trailing_space == "remove":
        yield "trailing_space", _on_prose(lambda text: _TRAILING.sub("", text))
    if config.final_newline == "one":
        yield "final_newline", _on_text(_end_with_one_newline)


def _apply(repairs: list[tuple[str, _Repair]], draft: _Draft) -> tuple[_Draft, list[str]]:
    """The repaired document and the names of the repairs that changed it."""
    names = []
    for name, repair in repairs:
        repaired = repair(draft)
        if repaired != draft:
            names.append(name)
            draft = repaired
    return draft, names


def _on_text(repair: Callable[[str], str]) -> _Repair:
    return lambda draft: draft._replace(text=repair(draft.text))


def _on_prose(repair: Callable[[str], str]) -> _Repair:
    def repair_prose(draft: _Draft) -> _Draft:
        language = BY_NAME.get(draft.language)
        is_prose = language is not None and language.kind == "prose"
        return draft._replace(text=repair(draft.text)) if is_prose else draft

    return repair_prose


def _html_to_markdown(draft: _Draft) -> _Draft:
    return _Draft(html_to_text(draft.text) + "\n", "markdown") if draft.language == "html" else draft


def _end_with_one_newline(text: str) -> str:
    stripped = text.rstrip("\r\n")
    if not stripped:
        return ""
    return stripped + ("\r\n" if text[len(stripped) :].startswith("\r\n") else "\n")


def _beyond_repair(text: str, config: CleaningConfig) -> str | None:
    if config.max_replacement_share < 1 and REPLACEMENT in text:
        share = text.count(REPLACEMENT) / len(text)
        if share > config.max_replacement_share:
            return f"{share:.2%} of its characters are U+FFFD, more than {config.max_replacement_share:.2%}"
    if config.control_characters == "reject" and (found := _CONTROL.search(text)):
        return f"control character U+{ord(found.group()):04X} at character {found.start()}"
    return None


def _rewrite(batch: pa.RecordBatch, done: list[tuple[_Draft, list[str]]]) -> pa.RecordBatch:
    if not any(names for _, names in done):
        return batch
    ids, metadata = batch.column("id").to_pylist(), batch.column("metadata").to_pylist()
    for number, (draft, names) in enumerate(done):
        if names:
            ids[number] = document_id(draft.text.encode())
            metadata[number] = _with_repairs(metadata[number], names)
    return replace_columns(
        batch,
        {
            "id": pa.array(ids, pa.string()),
            "content": pa.array([draft.text for draft, _ in done], pa.string()),
            "language": pa.array([draft.language for draft, _ in done], pa.string()),
            "metadata": pa.array(metadata, pa.string()),
        },
    )


def _with_repairs(metadata: str, names: list[str]) -> str:
    return json.dumps({**json.loads(metadata), "cleaned": names}, sort_keys=True, ensure_ascii=False)
