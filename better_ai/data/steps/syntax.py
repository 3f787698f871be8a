"""The step that turns away what its language's parser refuses."""

import json

import pyarrow as pa

from better_ai.config.data import SyntaxConfig
from better_ai.data.parsers import VERSION, parse
from better_ai.data.step import Step, Stepped, reject_rows, replace_columns

TAGS = pa.schema(
    [
        pa.field("parser", pa.string(), nullable=True),
        pa.field("error_share", pa.float64(), nullable=True),
        pa.field("problem", pa.string(), nullable=True),
    ]
)
"""Null in all columns: there is no parser for the language."""

PREPROCESSED = ("c", "c++")
"""Languages whose files are not what the compiler parses."""


def syntax(config: SyntaxConfig) -> Step:
    """Tag each document with the share of it that is malformed; turn away those with more than is tolerated.

    Documents without a parser for their language are turned away, or kept with `"syntax": "unchecked"` in the
    metadata.
    """

    def problem(language: str, parser: str | None, share: float | None, problem: str | None) -> str | None:
        if parser is None:
            return None if config.unchecked == "keep" else f"no parser for {language}"
        tolerated = config.max_error_share_preprocessed if language in PREPROCESSED else config.max_error_share
        assert share is not None
        if share <= tolerated:
            return None
        return problem if share == 1 else f"{problem}; {share:.2%} of it are errors, more than {tolerated:.2%}"

    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        languages = batch.column("language").to_pylist()
        parsers, shares, problems = (tags.column(name).to_pylist() for name in TAGS.names)
        marked = _mark_unchecked(batch, parsers)
        return reject_rows(marked, "syntax", [*map(problem, languages, parsers, shares, problems)])

    return Step("syntax", judge, _tag, TAGS, {"version": VERSION})


def _tag(batch: pa.RecordBatch) -> pa.RecordBatch:
    texts, languages = batch.column("content").to_pylist(), batch.column("language").to_pylist()
    parsed = [parse(text, language) for text, language in zip(texts, languages, strict=True)]
    columns = [
        pa.array([found[number] for found in parsed], column_type) for number, column_type in enumerate(TAGS.types)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=TAGS)


def _mark_unchecked(batch: pa.RecordBatch, parsers: list[str | None]) -> pa.RecordBatch:
    if None not in parsers:
        return batch
    metadata = [
        old if parser else json.dumps({**json.loads(old), "syntax": "unchecked"}, sort_keys=True, ensure_ascii=False)
        for old, parser in zip(batch.column("metadata").to_pylist(), parsers, strict=True)
    ]
    return replace_columns(batch, {"metadata": pa.array(metadata, pa.string())})
