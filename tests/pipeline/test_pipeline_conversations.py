"""Conversations of a corpus are a stage like any other; bugs are verified in jails that the workers open themselves."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from better_ai.artifacts import Manifest, lineage
from better_ai.config import DataRecipe, FolderSource, SandboxConfig
from better_ai.config.data import DataConfig, DeduplicationConfig, LocalExecutorConfig, ProcessingConfig
from better_ai.data.processing.conversations import read_conversations
from better_ai.pipeline import run_data_recipe
from better_ai.pipeline.conversations_job import NAME, build_conversations
from better_ai.pipeline.stage import Silent

MODULE = '''"""Bounds number {number}."""


def clamp_{number}(value, low={number}, high={high}):
    """Bring a value between two bounds.

    >>> clamp_{number}({above})
    {high}
    >>> clamp_{number}({below})
    {number}
    """
    if value < low:
        return low
    if value > high:
        return high
    return value
'''


class Counting(Silent):
    """How far each phase has come, update by update."""

    def __init__(self) -> None:
        self.seen: dict[str, list[tuple[float, float]]] = {}

    def update(self, completed: float, total: float, **fields: str) -> None:
        self.seen.setdefault(fields["phase"], []).append((completed, total))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A corpus of modules with examples."""
    sources = tmp_path / "sources"
    sources.mkdir()
    for number in range(5):
        text = MODULE.format(number=number, high=number + 10, above=number + 12, below=number - 7)
        (sources / f"clamp_{number}.py").write_text(text)
    data = DataConfig(
        sources=(FolderSource(path=str(sources), license="MIT"),),
        deduplicate=DeduplicationConfig(method="exact"),
        validation_fraction=0.2,
        executor=LocalExecutorConfig(workers=1),
    )
    run_data_recipe(DataRecipe(name="corpus", data=data), tmp_path / "runs")
    return tmp_path / "runs/corpus"


def conversations(run: Path, task: str) -> list[dict[str, Any]]:
    paths = sorted((run / NAME / "conversations").iterdir())
    return [row for path in paths for _, row in read_conversations(path) if row["task"] == task]


def test_conversations_are_made_once_and_found_again(run: Path) -> None:
    config = ProcessingConfig(multi_turn_share=None, executor=LocalExecutorConfig(workers=1))
    first, again = Counting(), Counting()
    manifest = build_conversations(run, config, progress=first)
    assert {"convert", "gather", "select"} <= set(first.seen) and first.seen["convert"][-1] == (1, 1)
    products = {name for name, record in manifest.files.items() if record.product}
    assert products == {"conversations/00000.parquet", "rejected.parquet"}
    for name in products:
        assert manifest.files[name].sha256 == hashlib.sha256((run / NAME / name).read_bytes()).hexdigest()
    assert [node.name for node in lineage(run)] == ["data", NAME] and manifest == Manifest.read(run / NAME)
    others = config.model_copy(update={"executor": LocalExecutorConfig(workers=2)})
    assert build_conversations(run, others, progress=again) == manifest and not again.seen


def test_workers_verify_bugs_in_jails_of_their_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("better_ai.data.processing.runs.RUN_BYTES", 1000)
    config = ProcessingConfig(
        require_verified_bugs=True, multi_turn_share=None, executor=LocalExecutorConfig(workers=2)
    )
    progress = Counting()
    build_conversations(run, config, sandbox=SandboxConfig(), progress=progress)
    found = conversations(run, "bug_fixing")
    assert conversations(run, "refactoring"), "what keeps the examples true is kept"
    assert len(progress.seen["convert"]) > 2, "several runs, so that the workers are other processes"
    assert len(found) >= 2 and all(row["metadata"]["verified"] is True for row in found)
