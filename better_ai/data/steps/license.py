"""The step that lets through documents of allowed licences only."""

import pyarrow as pa

from better_ai.config.data import LicenseConfig
from better_ai.data.step import Step, Stepped, reject_rows


def license(config: LicenseConfig) -> Step:
    """Judge the SPDX licence identifier; "unknown" never should be allowed."""

    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        licenses = batch.column("license").to_pylist()
        reasons = [None if name in config.allowed else f"licence {name} is not allowed" for name in licenses]
        return reject_rows(batch, "license", reasons)

    return Step("license", judge)
