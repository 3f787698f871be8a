"""Documents for tests of steps."""

from typing import Any

from better_ai.data.schema import document_id


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
