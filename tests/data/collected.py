"""What a source yields: read twice, checked as every collector must hold, and turned into plain values."""

import json
import pickle
from dataclasses import replace
from typing import Any

import pyarrow as pa

from better_ai.data.collectors import make_collector
from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_SCHEMA, document_id


def collected(config: Any, max_document_bytes: int = 400_000) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Documents, with their metadata as `meta`, and (path, reason) of the rejects, over all parts."""
    collector = pickle.loads(pickle.dumps(make_collector(config)))  # noqa: S301
    parts = collector.parts()
    assert parts == collector.parts()
    assert parts == [replace(part, payload=json.loads(json.dumps(part.payload))) for part in parts]
    assert len({part.name for part in parts}) == len(parts)
    documents: list[dict[str, Any]] = []
    rejects: list[tuple[str, str]] = []
    for part in parts:
        read = list(collector.read(part, max_document_bytes=max_document_bytes))
        again = list(collector.read(part, max_document_bytes=max_document_bytes))
        assert [(batch.kept, batch.rejected) for batch in read] == [(batch.kept, batch.rejected) for batch in again]
        for batch in read:
            assert batch.kept.schema == DOCUMENT_SCHEMA and batch.rejected.schema == REJECTED_SCHEMA
            pa.Table.from_batches([batch.kept]).validate(full=True)
            documents += batch.kept.to_pylist()
            rejects += [(row["source"].partition(":")[2], row["reason"]) for row in batch.rejected.to_pylist()]
    for document in documents:
        document["meta"] = json.loads(document["metadata"])
        assert json.dumps(document["meta"], sort_keys=True, ensure_ascii=False) == document["metadata"]
        assert {"origin", "revision", "path", "license_evidence", "fetched_at", "sha256"} <= set(document["meta"])
        assert document["id"] == document_id(document["content"].encode())
        assert document["source"] == f"{document['meta']['origin']}:{document['meta']['path']}"
        assert len(document["content"].encode()) <= max_document_bytes
    return documents, rejects
