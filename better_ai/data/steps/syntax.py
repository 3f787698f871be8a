"""The step that turns away what its language's parser refuses."""

import ast
import warnings

import pyarrow as pa

from better_ai.config.data import SyntaxConfig
from better_ai.data.step import Step, Stepped, reject_rows

TAGS = pa.schema([pa.field("problem", pa.string(), nullable=True)])


def syntax(config: SyntaxConfig) -> Step:
    """Tag each document with what is wrong with it, null if nothing is; turn away those with a problem."""
    return Step("syntax", _judge, _tag, TAGS, {"version": 1})


def _tag(batch: pa.RecordBatch) -> pa.RecordBatch:
    problems = [_python_problem(text) for text in batch.column("content").to_pylist()]
    return pa.RecordBatch.from_arrays([pa.array(problems, pa.string())], schema=TAGS)


def _judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
    return reject_rows(batch, "syntax", tags.column("problem").to_pylist())


def _python_problem(text: str) -> str | None:
    """What keeps this interpreter from parsing it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"cannot be parsed: {error}" if str(error) else f"cannot be parsed: {type(error).__name__}"
    return None
