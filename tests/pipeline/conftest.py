"""One run of the shrunken recipe, in a process of its own, for all tests of the pipeline."""

from pathlib import Path

import pytest
from shrunken_run import run_process


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("undisturbed")
    finished = run_process(runs, {})
    assert finished.returncode == 0, finished.stderr
    return runs / "shrunken"
