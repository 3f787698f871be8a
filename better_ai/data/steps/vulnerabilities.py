"""The step that notes what a security linter finds in Python source.

The linter is ruff with the rules of flake8-bandit (`S`), which reads some 40 MB/s where bandit itself reads 0.6. What
it finds is a hint: models should see code that opens files, and be told which of it is risky. So findings go into the
metadata, and reject only if the policy says so. `S101` (assert) is left out: it is no vulnerability in source code.

Left out: other languages, and what needs types or data flow.
"""

import json
import os
import subprocess
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pyarrow as pa

from better_ai.config.data import VulnerabilityConfig
from better_ai.data.step import Step, Stepped, reject_rows, replace_columns
from better_ai.errors import UserError
from better_ai.extras import import_extra

Severity = Literal["low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")

TAGS = pa.schema([pa.field("findings", pa.string(), nullable=True)])
"""A JSON object, rule -> how often it is broken; null for other languages and where the linter breaks down."""

HIGH = frozenset(
    """S201 S202 S302 S304 S305 S312 S321 S324 S402 S412 S413 S415 S501 S502 S503 S505 S507 S508 S509 S602 S605 S609
    S701""".split()  # noqa: SIM905
)
LOW = frozenset(
    """S105 S106 S107 S110 S112 S311 S403 S404 S405 S406 S407 S408 S409 S410 S411 S603 S606 S607""".split()  # noqa: SIM905
)
"""bandit's own ratings; every other rule is of medium severity."""


def vulnerabilities(config: VulnerabilityConfig) -> Step:
    """Tag Python documents with the rules they break. Raises UserError when ruff is not installed."""
    import_extra("ruff", "data")

    def problem(findings: str | None) -> str | None:
        if config.reject_from == "never" or findings is None:
            return None
        least = SEVERITIES.index(config.reject_from)
        grave = [rule for rule in json.loads(findings) if SEVERITIES.index(severity_of(rule)) >= least]
        return f"breaks security rules: {', '.join(grave)}" if grave else None

    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        findings = tags.column("findings").to_pylist()
        metadata = [*map(_with_findings, batch.column("metadata").to_pylist(), findings)]
        noted = replace_columns(batch, {"metadata": pa.array(metadata, pa.string())})
        return reject_rows(noted, "vulnerabilities", [problem(found) for found in findings])

    return Step("vulnerabilities", judge, _tag, TAGS, {"version": 1, "ruff": version("ruff")})


def severity_of(rule: str) -> Severity:
    """How grave breaking a rule is."""
    return "high" if rule in HIGH else "low" if rule in LOW else "medium"


def _tag(batch: pa.RecordBatch) -> pa.RecordBatch:
    languages = batch.column("language").to_pylist()
    sources = {
        number: text
        for number, (text, language) in enumerate(zip(batch.column("content").to_pylist(), languages, strict=True))
        if language == "python"
    }
    found = _lint(sources) if sources else {}
    findings = [
        json.dumps(found[number], sort_keys=True) if number in found else None for number in range(len(languages))
    ]
    return pa.RecordBatch.from_arrays([pa.array(findings, pa.string())], schema=TAGS)


def _lint(sources: dict[int, str]) -> dict[int, Counter[str]]:
    """Rules broken by each source, from one run of ruff over a folder of them; none for what it cannot parse.

    Code that is nested deeply enough ends the linter itself. Then each half is read alone, and so on, down to the one
    source that is to blame: it is left out of the result, and the others are in it.
    """
    command = [import_extra("ruff", "data").find_ruff_bin(), "check", "--isolated", "--no-cache", "--quiet"]
    command += ["--select", "S", "--ignore", "S101", "--ignore-noqa", "--exit-zero", "--target-version", "py311"]
    command += ["--output-format", "json", "."]
    with TemporaryDirectory() as folder:
        for number, text in sources.items():
            Path(folder, f"{number}.py").write_bytes(text.encode())
        done = subprocess.run(
            command, cwd=folder, env=os.environ | {"RAYON_NUM_THREADS": "1"}, capture_output=True, check=False
        )
    if done.returncode < 0:
        numbers = list(sources)
        if len(numbers) == 1:
            return {}
        middle = len(numbers) // 2
        first, second = ({number: sources[number] for number in half} for half in (numbers[:middle], numbers[middle:]))
        return _lint(first) | _lint(second)
    if done.returncode:
        raise UserError(
            f"ruff failed: {done.stderr.decode(errors='replace').strip()[:300]}; "
            "install the extra `data` anew, or leave the step out"
        )
    found: dict[int, Counter[str]] = {number: Counter() for number in sources}
    for finding in json.loads(done.stdout):
        if (finding["code"] or "").startswith("S"):
            found[int(Path(finding["filename"]).stem)][finding["code"]] += 1
    return found


def _with_findings(metadata: str, findings: str | None) -> str:
    rules = json.loads(findings) if findings else {}
    if not rules:
        return metadata
    return json.dumps({**json.loads(metadata), "vulnerabilities": rules}, sort_keys=True, ensure_ascii=False)
