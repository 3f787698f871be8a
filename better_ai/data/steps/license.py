"""The step that lets through documents of allowed licences only."""

import json
from typing import Any

import pyarrow as pa

from better_ai.config.data import LicenseConfig
from better_ai.data.licenses import UNKNOWN_LICENSE, ExpressionError, allows, license_of_file, parse_expression
from better_ai.data.step import Step, Stepped, reject_rows, replace_columns

TAGS = pa.schema([pa.field("stated", pa.string()), pa.field("evidence", pa.string())])
"""What the document says of its own licence, "unknown" where it says nothing, and in which words."""


def license(config: LicenseConfig) -> Step:
    """Judge the licence a document states, or else the one its source declares.

    A document that states one has it in the column `license` afterwards, with `license_evidence` and
    `declared_license` in the metadata. "unknown" never should be allowed.
    """
    allowed = frozenset(name.lower() for name in config.allowed)

    def problem(licence: str, evidence: str | None) -> str | None:
        try:
            if allows(parse_expression(licence), allowed):
                return None
        except ExpressionError:
            return f"licence {licence!r} is no SPDX expression"
        return f"licence {licence} is not allowed" + (f": {evidence}" if evidence else "")

    def judge_declared(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        return reject_rows(batch, "license", [problem(name, None) for name in batch.column("license").to_pylist()])

    def judge_stated(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        rows = [_decided(*row) for row in zip(*_columns(batch, "license", "metadata"), *_columns(tags), strict=True)]
        decided = replace_columns(
            batch,
            {
                "license": pa.array([licence for licence, _, _ in rows], pa.string()),
                "metadata": pa.array([metadata for _, metadata, _ in rows], pa.string()),
            },
        )
        return reject_rows(decided, "license", [problem(licence, evidence) for licence, _, evidence in rows])

    if not config.read_content:
        return Step("license", judge_declared)
    return Step("license", judge_stated, _tag, TAGS, {"version": 1})


def _tag(batch: pa.RecordBatch) -> pa.RecordBatch:
    stated = [license_of_file(text) for text in batch.column("content").to_pylist()]
    columns = [pa.array([found[part] for found in stated], pa.string()) for part in range(2)]
    return pa.RecordBatch.from_arrays(columns, schema=TAGS)


def _decided(declared: str, metadata: str, stated: str, evidence: str) -> tuple[str, str, str | None]:
    """Licence, metadata, and the evidence if the document itself gave it."""
    if stated in (UNKNOWN_LICENSE, declared):
        return declared, metadata, None
    details = {**json.loads(metadata), "declared_license": declared, "license_evidence": evidence}
    return stated, json.dumps(details, sort_keys=True, ensure_ascii=False), evidence


def _columns(batch: pa.RecordBatch, *names: str) -> list[list[Any]]:
    return [batch.column(name).to_pylist() for name in names or batch.schema.names]
