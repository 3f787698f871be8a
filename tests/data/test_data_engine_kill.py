"""A build that is killed, over and over, ends with the bytes of one that was left alone, whoever executes it."""

import json
import random
import signal
from pathlib import Path

import pytest
from corpus_run import digests, run_build, write_modules

from better_ai.config import DataConfig, FolderSource
from better_ai.config.data import LocalExecutorConfig


def config(folder: Path, workers: int, **changes: object) -> DataConfig:
    return DataConfig(
        sources=(FolderSource(path=str(folder), license="MIT"),),
        executor=LocalExecutorConfig(workers=workers),
        shard_bytes=30_000,
    ).model_copy(update=changes)


def test_killed_at_any_write_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    write_modules(tmp_path / "sources", 90)
    settings = config(tmp_path / "sources", 1, shuffle=True)
    whole = run_build(settings, tmp_path / "whole", tmp_path / "whole-work")
    assert whole.returncode == 0, whole.stderr
    syncs = json.loads(whole.stdout)["syncs"]
    assert syncs > 100
    for share in (0.03, 0.2, 0.45, 0.5, 0.35, 0.12):  # of what an undisturbed build writes; later ones have less to do
        killed = run_build(settings, tmp_path / "out", tmp_path / "work", syncs=1 + int(share * syncs / 2))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    finished = run_build(settings, tmp_path / "out", tmp_path / "work")
    assert finished.returncode == 0, finished.stderr
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")
    assert not list(tmp_path.glob("work/*/.*")), "nothing half-written stays"


def test_one_and_two_workers_give_the_same_bytes(tmp_path: Path) -> None:
    write_modules(tmp_path / "sources", 90)
    for workers in (1, 2):
        run = run_build(config(tmp_path / "sources", workers), tmp_path / f"out{workers}", tmp_path / f"work{workers}")
        assert run.returncode == 0, run.stderr
    one, two = (digests(tmp_path / f"out{workers}") for workers in (1, 2))
    assert one == two
    assert sum(name.startswith("train/") for name in one) > 1


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [False, True])
def test_ten_kills_at_random_moments(tmp_path: Path, shuffle: bool) -> None:
    """With two workers, which die with their parent wherever they are just then."""
    write_modules(tmp_path / "sources", 400)
    settings = config(tmp_path / "sources", 2, shuffle=shuffle)
    whole = run_build(settings, tmp_path / "whole", tmp_path / "whole-work")
    assert whole.returncode == 0, whole.stderr
    events = json.loads(whole.stdout)["events"]
    random_moments = random.Random(7 + shuffle)
    for _ in range(10):  # each gets so far that ten of them cannot finish
        killed = run_build(
            settings, tmp_path / "out", tmp_path / "work", events=random_moments.randint(1, events // 11)
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    finished = run_build(settings, tmp_path / "out", tmp_path / "work")
    assert finished.returncode == 0, finished.stderr
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")
