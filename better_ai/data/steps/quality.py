"""The step that scores documents from 0 to 1, and the score of Python, a weighted mean of features as all scores are.

Every feature is a value in 0..1, larger is better, and is kept in the metadata, so that a score can be explained.
The features look at lines and words, not at the syntax tree: about 20 MB/s on one core. The weights are a judgement:
documentation and structure make code worth learning from; tables of data, generated names and repetition do not.

Left out: what needs running or type checking, and anything learned.
"""

import json
import re

import pyarrow as pa

from better_ai.config.data import QualityConfig
from better_ai.data.scoring import Quality, score_text, weighted
from better_ai.data.step import Step, Stepped, reject_rows, replace_columns

WEIGHTS = {
    "documented": 0.20,
    "commented": 0.10,
    "line_shape": 0.15,
    "identifiers": 0.15,
    "letters": 0.15,
    "structure": 0.15,
    "unrepeated": 0.10,
}
assert abs(sum(WEIGHTS.values()) - 1) < 1e-9

TAGS = pa.schema([pa.field("score", pa.float64()), pa.field("features", pa.string())])
"""`features`: a JSON object of values in 0..1."""

_WORD = re.compile(r"[A-Za-z_]\w*")
_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)\b", re.MULTILINE)
_HEADER_END = re.compile(r":[ \t]*(?:#[^\n]*)?\n")
_DOCSTRING = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*[rRuU]?[\"']")
_STATEMENT = re.compile(
    r"(?:async[ \t]+)?(?:def|class|if|elif|else|for|while|try|except|with|return|raise|yield|import|from)\b"
)


def score_python(text: str) -> Quality:
    """Score Python source."""
    lines = [line.strip() for line in text.splitlines()]
    filled = [line for line in lines if line]
    if not filled:
        return weighted(dict.fromkeys(WEIGHTS, 0.0), WEIGHTS)
    features = {
        "documented": _documented(text),
        "commented": _commented(filled),
        "line_shape": _line_shape(text),
        "identifiers": _identifiers(text),
        "letters": min(1.0, sum(map(str.isalpha, text)) / len(text) / 0.5),
        "structure": min(1.0, sum(map(bool, map(_STATEMENT.match, filled))) / len(filled) / 0.25),
        "unrepeated": len(set(filled)) / len(filled),
    }
    return weighted(features, WEIGHTS)


def quality(config: QualityConfig) -> Step:
    """Fill in `quality_score`, add the features to the metadata, and turn away what scores below the minimum."""

    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        scores = tags.column("score").to_pylist()
        metadata = [
            json.dumps({**json.loads(old), "quality": json.loads(features)}, sort_keys=True, ensure_ascii=False)
            for old, features in zip(
                batch.column("metadata").to_pylist(), tags.column("features").to_pylist(), strict=True
            )
        ]
        scored = replace_columns(
            batch, {"quality_score": tags.column("score"), "metadata": pa.array(metadata, pa.string())}
        )
        least = config.min_score
        reasons = [None if score >= least else f"scores {score}, less than {least}" for score in scores]
        return reject_rows(scored, "quality", reasons)

    return Step("quality", judge, _tag, TAGS, {"version": 2})


def _tag(batch: pa.RecordBatch) -> pa.RecordBatch:
    rows = zip(batch.column("content").to_pylist(), batch.column("language").to_pylist(), strict=True)
    qualities = [score_python(text) if language == "python" else score_text(text, language) for text, language in rows]
    scores = pa.array([quality.score for quality in qualities], pa.float64())
    features = pa.array([json.dumps(quality.features, sort_keys=True) for quality in qualities], pa.string())
    return pa.RecordBatch.from_arrays([scores, features], schema=TAGS)


def _documented(text: str) -> float:
    """Share of the module, its classes and functions that open with a docstring; none defined: the module alone."""
    definitions = [match.end() for match in _DEFINITION.finditer(text)]
    documented = bool(_DOCSTRING.match(text)) + sum(_opens_with_docstring(text, start) for start in definitions)
    return documented / (1 + len(definitions))


def _opens_with_docstring(text: str, start: int) -> bool:
    """Whether the first colon that ends a line after `start` is followed by a string; headers span few lines."""
    end = _HEADER_END.search(text, start, start + 1000)
    return end is not None and _DOCSTRING.match(text, end.end()) is not None


def _commented(filled: list[str]) -> float:
    """Comment lines against all lines: full marks from 5 % to 30 %, less for none and for files of comments."""
    ratio = sum(line.startswith("#") for line in filled) / len(filled)
    return min(1.0, 0.5 + ratio / 0.1, max(0.0, (1 - ratio) / 0.7))


def _line_shape(text: str) -> float:
    """Share of the characters that stand in lines of at most 100 characters."""
    return sum(len(line) + 1 for line in text.split("\n") if len(line) <= 100) / (len(text) + 1)


def _identifiers(text: str) -> float:
    """Variety of words: distinct ones against the square root of all, as their number grows with length."""
    words = _WORD.findall(text)
    return min(1.0, len(set(words)) / (4 * len(words) ** 0.5)) if words else 0.0
