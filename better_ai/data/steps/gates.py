"""Steps that judge each document alone: size, licence, syntax, quality threshold."""

import ast
import warnings
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from better_ai.data.step import Step, Stepped, reject_rows


def size_limits(min_bytes: int, max_bytes: int) -> Step:
    """Turn away documents whose UTF-8 content is smaller than `min_bytes` or larger than `max_bytes`."""

    def reason(size: int) -> str | None:
        if size < min_bytes:
            return f"{size} bytes, fewer than {min_bytes}"
        return f"{size} bytes, more than {max_bytes}" if size > max_bytes else None

    def step(batch: pa.RecordBatch) -> Stepped:
        sizes = pc.binary_length(batch.column("content")).to_pylist()
        return reject_rows(batch, "size", [reason(size) for size in sizes])

    return step


def license_gate(allowed: Collection[str]) -> Step:
    """Turn away documents whose SPDX licence identifier is not allowed; "unknown" never should be."""

    def step(batch: pa.RecordBatch) -> Stepped:
        licenses = batch.column("license").to_pylist()
        reasons = [None if name in allowed else f"licence {name} is not allowed" for name in licenses]
        return reject_rows(batch, "license", reasons)

    return step


def python_syntax(batch: pa.RecordBatch) -> Stepped:
    """Turn away what this interpreter cannot parse."""
    return reject_rows(batch, "syntax", [_syntax_problem(text) for text in batch.column("content").to_pylist()])


def quality_gate(min_quality: float) -> Step:
    """Turn away documents that score less."""

    def step(batch: pa.RecordBatch) -> Stepped:
        scores = batch.column("quality_score").to_pylist()
        reasons = [None if score >= min_quality else f"scores {score}, less than {min_quality}" for score in scores]
        return reject_rows(batch, "quality", reasons)

    return step


def _syntax_problem(text: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"cannot be parsed: {error}" if str(error) else f"cannot be parsed: {type(error).__name__}"
    return None
