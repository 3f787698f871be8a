"""Repositories are read at one revision, with every file accounted for, and nothing of theirs is ever executed."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import tenacity

from better_ai.config.data.sources import GitSource
from better_ai.data.collectors import make_collector
from better_ai.data.collectors.removals import Removals, without_login
from better_ai.data.collectors.repository import Repository, RepositoryError, is_url
from better_ai.data.schema import document_id
from better_ai.errors import UserError

MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software, subject to the "
    "following conditions: The above copyright notice and this permission notice shall be included in all copies.\n"
)
GPL = "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n"
DATE = "2023-11-14T23:13:20+01:00"


def git(folder: Path, *arguments: str) -> str:
    identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "A"), ("EMAIL", "a@example.org"), ("DATE", DATE))}  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "HOME": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", **identity}
    command = [
        "git",
        "-c",
        "protocol.file.allow=always",
        "-c",
        "init.defaultBranch=main",
        "-C",
        str(folder),
        *arguments,
    ]
    return (
        subprocess.run(command, check=True, capture_output=True, env=environment)
        .stdout.decode("utf-8", "surrogateescape")
        .strip()
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "owner" / "project"
    files: dict[str, bytes] = {
        "LICENSE": MIT.encode(),
        "src/good.py": b"answer = 42\n",
        "src/tagged.py": b"# SPDX-License-Identifier: Apache-2.0\nx = 1\n",
        "src/large.py": b"x = 0\n" * 200,
        "copyleft/COPYING": GPL.encode(),
        "copyleft/strong.c": b"int main(void) { return 0; }\n",
        "vendor/other.go": b"package other\n",
        "marked/theirs.py": b"x = 1\n",
        "marked/made.py": b"x = 1\n",
        "marked/table.csv": b"a,b\n1,2\n",
        "pointer.py": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "server.pem": b"-----BEGIN\n",
        "picture.png": b"\x89PNG\0",
        "yarn.lock": b"# yarn\n",
        ".gitattributes": b"marked/theirs.py linguist-vendored\nmarked/made.py linguist-generated=true\n*.csv binary\n",
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    Path(os.fsdecode(os.fsencode(root) + b"/odd \xff\n.py")).write_text("y = 1\n")
    (root / "link.py").symlink_to("src/good.py")
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "commit", "-q", "--allow-empty", "-m", "x")
    git(root, "init", "-q")
    git(root, "submodule", "--quiet", "add", str(other), "sub")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "one")
    git(root, "tag", "v1")
    (root / "src/good.py").write_text("answer = 43\n")
    (root / "uncommitted.py").write_text("z = 1\n")
    git(root, "commit", "-q", "-m", "two", "src/good.py")
    return root


def collect(max_document_bytes: int = 1000, **fields: object) -> tuple[dict[str, dict], dict[str, str]]:
    """Documents by path with their metadata, and the reasons of what was rejected by what follows the origin."""
    collector = make_collector(GitSource.model_validate(fields))
    documents, rejected = {}, {}
    for part in collector.parts():
        assert json.loads(json.dumps(part.payload, ensure_ascii=False).encode()) == part.payload
        name = without_login(fields["repositories"][part.payload["number"]])  # type: ignore[index]
        try:
            batches = list(collector.read(part, max_document_bytes=max_document_bytes))
        except RepositoryError as error:
            rejected[name] = str(error)
            continue
        for stepped in batches:
            for row in stepped.kept.to_pylist():
                row["metadata"] = json.loads(row["metadata"])
                documents[row["metadata"]["path"]] = row
            for row in stepped.rejected.to_pylist():
                assert row["step"] == "collect"
                rejected[row["source"].removeprefix(f"{name}:")] = row["reason"]
    return documents, rejected


def test_every_file_of_a_revision_is_a_document_or_a_reason(repository: Path) -> None:
    documents, rejected = collect(repositories=(str(repository),))
    tree = git(repository, "ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")
    assert len(documents) + len(rejected) == len(list(filter(None, tree)))
    commit = git(repository, "rev-parse", "HEAD")
    good = documents["src/good.py"]
    assert good["content"] == "answer = 43\n" and good["source"] == f"{repository}:src/good.py"
    assert good["metadata"] == {
        "blob": git(repository, "rev-parse", "HEAD:src/good.py"),
        "fetched_at": DATE,
        "license_evidence": "LICENSE reads as MIT",
        "origin": str(repository),
        "path": "src/good.py",
        "revision": commit,
        "sha256": document_id(b"answer = 43\n"),
    }
    assert {path: row["license"] for path, row in documents.items() if path in ("LICENSE", "odd \\xff\n.py")} == {
        "LICENSE": "MIT", "odd \\xff\n.py": "MIT"}  # fmt: skip
    assert documents["src/tagged.py"]["license"] == "Apache-2.0"
    assert documents["copyleft/strong.c"]["license"] == "GPL-3.0-only"
    assert documents["copyleft/strong.c"]["language"] == "c"
    reasons = {
        "src/large.py": "1200 bytes, more than 1000",
        "vendor/other.go": "vendored: in a folder vendor",
        "marked/theirs.py": "vendored, by .gitattributes",
        "marked/made.py": "generated, by .gitattributes",
        "marked/table.csv": "binary, by .gitattributes",
        "pointer.py": "a Git LFS pointer, not the file",
        "server.pem": "a file of keys or credentials, by its name",
        "picture.png": "binary: has a NUL byte",
        "yarn.lock": "generated: a lock file",
        "link.py": "a symbolic link, which is not followed",
        "sub": "a submodule, which is not followed",
    }
    assert reasons.items() <= rejected.items()


def test_languages_and_older_revisions(repository: Path) -> None:
    documents, rejected = collect(repositories=(str(repository),), revision="v1", languages=("c",))
    assert set(documents) == {"copyleft/strong.c"}
    assert not {"src/good.py", "vendor/other.go"} & set(rejected)
    documents, _ = collect(repositories=(str(repository),), revision="v1")
    assert documents["src/good.py"]["content"] == "answer = 42\n"


def test_a_repository_by_url_gives_what_the_folder_gives(repository: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(repository), str(bare))
    clones = str(tmp_path / "clones")
    local, fetched = (collect(repositories=(name,), clones=clones) for name in (str(bare), f"file://{bare}"))
    ids = [{path: (row["id"], row["license"], row["metadata"]["revision"]) for path, row in documents.items()}
           for documents, _ in (local, fetched)]  # fmt: skip
    assert ids[0] == ids[1] and local[1] == fetched[1]
    git(bare, "update-ref", "-d", "refs/heads/main")
    assert collect(repositories=(f"file://{bare}",), clones=clones)[0].keys() == fetched[0].keys()


def test_a_dead_repository_is_a_row_and_the_others_go_on(repository: Path, tmp_path: Path) -> None:
    sources = (str(tmp_path / "nowhere"), f"file://user:token@localhost{tmp_path}/gone.git", str(repository))
    documents, rejected = collect(repositories=sources, clones=str(tmp_path / "clones"), attempts=1)
    assert "src/good.py" in documents
    assert "cannot change to" in rejected[sources[0]]
    dead = f"file://localhost{tmp_path}/gone.git"
    assert "git failed" in rejected[dead] and "token" not in rejected[dead]
    assert list((tmp_path / "clones").iterdir()) == []
    collector = make_collector(GitSource(repositories=(str(tmp_path / "late"),)))
    (part,) = collector.parts()
    repository.rename(tmp_path / "late")
    assert sum(batch.kept.num_rows for batch in collector.read(part, max_document_bytes=1000)) == len(documents)
    repository.symlink_to(tmp_path / "late")
    _, rejected = collect(repositories=(str(repository),), revision="v9")
    assert "git failed" in rejected[str(repository)]
    with pytest.raises(RepositoryError, match="is no revision"):
        Repository(repository).commit("--output=/tmp/x")
    with pytest.raises(UserError, match="names no repositories"):
        make_collector(GitSource(repositories=())).parts()


def test_a_fetch_is_tried_again(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from better_ai.data.collectors import repository as module

    plain, failures = module.run_git, [0]

    def flaky(command: list[str], *rest: object) -> bytes:
        if "fetch" in command and failures[0] < 2:
            failures[0] += 1
            raise RepositoryError("the line is dead")
        return plain(command, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "run_git", flaky)
    monkeypatch.setattr("tenacity.wait_exponential_jitter", lambda **pauses: tenacity.wait_none())
    documents, _ = collect(repositories=(f"file://{repository}",), clones=str(tmp_path / "clones"), attempts=3)
    assert "src/good.py" in documents and failures == [2]


def test_a_plain_folder_inside_a_repository_is_no_repository(repository: Path) -> None:
    _, rejected = collect(repositories=(str(repository / "src"),))
    assert "not a git repository" in rejected[str(repository / "src")]


def test_what_a_repository_is_configured_to_run_is_not_run(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    proof = tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {proof}\nexit 1\n")
    trap.chmod(0o755)
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
        (repository / ".git" / "hooks").mkdir(exist_ok=True)
        (repository / ".git" / "hooks" / hook).symlink_to(trap)
    settings = {
        "core.fsmonitor": trap,
        "core.pager": trap,
        "core.sshCommand": trap,
        "core.hooksPath": repository / ".git" / "hooks",
        "core.alternateRefsCommand": trap,
        "gpg.program": trap,
        "log.showSignature": "true",
        "diff.external": trap,
        "filter.lfs.smudge": trap,
        "filter.lfs.process": trap,
        "credential.helper": f"!{trap}",
        "protocol.ext.allow": "always",
        "remote.origin.url": f"ext::{trap}",
        "remote.origin.promisor": "true",
        "extensions.partialClone": "origin",
        "uploadpack.packObjectsHook": trap,
    }
    git(repository, "config", "core.repositoryformatversion", "1")
    for name, value in settings.items():
        git(repository, "config", name, str(value))
    blob = Path(".git/objects") / git(repository, "rev-parse", "HEAD:src/tagged.py")[:2]
    lost = repository / blob / git(repository, "rev-parse", "HEAD:src/tagged.py")[2:]
    lost.unlink()
    documents, rejected = collect(repositories=(str(repository),))
    assert not proof.exists()
    assert "src/good.py" in documents or "git failed" in rejected[str(repository)]


def test_a_lost_object_is_one_row(repository: Path) -> None:
    id = git(repository, "rev-parse", "HEAD:src/tagged.py")
    collector = make_collector(GitSource(repositories=(str(repository),)))
    parts = collector.parts()
    (repository / ".git" / "objects" / id[:2] / id[2:]).unlink()
    (stepped,) = [s for part in parts for s in collector.read(part, max_document_bytes=1000)]
    reasons = {row["source"].split(":")[1]: row["reason"] for row in stepped.rejected.to_pylist()}
    assert reasons["src/tagged.py"] == f"Git has no readable object {id}"
    assert f"{repository}:src/good.py" in stepped.kept.column("source").to_pylist()


@pytest.mark.parametrize("kind", ["repository", "path", "folder", "document", "blob", "commit"])
def test_removal_requests_are_honoured_and_named(kind: str, repository: Path, tmp_path: Path) -> None:
    wishes = {
        "repository": "Owner/Project",
        "path": f"{repository}:src/good.py",
        "folder": "owner/project:src/",
        "document": document_id(b"answer = 43\n"),
        "blob": git(repository, "rev-parse", "HEAD:src/good.py"),
        "commit": git(repository, "rev-parse", "HEAD"),
    }
    requests = tmp_path / "removals.txt"
    requests.write_text(f"# who asked\nsomeone/else\n\n{wishes[kind]}  # by mail\n")
    documents, rejected = collect(repositories=(str(repository),), removal_requests=str(requests))
    assert "src/good.py" not in documents
    assert ("copyleft/strong.c" in documents) == (kind not in ("repository", "commit"))
    assert ("src/tagged.py" in documents) == (kind not in ("repository", "commit", "folder"))
    key = str(repository) if kind in ("repository", "commit") else "src/good.py"
    assert rejected[key] == f"its removal was requested ({wishes[kind]}, line 4)"


def test_a_missing_list_of_removals_stops_everything(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the removal requests"):
        collect(repositories=(str(tmp_path),), removal_requests=str(tmp_path / "none"))


@pytest.mark.parametrize(
    "written",
    [
        "owner/name", "https://host.org/Owner/Name", "https://host.org/owner/name.git", "git@host.org:owner/name.git",
        "ssh://git@host.org:22/owner/name", "https://user:secret@host.org/owner/name/",
    ],
)  # fmt: skip
def test_names_of_a_repository_that_mean_the_same(written: str, tmp_path: Path) -> None:
    requests = tmp_path / "removals.txt"
    requests.write_text("owner/name\nowner/other:docs\n")
    removals = Removals.load(str(requests))
    assert removals.of_repository(written) and not removals.of_repository("owner/named")
    assert removals.of_file("https://host.org/owner/other", "docs/a.md")
    assert not removals.of_file("https://host.org/owner/other", "docsy/a.md")
    assert "secret" not in without_login(written)
    assert is_url(written) == (written != "owner/name")
