"""What goes wrong at the command line ends in one paragraph that names the thing and the mend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from better_ai.artifacts import run_lock

RECIPE = (
    "name: x\ntokenizer: {vocab_size: 4096}\npretrain: {model: quickstart, seq_len: 64}\ndata: {max_documents: 3}\n"
)


def better_ai(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from better_ai.cli.main import main; main()", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": "400", "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(RECIPE)
    return path


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["data", "preprocess", "--dataset", "x", "--output-dir", "y"], 2, "such as bigcode/the-stack-dedup:v1:train:"),
        (["data", "takedown", "nowhere"], 2, "nothing is named"),
        (["data", "takedown", "nowhere", "--match", "source=a:train:b"], 2, "holds no finished corpus"),
        (["data", "inspect", "nowhere"], 2, "nowhere/data is no corpus"),
        (["data", "build", "x.yaml"], 2, "unknown key 'tokenizer'"),
        (["tokenizer", "report", "nowhere", "--input", "x.yaml"], 1, "tokenizer.manifest.json is missing"),
        (["run", "missing.yaml"], 2, "cannot read the recipe missing.yaml: No such file or directory; check the path"),
        (["run", "x.yaml", "--set", "pretrain.trian.x=1"], 2, "did you mean 'train'?"),
        (["run", "x.yaml", "--set", "pretrain.train.batch_size=0"], 2, "batch_size: Input should be greater than 0"),
        (["run", "x.yaml", "--set", "pretrain.model.num_attention_heads=5"], 2, "does not divide hidden_dim=192"),
        (["run", "x.yaml", "--set", "tokenizer.vocab_size=512"], 2, "does not match tokenizer.vocab_size=512"),
        (["run", "x.yaml", "--until", "pretrian"], 2, "there is no stage 'pretrian'"),
        (["run", "x.yaml", "--set", "data.sources=[{type: folder, path: nowhere}]"], 2, "nowhere"),
        (["lineage", "nowhere"], 1, "nowhere holds no finished stage"),
        (["chat", "nowhere"], 1, "run `make quickstart`"),
        (["model", "describe", "nothing-b"], 2, "unknown model preset 'nothing-b'"),
        (["model", "import", "nowhere", "--to", "there"], 2, "config.json is missing"),
    ],
)
def test_a_mistake_is_one_paragraph(recipe: Path, arguments: list[str], code: int, said: str) -> None:
    ended = better_ai(*arguments, cwd=recipe.parent)
    assert ended.returncode == code
    assert said in ended.stderr
    assert ended.stderr.startswith("Error: ")
    assert "Traceback" not in ended.stderr
    assert "\n" not in ended.stderr.rstrip("\n")


def test_debug_shows_the_traceback_wherever_it_stands(recipe: Path) -> None:
    ended = better_ai("run", "missing.yaml", "--debug", cwd=recipe.parent)
    assert ended.returncode != 0
    assert "Traceback" in ended.stderr


def test_a_locked_run_is_refused(recipe: Path) -> None:
    with run_lock(recipe.parent / "runs/x"):
        ended = better_ai("run", "x.yaml", cwd=recipe.parent)
    assert ended.returncode == 1
    assert "another process is working on runs/x" in ended.stderr


def test_a_damaged_shard_is_named_and_nothing_is_built_over_it(recipe: Path) -> None:
    assert better_ai("run", "x.yaml", "--until", "data", cwd=recipe.parent).returncode == 0
    shard = recipe.parent / "runs/x/data/train/00000.parquet"
    damaged = shard.read_bytes()[:-1] + b"x"
    shard.write_bytes(damaged)
    ended = better_ai("run", "x.yaml", "--until", "data", cwd=recipe.parent)
    assert ended.returncode == 1
    assert "runs/x/data/train/00000.parquet is damaged" in ended.stderr
    assert shard.read_bytes() == damaged
    assert "is damaged" in better_ai("lineage", "runs/x", "--verify", cwd=recipe.parent).stderr


def test_help_needs_no_heavy_import(tmp_path: Path) -> None:
    heavy = (
        "import sys; import better_ai.cli.main; sys.exit(bool({'torch', 'pyarrow', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", heavy], cwd=tmp_path, timeout=60).returncode == 0
    assert "chat" in better_ai("--help", cwd=tmp_path).stdout


def test_ctrl_c_ends_a_run_with_what_to_do_next(tmp_path: Path) -> None:
    interrupted = (
        "import sys, better_ai.pipeline as pipeline\n"
        "def run_main_job(*_, **__): raise KeyboardInterrupt\n"
        "pipeline.run_main_job = run_main_job\n"
        "sys.argv = ['better-ai', 'run', 'x.yaml']\n"
        "from better_ai.cli.main import main; main()"
    )
    (tmp_path / "x.yaml").write_text(RECIPE)
    ended = subprocess.run(
        [sys.executable, "-c", interrupted], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 130
    assert "The same command continues from here." in ended.stderr
    assert "Traceback" not in ended.stderr
