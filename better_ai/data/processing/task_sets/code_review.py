"""Code review: the changes of a Git history, and what their authors said about them.

The request shows a diff. The answer is the commit message, cleaned of trailers and references, followed by what the
diff itself shows: its size, and whether tests change with the code. Left out are merges, commits by programs, those
whose message or diff says too little or too much, and those that touch no source code.
"""

import re
from dataclasses import dataclass
from random import Random

from better_ai.data.collectors.repository import Repository
from better_ai.data.languages import language_of
from better_ai.data.processing.conversations import Draft, exchange, fenced

MESSAGE_BYTES = 16_000

_REQUESTS = (
    "Review this change.",
    "What does this change do? Review it.",
    "Please review this diff.",
)
_PROGRAMS = re.compile(
    r"\[bot\]|\bbot\b|dependabot|renovate|github-actions|pre-commit-ci|greenkeeper|snyk|jenkins|travis|buildbot|noreply@google",
    re.IGNORECASE,
)
_TRIVIAL = re.compile(
    r"(?i)(?:(?:merge|revert|bump|wip|release|version|typos?|minor|cleanup|formatting|lint)\b|fixup!|squash!|"
    r"v?\d+(?:\.\d+)+|update (?:readme|changelog)|(?:initial|first) commit)"
)
_TRAILER = re.compile(r"(?m)^[A-Z][\w-]+(?:-[\w-]+)*: .*$|^\(cherry picked from .*$|^git-svn-id:.*$")
_REFERENCE = re.compile(
    r"\s*\(?(?:(?:closes|fixes|fix|resolves|refs?|see|issue|bpo-|gh-)[\s:]*)?#\d+\)?|(?:\bsee:?\s+)?\bhttps?://\S+",
    re.IGNORECASE,
)
_FILE = re.compile(r"^diff --git a/.* b/(.*)$", re.MULTILINE)
_TEST = re.compile(r"(?:^|/)(?:tests?|testing|spec)/|(?:^|/)(?:test_|conftest)|(?:_test|_spec|\.test|\.spec)\.")
_LEAST_WORDS, _MOST_WORDS = 5, 200
_LEAST_LINES = 2


@dataclass(frozen=True)
class Change:
    """A commit as Git shows it."""

    author: str
    email: str
    message: str
    diff: str


class Unfit(ValueError):
    """Why a commit is no good for review."""


def read_change(repository: Repository, commit: str, *, max_diff_bytes: int) -> Change:
    """A commit's message and diff. Raises Unfit where it is too long or no UTF-8, RepositoryError for a bad one."""
    shown = repository.change(commit, max_bytes=MESSAGE_BYTES + max_diff_bytes + 1)
    parts = shown.split(b"\0", 3)
    if len(parts) < 4 or len(parts[3]) > max_diff_bytes or len(shown) > MESSAGE_BYTES + max_diff_bytes:
        raise Unfit("too long")
    try:
        author, email, message, diff = (part.decode() for part in parts)
    except UnicodeDecodeError:
        raise Unfit("not UTF-8") from None
    return Change(author, email, message, diff.lstrip("\n"))


def review(change: Change, random: Random) -> Draft:
    """The change as a request, the comment on it as the answer. Raises Unfit."""
    if _PROGRAMS.search(change.author) or _PROGRAMS.search(change.email):
        raise Unfit("made by a program")
    subject, _, body = change.message.strip().partition("\n")
    if _TRIVIAL.match(subject):
        raise Unfit("trivial message")
    comment = _comment(subject, body)
    if not _LEAST_WORDS <= len(comment.split()) <= _MOST_WORDS:
        raise Unfit("message too short or too long")
    files = _FILE.findall(change.diff)
    code = [
        path for path in files if language_of(path, b"") != "unknown" and not path.endswith((".md", ".rst", ".txt"))
    ]
    added, removed = (_changed_lines(change.diff, sign) for sign in "+-")
    if not code or "Binary files " in change.diff:
        raise Unfit("no source code")
    if len(added) + len(removed) < _LEAST_LINES or _only_spaces(added, removed):
        raise Unfit("trivial change")
    answer = f"{comment}\n\n{_remark(files, len(added), len(removed))}"
    facts = {"files": files, "added": len(added), "removed": len(removed)}
    return Draft(exchange(f"{random.choice(_REQUESTS)}\n\n{fenced(change.diff, 'diff')}", answer), facts)


def _comment(subject: str, body: str) -> str:
    text = f"{subject}\n{_TRAILER.sub('', body)}"
    text = _REFERENCE.sub("", text)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()


def _changed_lines(diff: str, sign: str) -> list[str]:
    """Lines with content that a diff adds or removes."""
    lines = (line for line in diff.split("\n") if line.startswith(sign) and not line.startswith(sign * 3))
    return [line[1:] for line in lines if line[1:].strip()]


def _only_spaces(added: list[str], removed: list[str]) -> bool:
    before, after = ("".join("".join(lines).split()) for lines in (removed, added))
    return before == after


def _remark(files: list[str], added: int, removed: int) -> str:
    tests = [path for path in files if _TEST.search(path)]
    where = f"{len(files)} files" if len(files) > 1 else f"`{files[0]}`"
    size = f"The change adds {_lines(added)} and removes {removed} in {where}."
    if len(tests) == len(files):
        return f"{size} It touches tests only."
    return f"{size} Tests change with the code." if tests else f"{size} No test changes with it."


def _lines(count: int) -> str:
    return f"{count} line" if count == 1 else f"{count} lines"
