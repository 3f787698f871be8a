"""The step that turns away documents that are too small or too large."""

import pyarrow as pa
import pyarrow.compute as pc

from better_ai.config.data import SizeConfig
from better_ai.data.step import Step, Stepped, reject_rows


def size(config: SizeConfig) -> Step:
    """Judge the UTF-8 bytes of the content."""

    def reason(num_bytes: int) -> str | None:
        if num_bytes < config.min_bytes:
            return f"{num_bytes} bytes, fewer than {config.min_bytes}"
        return f"{num_bytes} bytes, more than {config.max_bytes}" if num_bytes > config.max_bytes else None

    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        sizes = pc.binary_length(batch.column("content")).to_pylist()
        return reject_rows(batch, "size", [reason(num_bytes) for num_bytes in sizes])

    return Step("size", judge)
