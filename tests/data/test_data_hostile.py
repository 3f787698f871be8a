"""Whole builds of what somebody made to break them: everything bad is named, everything good is there."""

import json
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import labelled_privacy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_sources import MIT, bound_by_permissions, commit, pack, write_sources

from better_ai.artifacts import read_json
from better_ai.config import DataConfig, DataRecipe
from better_ai.config.data import ProcessingConfig
from better_ai.data import SPLITS, build_corpus, read_corpus
from better_ai.data.takedown import Pattern, Takedown
from better_ai.pipeline.conversations_job import build_conversations
from better_ai.pipeline.data_job import run_data_recipe
from better_ai.pipeline.stages.data import WORK_FOLDER
from better_ai.pipeline.takedown import take_down

for module in ("fastwarc", "datasets", "httpx", "defusedxml"):
    pytest.importorskip(module)

MEMORY_BYTES = 600_000_000
"""What a build may take on top of the libraries; one of its inputs unpacks to 200 MB, and one claims as much."""


def parse(sources: list[dict[str, Any]], **more: Any) -> DataConfig:
    values = {"sources": sources, "validation_fraction": 0.3, "executor": {"workers": 1}, **more}
    return DataConfig.parse(values, where="test")


def corpus(out: Path) -> list[dict[str, Any]]:
    return [row for split in SPLITS for batch in read_corpus(out, split) for row in batch.to_pylist()]


def rejected(out: Path) -> list[dict[str, Any]]:
    return pq.read_table(out / "rejected.parquet").to_pylist()


def test_horrors_are_named_and_the_good_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    horrors = write_sources(tmp_path / "sources")
    config = parse(horrors.sources)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with bound_by_permissions():
        stats = build_corpus(config, tmp_path / "out", work=tmp_path / "work")
        again = build_corpus(config, tmp_path / "again", work=tmp_path / "other work")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < MEMORY_BYTES
    rejects, kept = rejected(tmp_path / "out"), corpus(tmp_path / "out")

    for name, reason in horrors.named:
        assert any(name in row["source"] and reason in row["reason"] for row in rejects), (name, reason)
    for mark in horrors.good:
        assert sum(mark in row["content"] for row in kept) == 1, mark
    assert len(kept) == len(horrors.good)

    record = read_json(tmp_path / "out" / "corpus.json")
    assert stats.collected == len(kept) + len(rejects) == sum(source["collected"] for source in record["sources"])
    assert sum(stats.rejected.values()) == len(rejects)
    assert len(stats.problems) == sum(len(source["problems"]) for source in record["sources"]) >= len(horrors.lost)
    for words in horrors.lost:
        assert any(words in problem for problem in stats.problems), words

    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]
    assert again == stats
    for path in (tmp_path / "out").rglob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(tmp_path / "out")).read_bytes()


GPL_NOTICE = """# This program is free software: you can redistribute it and/or modify it under the terms of the GNU
# General Public License as published by the Free Software Foundation, either version 3 of the License, or (at your
# option) any later version.
"""
AGPL_NOTICE = GPL_NOTICE.replace("GNU\n# General", "GNU\n# Affero General")
LGPL_NOTICE = GPL_NOTICE.replace("GNU\n# General", "GNU\n# Lesser General")
LICENSES = {
    "GPL": "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n\n" + GPL_NOTICE.replace("# ", ""),
    "AGPL": "GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3, 19 November 2007\n\n" + AGPL_NOTICE.replace("# ", ""),
    "LGPL": "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n\n" + LGPL_NOTICE.replace("# ", ""),
    "UNKNOWN": "You may look at this program on Tuesdays, if it does not rain, and if you ask us nicely beforehand.\n",
}
METADATA = "Metadata-Version: 2.1\nName: it\nVersion: 1\nLicense: {}\n"
TAG = "# SPDX-License-Identifier: {}\n"


def licensed_projects() -> dict[str, tuple[dict[str, str], bool]]:
    """Projects by name: their files, and whether what they hold may be trained on."""

    def project(name: str, head: str = "", **files: str) -> dict[str, str]:
        return {"code.py": head + program(name), **{path.replace("__", "."): text for path, text in files.items()}}

    bad: dict[str, dict[str, str]] = {"none": project("none")}
    copyleft = ("GPL-2.0-only", "GPL-3.0-or-later", "AGPL-3.0-only", "LGPL-2.1-or-later")
    for spdx in (*copyleft, "NOASSERTION", "LicenseRef-x"):
        bad[f"tag {spdx}"] = project(f"tag {spdx}", TAG.format(spdx), LICENSE=MIT)
    for name, notice in (("GPL", GPL_NOTICE), ("AGPL", AGPL_NOTICE), ("LGPL", LGPL_NOTICE)):
        bad[f"notice {name}"] = project(f"notice {name}", notice, LICENSE=MIT)
        head = "#!/usr/bin/python\n# Copyright A.\n#\n"
        bad[f"notice below {name}"] = project(f"notice below {name}", head + notice, LICENSE=MIT)
    for name, text in LICENSES.items():
        for path in ("LICENSE", "COPYING", "LICENSE__txt", "license__md"):
            bad[f"{path} {name}"] = project(f"{path} {name}", **{path: text})
    for field in ("GPLv3", "GNU Affero General Public License v3", "LGPL", "Proprietary", "GPL-3.0-or-later AND MIT"):
        bad[f"metadata {field}"] = project(f"metadata {field}", **{"PKG-INFO": METADATA.format(field)})
    bad["json"] = project("json", package__json=json.dumps({"name": "x", "license": "AGPL-3.0"}))
    bad["both"] = project("both", TAG.format("MIT AND GPL-3.0-only"), LICENSE=MIT)
    bad["two texts"] = project("two texts", LICENSE=MIT, COPYING=LICENSES["GPL"])
    bad["deeper"] = {"LICENSE": MIT, "lib/COPYING": LICENSES["GPL"], "lib/code.py": program("deeper")}
    good = {
        "MIT": project("MIT", LICENSE=MIT),
        "tag MIT": project("tag MIT", TAG.format("MIT"), LICENSE=LICENSES["GPL"]),
        "dual": project("dual", TAG.format("MIT OR GPL-3.0-only"), LICENSE=LICENSES["GPL"]),
        "metadata MIT": project("metadata MIT", **{"PKG-INFO": METADATA.format("MIT")}),
    }
    return {name: (files, False) for name, files in bad.items()} | {name: (files, True) for name, files in good.items()}


def program(name: str) -> str:
    word = "w" + "".join(f"{ord(character):x}" for character in name)
    lines = "\n".join(f"    {word}_{number} = value * {number} + {word}_{number - 1}" for number in range(1, 9))
    return f'"""Project {name}."""\n\n\ndef {word}(value, {word}_0):\n{lines}\n    return {word}_8\n'


def test_no_copyleft_and_nothing_unknown_gets_through_in_any_disguise(tmp_path: Path) -> None:
    expected: dict[str, bool] = {}
    roots: dict[str, str] = {}
    for kind, write in (("git", commit), ("folder", lay_out), ("archive", pack)):
        files: dict[str, bytes] = {}
        wanted: dict[str, bool] = {}
        for number, (project, is_free) in enumerate(licensed_projects().values()):
            for path, text in project.items():
                files[f"{number:03d}/{path}"] = text.replace("value", f"value_{kind}").encode()
            wanted |= {f"{number:03d}/{path}": is_free for path in project if path.endswith(".py")}
        roots[kind] = str(write(tmp_path / kind, files))
        expected |= {f"{roots[kind]}:{path}": is_free for path, is_free in wanted.items()}
    sources: list[dict[str, Any]] = [
        {"type": "git", "repositories": [roots["git"]], "languages": ["python"]},
        {"type": "archive", "paths": [roots["archive"]], "languages": ["python"], "license": "detect"},
        {"type": "folder", "path": roots["folder"], "license": "detect"},
    ]
    build_corpus(parse(sources, deduplicate={"method": "exact"}), tmp_path / "out", work=tmp_path / "work")
    kept = {row["source"] for row in corpus(tmp_path / "out")}
    assert kept == {source for source, is_free in expected.items() if is_free}
    turned_away = {row["source"] for row in rejected(tmp_path / "out") if row["step"] == "license"}
    assert turned_away == expected.keys() - kept


def lay_out(root: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


SECRETS = (
    *("anthropic_key", "aws_access_key", "github_token", "gitlab_token", "google_api_key", "huggingface_token"),
    *("npm_token", "openai_key", "pypi_token", "sendgrid_key", "slack_token", "stripe_key", "private_key"),
)
PERSONAL = ("email", "phone", "iban", "payment_card", "ip_address", "national_id", "birth_date", "postal_address")


def test_planted_secrets_are_in_no_file_but_the_private_work_folder(tmp_path: Path) -> None:
    planted = [
        each
        for each in [*labelled_privacy.secrets(3, seed=5), *labelled_privacy.personal(3, seed=5)]
        if each.kind in (*SECRETS, *PERSONAL)
    ]
    assert {each.kind for each in planted} == {*SECRETS, *PERSONAL}
    sources = tmp_path / "sources"
    sources.mkdir()
    rng = random.Random(0)
    for number, each in enumerate(planted):
        suffix = {"python": ".py", "javascript": ".js", "yaml": ".yaml", "markdown": ".md"}.get(each.language, ".txt")
        words = " ".join(labelled_privacy.chars(rng, "abcdefghijklmnopqrstuvwxyz", 7) for _ in range(12))
        comment = {".py": "# {}\n", ".js": "// {}\n", ".yaml": "# {}\n"}.get(suffix, "{}\n")
        (sources / f"{number:03d}{suffix}").write_text(each.text + "\n" + comment.format(words))
    for name, text in (("broken.py", "def f(:\n"), ("short.py", "")):
        (sources / name).write_text(text + f"key = {planted[0].value!r}\n")
    recipe = DataRecipe(
        name="private",
        data=parse(
            [{"type": "folder", "path": str(sources), "license": "MIT", "languages": []}],
            steps=[{"type": name} for name in ("license", "size", "syntax", "privacy", "quality")],
            write_index=True,
        ),
    )
    run_data_recipe(recipe, tmp_path / "runs")
    run = tmp_path / "runs" / "private"
    build_conversations(run, ProcessingConfig(multi_turn_share=None))
    assert len(corpus(run / "data")) > len(planted) // 2
    public, private = texts_of(run), "".join(texts_of(run / WORK_FOLDER).values())
    assert {Path(name).parts[0] for name in public} >= {"data", "conversations"}
    assert [each.kind for each in planted if each.value not in private] == [], "what was collected holds them all"
    found = [(each.kind, name) for each in planted for name, text in public.items() if each.value in text]
    assert found == []
    take_down(run, Takedown((Pattern("path", "000.*"),)), tmp_path / "runs")
    assert not (run / WORK_FOLDER).exists()


def texts_of(folder: Path) -> dict[str, str]:
    """The text of every file below a folder, of tables that of their cells; those of the work folder left out."""
    texts = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(WORK_FOLDER):
            columns = (
                pq.read_table(path).to_pydict() if path.suffix == ".parquet" else {"": [path.read_text("latin-1")]}
            )
            texts[name] = "\n".join(str(cell) for column in columns.values() for cell in column)
    return texts


FULL_DISK = """
import resource, signal, sys
from better_ai.config import load_data_recipe
from better_ai.pipeline.data_job import run_data_recipe
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv = ["better-ai", "data", "build", "x.yaml"]
from better_ai.cli.main import main; main()
"""


def test_a_full_disk_ends_a_build_that_can_go_on(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    lay_out(sources, {f"{number}.py": random.Random(number).randbytes(30_000).hex().encode() for number in range(8)})
    for path in sources.iterdir():
        path.write_text(f"x = (\n    '{path.read_text()}'\n)\n")
    source = {"type": "folder", "path": "sources", "license": "MIT", "exclude": []}
    recipe = {"name": "x", "sources": [source], "validation_fraction": 0.3, "executor": {"workers": 1}}
    (tmp_path / "x.yaml").write_text(json.dumps(recipe))

    def build(file_bytes: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", FULL_DISK, str(file_bytes)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    ended = build(100_000)
    assert ended.returncode == 1 and "cannot write" in ended.stderr and "File too large" in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "runs" / "x" / "data").exists()
    ended = build(1 << 30)
    assert ended.returncode == 0, ended.stderr
    assert len(corpus(tmp_path / "runs" / "x" / "data")) == 8
    assert not [*(tmp_path / "runs").rglob("*.tmp")]


def test_a_part_that_ends_in_an_unforeseen_way_is_named(tmp_path: Path) -> None:
    """Any table is a data set, also one whose columns nobody foresaw."""
    weird = pa.table({"text": pa.array([[1], None, [2]]), "other": pa.array([{"a": 1}] * 3)})
    pq.write_table(weird, tmp_path / "weird.parquet")
    lay_out(tmp_path / "good", {f"{number}.py": program(str(number)).encode() for number in range(5)})
    sources = [
        {"type": "huggingface", "id": "a/b", "path": str(tmp_path / "weird.parquet"), "text": "text"},
        {"type": "folder", "path": str(tmp_path / "good"), "license": "MIT"},
    ]
    stats = build_corpus(parse(sources), tmp_path / "out", work=tmp_path / "work")
    assert stats.kept == 5 and stats.rejected == {"collect": 3}
