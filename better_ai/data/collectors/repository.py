"""A Git repository, asked by Git's plumbing alone, so that nothing it holds or is configured to do is ever executed.

No work tree is made: trees and blobs are read from the object store. So there are no hooks, filters, LFS downloads,
submodules, links or odd file names to be afraid of. Signatures are not checked (that would start the program the
repository names) and missing objects are not fetched while reading (the same).
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import IO

from better_ai.artifacts import atomic_folder
from better_ai.errors import UserError
from better_ai.extras import import_extra

LOCAL_TIMEOUT_S = 300
FETCH_PROTOCOLS = "file:http:https:ssh:git"
INHERITED = ("PATH", "TMPDIR", "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY",
             "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")  # fmt: skip
ATTRIBUTES = ("linguist-vendored", "linguist-generated", "binary", "text")

_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.symlinks=false",
    "log.showSignature=false",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "transfer.fsckObjects=true",
    "credential.helper=",
    "safe.directory=*",
)


class RepositoryError(UserError):
    """A repository or revision that cannot be had."""


@dataclass(frozen=True)
class Blob:
    """A file in a tree."""

    path: str
    id: str
    num_bytes: int
    mode: str
    """100644, 100755, or 120000 for a symbolic link; 160000 for a submodule, which has no bytes."""


@dataclass(frozen=True)
class Repository:
    """A folder with a Git repository, bare or not."""

    folder: Path

    def commit(self, revision: str) -> tuple[str, str]:
        """Full id and commit date, ISO 8601, of a branch, tag or id. Raises RepositoryError."""
        id = self._git("rev-parse", "--verify", f"{_checked(revision)}^{{commit}}").decode().strip()
        for line in self._git("cat-file", "commit", id).split(b"\n"):
            if line.startswith(b"committer "):
                return id, _iso_date(line)
        raise RepositoryError(f"commit {id} of {self.folder} names no committer; the repository is damaged")

    def blobs(self, commit: str) -> list[Blob]:
        """All files of a revision, in the order of their paths. Raises RepositoryError."""
        listing = self._git("ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        blobs = []
        for line in filter(None, listing.split(b"\0")):
            facts, _, path = line.partition(b"\t")
            mode, _, id, size = facts.decode("ascii").split()
            blobs.append(Blob(os.fsdecode(path), id, int(size) if size.isdecimal() else 0, mode))
        return sorted(blobs, key=lambda blob: blob.path)

    def attributes(self, commit: str, paths: Sequence[str]) -> dict[str, dict[str, str]]:
        """What .gitattributes files of a revision say of paths, as far as they say something of ATTRIBUTES."""
        with tempfile.TemporaryDirectory() as scratch:
            index = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
            self._git("read-tree", commit, environment=index)
            asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
            answer = self._git(
                "check-attr", "--cached", "--stdin", "-z", *ATTRIBUTES, environment=index, standard_input=asked
            )
        words = answer.split(b"\0")
        said: dict[str, dict[str, str]] = {}
        for path, name, value in zip(words[0::3], words[1::3], words[2::3], strict=False):
            if value != b"unspecified":
                said.setdefault(os.fsdecode(path), {})[name.decode()] = value.decode("utf-8", "replace")
        return said

    def contents(self, ids: Sequence[str]) -> Iterator[bytes | None]:
        """The bytes of blobs, one after the other, None for one that is missing or damaged."""
        command = _command(self.folder, "cat-file", "--batch")
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment() | _local(self.folder),
        )
        try:
            assert process.stdin is not None and process.stdout is not None
            for id in ids:
                yield _ask(process.stdin, process.stdout, id)
        finally:
            process.kill()
            process.communicate()

    def history(self, commit: str, *, max_commits: int) -> list[str]:
        """Ids of the commit and its ancestors that are no merges, newest first. Raises RepositoryError."""
        return self._git("rev-list", "--no-merges", f"--max-count={max_commits}", commit).decode().split()

    def change(self, commit: str, *, max_bytes: int) -> bytes:
        """Author, e-mail and message, each ended by a NUL, and the diff against the parent; the first bytes of it all.

        Git is stopped where more would come. Raises RepositoryError when it does not begin.
        """
        show = ("diff-tree", "--root", "--pretty=format:%an%x00%ae%x00%B%x00", "-p", "-M")
        plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", commit)
        process = subprocess.Popen(
            _command(self.folder, *show, *plain),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment() | _local(self.folder),
        )
        try:
            assert process.stdout is not None
            found = process.stdout.read(max_bytes)
        finally:
            process.kill()
            process.communicate()
        if not found:
            raise RepositoryError(f"git shows nothing of commit {commit} of {self.folder}; the repository is damaged")
        return found

    def _git(self, *arguments: str, environment: dict[str, str] | None = None, standard_input: bytes = b"") -> bytes:
        return run_git(
            _command(self.folder, *arguments),
            _local(self.folder) | (environment or {}),
            standard_input,
            LOCAL_TIMEOUT_S,
        )


def fetch(url: str, revision: str, clones: Path, *, timeout_s: int, attempts: int) -> Repository:
    """One revision of a repository by URL, without its history, fetched once and kept in the folder `clones`.

    Tried again with growing pauses. Not `--filter=blob:none`: every file of the revision is wanted, and Git would fetch
    them one by one. Raises RepositoryError; UserError when the extra `data` is not installed.
    """
    tenacity = import_extra("tenacity", "data")
    folder = clones / f"{sha256(f'{url} {revision}'.encode()).hexdigest()[:16]}.git"
    if folder.is_dir():
        return Repository(folder)

    def attempt() -> None:
        with atomic_folder(folder) as building:
            run_git(["git", *_options(), "init", "--quiet", "--bare", "--template=", str(building)], {}, b"", timeout_s)
            arguments = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--", url)
            network = {"GIT_ALLOW_PROTOCOL": FETCH_PROTOCOLS}
            run_git(
                _command(building, *arguments, f"{_checked(revision)}:refs/heads/collected"), network, b"", timeout_s
            )
            shutil.rmtree(building / "hooks", ignore_errors=True)

    try:
        clones.mkdir(parents=True, exist_ok=True)
        tenacity.Retrying(
            stop=tenacity.stop_after_attempt(attempts),
            wait=tenacity.wait_exponential_jitter(initial=1, max=60),
            retry=tenacity.retry_if_exception_type(RepositoryError),
            reraise=True,
        )(attempt)
    except OSError as error:
        raise RepositoryError(f"cannot write {clones} ({error.strerror}); choose another folder for `clones`") from None
    return Repository(folder)


def run_git(command: Sequence[str], environment: dict[str, str], standard_input: bytes, timeout_s: int) -> bytes:
    """What Git prints. Raises RepositoryError with what it complains of."""
    try:
        done = subprocess.run(
            command, input=standard_input, capture_output=True, timeout=timeout_s, env=_environment() | environment
        )
    except FileNotFoundError:
        raise RepositoryError("the program git is not installed; install it to collect from repositories") from None
    except subprocess.TimeoutExpired:
        raise RepositoryError(f"git did not answer within {timeout_s} s") from None
    if done.returncode:
        complaint = " ".join(done.stderr.decode("utf-8", "replace").split())[-300:]
        raise RepositoryError(f"git failed: {complaint or 'no such repository or revision'}")
    return done.stdout


def _command(folder: Path, *arguments: str) -> list[str]:
    return ["git", *_options(), "-C", str(folder), *arguments]


def _options() -> list[str]:
    return [word for setting in _SAFE for word in ("-c", setting)]


def _local(folder: Path) -> dict[str, str]:
    """A folder inside somebody's repository is not that repository."""
    return {"GIT_CEILING_DIRECTORIES": str(folder.absolute().parent)}


def _environment() -> dict[str, str]:
    """Nothing of the user's Git configuration, no questions at the terminal, no network."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return inherited | {
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }


def _ask(requests: IO[bytes], answers: IO[bytes], id: str) -> bytes | None:
    """One exchange with `git cat-file --batch`: `<id> <type> <size>` and the bytes, or `<id> missing`."""
    try:
        requests.write(id.encode() + b"\n")
        requests.flush()
        header = answers.readline().split()
        if len(header) != 3 or header[1] != b"blob":
            return None
        size = int(header[2])
        content = answers.read(size + 1)
    except (BrokenPipeError, ValueError):
        return None
    return content[:size] if len(content) == size + 1 else None


def _iso_date(line: bytes) -> str:
    """`committer A U Thor <a@b> 1700000000 +0100` -> 2023-11-14T23:13:20+01:00."""
    try:
        seconds, zone = line.split()[-2:]
        minutes = int(zone[-4:-2]) * 60 + int(zone[-2:])
        offset = timezone(timedelta(minutes=-minutes if zone.startswith(b"-") else minutes))
        return datetime.fromtimestamp(int(seconds), UTC).astimezone(offset).isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise RepositoryError(f"a commit has no usable date ({error}); the repository is damaged") from None


def _checked(revision: str) -> str:
    """Neither an option nor a mapping of references."""
    if not re.fullmatch(r"\w[\w./@^~+\-]*", revision):
        raise RepositoryError(f"{revision!r} is no revision; expected a branch, a tag or a commit id")
    return revision


def is_url(repository: str) -> bool:
    """Whether it names something to fetch and not a folder."""
    return "://" in repository or (":" in repository.split("/")[0] and not Path(repository).exists())
