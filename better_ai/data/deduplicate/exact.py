"""The step that keeps one of several documents that are equal but for white space."""

import hashlib

import pyarrow as pa

from better_ai.data.step import Stepped, reject_rows


def normalized_hash(text: str) -> bytes:
    """Equal for texts that differ in line ends, in white space at the end of lines or in blank lines at the ends."""
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return hashlib.sha256("\n".join(lines).strip("\n").encode()).digest()


def keep_order(batch: pa.RecordBatch) -> list[int]:
    """Rows from the one to keep first to the last: best quality, then source, then id."""
    scores, sources, ids = (batch.column(name).to_pylist() for name in ("quality_score", "source", "id"))
    return sorted(range(batch.num_rows), key=lambda row: (-(scores[row] or 0.0), sources[row], ids[row]))


def exact_duplicates(batch: pa.RecordBatch) -> Stepped:
    """Turn away all but the best of equal documents, naming the one that stays."""
    texts, sources = batch.column("content").to_pylist(), batch.column("source").to_pylist()
    reasons: list[str | None] = [None] * batch.num_rows
    first: dict[bytes, int] = {}
    for row in keep_order(batch):
        kept = first.setdefault(normalized_hash(texts[row]), row)
        if kept != row:
            reasons[row] = f"same as {sources[kept]}"
    return reject_rows(batch, "exact_duplicates", reasons)
