"""Requests of owners to leave their work out, honoured by every build that is given the file."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from better_ai.artifacts import content_id
from better_ai.errors import UserError

_SSH = re.compile(r"^(?:[\w.\-]+@)?([\w.\-]+):(?!//)(.+)$")


@dataclass(frozen=True)
class Removals:
    """Entries of a file of requests, one per line; `#` starts a comment.

    An entry is `owner/name`, a URL or folder of a repository, one of these with `:path` of a file or folder in it, or
    the id of a document, blob or commit in hex. Names are compared without regard to case, scheme, `.git` and login.
    """

    entries: dict[str, str]
    """Normalised entry -> as it was written, with its line."""

    @property
    def identity(self) -> str:
        """Digest of the entries."""
        return content_id(self.entries)

    @classmethod
    def load(cls, path: str | None) -> "Removals":
        """Raises UserError when the file cannot be read."""
        if path is None:
            return cls({})
        try:
            lines = Path(path).expanduser().read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"cannot read the removal requests in {path} ({error}); correct `removal_requests`"
            ) from None
        words = ((number, line.split("#", 1)[0].strip()) for number, line in enumerate(lines, 1))
        return cls({_entry(word): f"{word}, line {number}" for number, word in words if word})

    def of_repository(self, repository: str, commit: str = "") -> str | None:
        """Why a repository is left out, if it is."""
        return self._reason(*_names(repository), commit)

    def of_file(self, repository: str, path: str, *ids: str) -> str | None:
        """Why a file is left out, if it is."""
        folders = path.split("/")
        places = ["/".join(folders[:end]) for end in range(1, len(folders) + 1)]
        return self._reason(*(f"{name}:{place}" for name in _names(repository) for place in places), *ids)

    def _reason(self, *keys: str) -> str | None:
        found = next((self.entries[key] for key in keys if key and key in self.entries), None)
        return None if found is None else f"its removal was requested ({found})"


def without_login(url: str) -> str:
    """A URL without the user name and password it may carry."""
    parts = urlsplit(url) if "://" in url else None
    if parts is None or "@" not in parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _names(repository: str) -> list[str]:
    """The names under which a repository may be asked for: as it is, host/owner/name, owner/name."""
    whole = _entry(repository)
    folders = whole.split("/")
    return [whole, "/".join(folders[-2:])]


def _entry(word: str) -> str:
    """The normal form of an entry; a path after the colon keeps its case."""
    word = without_login(word).removesuffix("/")
    repository, colon, path = _split(word)
    repository = re.sub(r"^\w+://", "", repository).lower().removesuffix(".git").strip("/")
    return f"{repository}{colon}{path.strip('/')}"


def _split(word: str) -> tuple[str, str, str]:
    """Repository, colon and path in it; the colon of `git@host:owner/name` and of a scheme or port is none of these."""
    scheme, separator, rest = word.rpartition("://")
    if not separator and (match := _SSH.match(word)) and "@" in word:
        rest = f"{match[1]}/{match[2]}"
    head, colon, path = rest.partition(":")
    if separator and path[:1].isdigit() and "/" in path:
        port, slash, behind = path.partition("/")
        inner, colon, path = behind.partition(":")
        head = f"{head}:{port}{slash}{inner}"
    return f"{scheme}{separator}{head}", colon, path
