"""The same build as tasks of a local Ray cluster, one of whose workers is killed."""

import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import BuiltinFunctionType

import psutil
import pytest
from corpus_run import digests, run_build, write_modules

from better_ai.config import DataConfig, FolderSource
from better_ai.config.data import LocalExecutorConfig, RayExecutorConfig
from better_ai.data import build_corpus
from better_ai.data.engine import open_executor
from better_ai.data.engine.executor import Executor
from better_ai.errors import BetterAIError, UserError

pytest.importorskip("ray")


def test_a_cluster_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    address = f"ray://127.0.0.1:{free}"
    with pytest.raises(UserError, match=f"there is no Ray cluster at executor.address={address}"):
        open_executor(RayExecutorConfig(address=address)).__enter__()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Executor]:
    with open_executor(RayExecutorConfig(workers=2)) as executor:
        yield executor


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sweeps up what the clusters of killed processes leave: agents, where nobody buries their parent, and logs."""
    with tempfile.TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(file.path.startswith(folder) for file in process.open_files()):
                    process.kill()


@pytest.mark.slow
@pytest.mark.usefixtures("swept")
def test_a_build_on_ray_that_is_killed_goes_on(tmp_path: Path) -> None:
    folders = [tmp_path / f"source-{number}" for number in range(8)]
    for number, folder in enumerate(folders):
        write_modules(folder, 25, start=30 * number)
    sources = tuple(FolderSource(path=str(folder), license="MIT") for folder in folders)
    config = DataConfig(sources=sources, executor=RayExecutorConfig(workers=2), shard_bytes=30_000)
    inline = config.model_copy(update={"executor": LocalExecutorConfig(workers=1)})
    whole = run_build(inline, tmp_path / "whole", tmp_path / "whole-work")
    assert whole.returncode == 0, whole.stderr
    for events in (3, 12, 16):
        killed = run_build(config, tmp_path / "out", tmp_path / "work", events=events)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    finished = run_build(config, tmp_path / "out", tmp_path / "work")
    assert finished.returncode == 0, finished.stderr
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_two_workers_one_of_them_killed_give_the_bytes_of_one_process(cluster: Executor, tmp_path: Path) -> None:
    folders = [tmp_path / f"source-{number}" for number in range(5)]
    for number, folder in enumerate(folders):
        write_modules(folder, 15, start=20 * number)
    config = DataConfig(
        sources=tuple(FolderSource(path=str(folder), license="MIT") for folder in folders),
        executor=LocalExecutorConfig(workers=1),
        shuffle=True,
        shard_bytes=10_000,
    )
    alone = build_corpus(config, tmp_path / "alone", work=tmp_path / "alone-work")
    killed: list[int] = []

    def on_progress(phase: str, done: int, total: int, counts: object) -> None:
        if phase == "tag" and done == 1 and not killed:
            killed.append(_kill_a_worker())

    together = build_corpus(
        config, tmp_path / "ray", work=tmp_path / "ray-work", executor=cluster, on_progress=on_progress
    )
    assert killed and together == alone
    assert digests(tmp_path / "ray") == digests(tmp_path / "alone")


def _kill_a_worker() -> int:
    """A busy one if there is any at this moment."""
    processes = {child.cmdline()[0]: child for child in psutil.Process().children(recursive=True) if child.cmdline()}
    worker = processes.get("ray::_run") or processes["ray::IDLE"]
    worker.kill()
    return worker.pid


def test_an_item_whose_worker_dies_is_done_again(cluster: Executor, tmp_path: Path) -> None:
    def die_once(number: int) -> int:
        if number == 2 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number

    assert sorted(cluster.map(die_once, range(6))) == [(number, number * number) for number in range(6)]
    assert (tmp_path / "died").exists()


def test_errors_come_back_and_a_deadly_item_is_given_up(cluster: Executor) -> None:
    def refuse(number: int) -> int:
        raise UserError(f"{number} is not served")

    def die(number: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert sorted(cluster.map(abs, range(-4, 0))) == [(0, 4), (1, 3), (2, 2), (3, 1)]
    with pytest.raises(UserError, match="7 is not served"):
        list(cluster.map(refuse, [7]))
    with pytest.raises(BetterAIError, match="item 1 of 1 has ended its Ray worker 3 times"):
        list(cluster.map(die, [0]))


def test_print_is_left_alone(cluster: Executor) -> None:
    assert sorted(cluster.map(str.upper, ["a", "b"])) == [(0, "A"), (1, "B")]
    assert isinstance(print, BuiltinFunctionType)
