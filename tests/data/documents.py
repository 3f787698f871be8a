"""Documents, and steps run on them, for tests of steps."""

from typing import Any

import pyarrow as pa

from better_ai.data.schema import document_id
from better_ai.data.step import NO_TAGS, Step, Stepped


def document(content: str, **fields: Any) -> dict[str, Any]:
    """A row of the document schema: Python under MIT, unless the fields say otherwise."""
    return {
        "id": document_id(content.encode()),
        "content": content,
        "language": "python",
        "source": "test:document.py",
        "license": "MIT",
        "quality_score": None,
        "metadata": "{}",
        **fields,
    }


def run_step(step: Step, batch: pa.RecordBatch) -> Stepped:
    """Tag and judge in one go."""
    tags = step.tag(batch) if step.tag else pa.RecordBatch.from_pylist([], NO_TAGS)
    stepped = step.judge(batch, tags)
    assert stepped.kept.num_rows + stepped.rejected.num_rows == batch.num_rows, f"{step.name} lost or invented rows"
    return stepped
