"""A Git history becomes reviews of the changes that say something; nothing the repository holds is ever run."""

import os
import subprocess
from pathlib import Path
from random import Random

import pytest

from better_ai.config.data.processing import GitHistory, ProcessingConfig
from better_ai.data.collectors.repository import Repository, RepositoryError
from better_ai.data.processing.convert import Rejected, convert_history
from better_ai.data.processing.task_sets.code_review import Change, Unfit, read_change, review

SAID = """Return early where the list is empty

A mean of nothing has no value (#12).
See https://x.org/1

Reviewed-by: J Doe <j@d.org>
"""


def git(folder: Path, *arguments: str, author: str = "A U Thor <author@d.org>") -> str:
    name, _, email = author.rstrip(">").partition(" <")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", name), ("EMAIL", email))
        },
        "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z",
    }
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=environment, check=True, capture_output=True)
    return done.stdout.decode().strip()


def commit(folder: Path, message: str, files: dict[str, str], **options: str) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(folder, "add", "-A")
    git(folder, "commit", "--allow-empty", "-q", "-m", message, **options)
    return git(folder, "rev-parse", "HEAD")


BEFORE = "def mean(values):\n    total = sum(values)\n    return total / len(values)\n"
AFTER = "def mean(values):\n    if not values:\n        return None\n    return sum(values) / len(values)\n"


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Two commits worth a review, among ten that are not."""
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "Initial commit", {"mean.py": BEFORE})
    commit(
        folder,
        "A mean of numbers was never documented so far",
        {"mean.py": "# mean\n# of\n" + BEFORE, "test_mean.py": "a\nb\n"},
    )
    commit(folder, "Make all of it better by spaces", {"mean.py": "#  mean\n#  of\n" + BEFORE})
    commit(folder, "Bump the version of everything to 2.0", {"mean.py": "# mean\n# off\n# 2\n" + BEFORE})
    commit(folder, SAID, {"mean.py": AFTER})
    commit(folder, "fix", {"mean.py": AFTER + "\n\nx = 1\ny = 2\n"})
    commit(folder, "Describe what the package is good for", {"README.md": "good\nfor\nmuch\n"})
    commit(folder, "Change one line and nothing else here", {"mean.py": AFTER + "\n\nx = 1\ny = 2\nz = 1\n"})
    commit(
        folder,
        "Update the dependencies to their latest versions",
        {"a.py": "a = 1\nb = 2\n"},
        author="dependabot[bot] <d@b.org>",
    )
    commit(folder, "Add a table of very many rows for later", {"b.py": "row = 1\n" * 5000})
    commit(folder, "Say who is to blame in the code itself", {"c.py": "# Author: Jane Doe\nx = 1\ny = 2\n"})
    git(folder, "checkout", "-q", "-b", "side", "HEAD~1")
    commit(folder, "Wip", {"d.py": "x = 1\ny = 3\n"})
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "--no-ff", "-m", "Merge the work of the side branch into main", "side")
    return folder


def converted(folder: Path, **options: object) -> tuple[list[dict], dict[str, int]]:
    config = ProcessingConfig()
    start, _ = Repository(folder).commit("HEAD")
    history = GitHistory(path=str(folder), license="MIT", **options)  # type: ignore[arg-type]
    found = list(convert_history(history, start, config))
    dropped: dict[str, int] = {}
    for each in found:
        for reason, count in each.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return [row for each in found for row in each.rows], dropped


def test_only_changes_that_say_something_are_kept(history: Path) -> None:
    rows, dropped = converted(history)
    assert len(rows) == 2, [row["messages"] for row in rows]
    assert dropped == {
        "trivial message": 3,
        "trivial change": 2,
        "message too short or too long": 1,
        "no source code": 1,
        "made by a program": 1,
        "too long": 1,
        "points to a person": 1,
    }
    assert {row["license"] for row in rows} == {"MIT"} and {row["source"] for row in rows} == {"git:clone"}
    assert len({row["source_id"] for row in rows}) == 2
    assert converted(history)[0] == rows
    assert len(converted(history, max_commits=3)[0]) == 0


def test_the_comment_is_the_message_without_people_and_references(history: Path) -> None:
    id = git(history, "log", "--format=%H", "--grep=Return early")
    change = read_change(Repository(history), id, max_diff_bytes=16_000)
    assert (
        change.author == "A U Thor"
        and change.message == SAID
        and change.diff.startswith("diff --git a/mean.py b/mean.py")
    )
    draft = review(change, Random(0))
    assert draft.messages[1].content == (
        "Return early where the list is empty\n\nA mean of nothing has no value.\n\n"
        "The change adds 3 lines and removes 5 in `mean.py`. No test changes with it."
    )
    assert change.diff in draft.messages[0].content
    assert draft.transformation == {"files": ["mean.py"], "added": 3, "removed": 5}


def test_tests_that_change_are_seen() -> None:
    diff = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1,2 @@\n-a\n+b\n+c\n"
    message = "Say what the change is about"
    both = review(Change("A", "a@b.c", message, diff.format("src/a.py") + diff.format("tests/test_a.py")), Random(0))
    assert both.messages[1].content.endswith("in 2 files. Tests change with the code.")
    alone = review(Change("A", "a@b.c", message, diff.format("tests/test_a.py")), Random(0))
    assert alone.messages[1].content.endswith("It touches tests only.")


def test_nothing_in_a_repository_is_run(history: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    sprung = tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {sprung}\ncat\n")
    trap.chmod(0o755)
    for key in ("diff.external", "diff.x.textconv", "diff.x.command", "core.fsmonitor", "core.pager", "gpg.program"):
        git(history, "config", key, str(trap))
    git(history, "config", "log.showSignature", "true")
    git(history, "config", "alias.diff-tree", f"!{trap}")
    (history / ".git/info/attributes").write_text("*.py diff=x\n")
    for hook in ("post-checkout", "pre-auto-gc", "reference-transaction"):
        (history / ".git/hooks").mkdir(exist_ok=True)
        (history / ".git/hooks" / hook).symlink_to(trap)
    rows, _ = converted(history)
    assert len(rows) == 2 and not sprung.exists()
    subprocess.run(["git", "-C", str(history), "diff", "HEAD~1"], capture_output=True, check=False)
    assert sprung.exists(), "the trap works where Git is not held back"


def test_a_bad_history_is_named(history: Path, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"licence GPL-3\.0-only is not allowed"):
        next(convert_history(GitHistory(path=str(history), license="GPL-3.0-only"), "HEAD", ProcessingConfig()))
    with pytest.raises(Rejected, match="licence unknown"):
        next(convert_history(GitHistory(path=str(history)), "HEAD", ProcessingConfig()))
    with pytest.raises(RepositoryError):
        next(convert_history(GitHistory(path=str(tmp_path / "none"), license="MIT"), "HEAD", ProcessingConfig()))
    with pytest.raises(RepositoryError):
        read_change(Repository(history), "0" * 40, max_diff_bytes=100)


def test_a_change_that_is_no_text_is_unfit(history: Path) -> None:
    (history / "latin.py").write_bytes(b"# caf\xe9\nx = 1\ny = 2\n")
    id = commit(history, "Serve coffee in another encoding today", {})
    with pytest.raises(Unfit, match="UTF-8"):
        read_change(Repository(history), id, max_diff_bytes=1000)
