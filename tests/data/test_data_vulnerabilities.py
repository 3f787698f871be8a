"""What the security linter finds is noted, and rejects when the policy says so."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from documents import document, run_step

from better_ai.config.data import VulnerabilityConfig
from better_ai.data.step import document_batch
from better_ai.data.steps import vulnerabilities
from better_ai.data.steps.vulnerabilities import HIGH, LOW, severity_of

pytest.importorskip("ruff")

SHELL = "import subprocess\n\nsubprocess.run(command, shell=True)  # noqa\n"
PICKLE = "import pickle\n\npickle.loads(a)\npickle.loads(b)\n"
CLEAN = "def f(x):\n    assert x\n    return x\n"


def test_findings_go_into_the_metadata() -> None:
    rows = _rows(
        ("python", SHELL), ("python", CLEAN), ("python", PICKLE), ("javascript", SHELL), ("python", "def f(:\n")
    )
    stepped = run_step(vulnerabilities(VulnerabilityConfig()), rows)
    assert stepped.rejected.num_rows == 0
    found = [json.loads(text).get("vulnerabilities") for text in stepped.kept.column("metadata").to_pylist()]
    assert found == [{"S602": 1}, None, {"S301": 2}, None, None]


@pytest.mark.parametrize(("least", "rejected"), [("never", 0), ("high", 1), ("medium", 2), ("low", 3)])
def test_the_policy_rejects_from_a_severity(least: str, rejected: int) -> None:
    weak = "password = 'hunter2-secret'\n"
    rows = _rows(("python", SHELL), ("python", PICKLE), ("python", weak), ("python", CLEAN))
    step = vulnerabilities(VulnerabilityConfig.model_validate({"reject_from": least}))
    reasons = run_step(step, rows).rejected.column("reason").to_pylist()
    assert len(reasons) == rejected
    assert all(reason.startswith("breaks security rules: S") for reason in reasons)


def test_code_that_ends_the_linter_costs_only_itself() -> None:
    deep = "x = (1" + " +\n 1" * 50_000 + ")\n"
    rows = _rows(*[("python", SHELL)] * 3, ("python", deep), ("python", PICKLE), ("python", CLEAN))
    found = vulnerabilities(VulnerabilityConfig()).tag(rows).column("findings").to_pylist()
    assert found == ['{"S602": 1}'] * 3 + [None, '{"S301": 2}', "{}"]


def test_severities_are_of_rules_that_exist() -> None:
    listed = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "rule", "--all", "--output-format", "json"],
        capture_output=True,
        check=True,
    ).stdout
    rules = {rule["code"] for rule in json.loads(listed)}
    assert rules >= HIGH | LOW
    assert not HIGH & LOW
    assert severity_of("S602") == "high" and severity_of("S105") == "low" and severity_of("S301") == "medium"


def _rows(*documents: tuple[str, str]) -> pa.RecordBatch:
    return document_batch([document(text, language=language) for language, text in documents])
