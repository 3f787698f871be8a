"""What the disk has damaged in the work folder is computed again and never passed on."""

import hashlib
from pathlib import Path

import pytest

from better_ai.config import DataConfig
from better_ai.config.data import FolderSource, LocalExecutorConfig
from better_ai.data import build_corpus


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    folder = tmp_path / "sources"
    folder.mkdir()
    for number in range(12):
        names = " + ".join(f"name_{number}_{other}" for other in range(30))
        (folder / f"file_{number}.py").write_text(f"value_{number} = {names}\n")
    return DataConfig(
        sources=(FolderSource(path=str(folder), license="MIT"),),
        validation_fraction=0.3,
        executor=LocalExecutorConfig(workers=1),
    )


def products(out: Path) -> dict[str, str]:
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and path.name != "timings.json"]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_damaged_output_is_computed_again(config: DataConfig, tmp_path: Path) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    build_corpus(config, out, work=work)
    good = products(out)
    kept = [path for path in sorted(work.rglob("*")) if path.is_file() and path.stat().st_size]
    assert len(kept) > 20
    for path in kept:
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :])
        build_corpus(config, out, work=work)
        assert products(out) == good, f"{path.relative_to(work)} was passed on damaged"


def test_a_file_that_is_gone_or_cut_is_written_again(config: DataConfig, tmp_path: Path) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    build_corpus(config, out, work=work)
    good = products(out)
    shards = sorted(work.glob("**/*.parquet"))
    shards[0].unlink()
    shards[-1].write_bytes(shards[-1].read_bytes()[:-5])
    build_corpus(config, out, work=work)
    assert products(out) == good
