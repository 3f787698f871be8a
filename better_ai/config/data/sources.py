"""Sources on this machine."""

from typing import Literal

from pydantic import PositiveInt

from better_ai.config.schema import Config

Exclusion = Literal["vendored", "generated", "minified", "secrets"]
"""vendored: other people's code kept in the tree. generated: written by a program. minified: written for machines.
secrets: key and credential files. Binary files and Git LFS pointers never become documents."""

EXCLUSIONS: tuple[Exclusion, ...] = ("vendored", "generated", "minified", "secrets")

Format = Literal["html", "markdown", "restructuredtext", "roff", "docstrings", "text"]


class StdlibSource(Config):
    """The Python standard library of the running interpreter."""

    type: Literal["stdlib"] = "stdlib"
    include_tests: bool = False


class FolderSource(Config):
    """Files below a folder."""

    type: Literal["folder"] = "folder"
    path: str
    license: str = "unknown"
    """SPDX expression that the owner of all files declares; "detect": what the licence files in the folder say."""
    languages: tuple[str, ...] = ("python",)
    """Only files of these are looked at. Empty: every file is, and those of no known language are turned away."""
    exclude: tuple[Exclusion, ...] = EXCLUSIONS


class GitSource(Config):
    """Every file of one revision of Git repositories; a repository that cannot be had is a rejected row."""

    without_bearing = ("clones", "timeout_s", "attempts")

    type: Literal["git"] = "git"
    repositories: tuple[str, ...]
    """Folders (bare or not) or URLs."""
    revision: str = "HEAD"
    """Branch, tag or commit id."""
    languages: tuple[str, ...] = ()
    """Only files of these are looked at. Empty: every file is, and those of no known language are turned away."""
    exclude: tuple[Exclusion, ...] = EXCLUSIONS
    removal_requests: str | None = None
    """File of what owners asked to leave out, one per line: `owner/name`, a URL, `repository:path` or a document id.
    It is read when a build begins; what was asked for later is a takedown."""
    clones: str = "~/.cache/better-ai/git"
    """Folder where repositories of URLs are kept, one revision each, as they were when first fetched. All workers
    must see it."""
    timeout_s: PositiveInt = 600
    """Longest time for one fetch."""
    attempts: PositiveInt = 4
    """How often a fetch is tried, with growing pauses."""


class DistributionsSource(Config):
    """Installed Python distributions, each under the licence its own metadata names."""

    type: Literal["distributions"] = "distributions"
    names: tuple[str, ...] = ()
    """Empty: all, except this package and those installed in place."""
    languages: tuple[str, ...] = ("python", "cython", "c", "c++", "cuda")
    exclude: tuple[Exclusion, ...] = EXCLUSIONS


class DocumentationSource(Config):
    """Documentation below a folder as text, with code in fences."""

    type: Literal["documentation"] = "documentation"
    path: str
    license: str = "unknown"
    """SPDX expression that the owner of all files declares; "detect": what the licence files in the folder say."""
    formats: tuple[Format, ...] = ("html", "markdown", "restructuredtext", "roff", "text")
    """docstrings: of Python modules, classes and functions, each a document."""


class BooksSource(Config):
    """Books and papers as plain text or Markdown, cut at chapters."""

    type: Literal["books"] = "books"
    path: str
    license: str = "unknown"
    """SPDX expression that the owner of all files declares; "detect": what the licence files in the folder say."""
    max_book_bytes: PositiveInt = 16_000_000
    """Larger books are turned away unread; chapters are cut to `max_document_bytes`."""


class ArchiveSource(Config):
    """Files in zip or tar archives, read without unpacking them to disk."""

    type: Literal["archive"] = "archive"
    paths: tuple[str, ...]
    license: str = "unknown"
    """SPDX expression that the owner of all files declares; "detect": what the licence files in the archive say."""
    languages: tuple[str, ...] = ()
    """Only files of these are looked at. Empty: every file is, and those of no known language are turned away."""
    exclude: tuple[Exclusion, ...] = EXCLUSIONS
    max_bytes: PositiveInt = 4_000_000_000
    """An archive is read up to this many unpacked bytes."""
