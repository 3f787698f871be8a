"""Under which licence the files of a tree stand, and what says so.

Licence files and package metadata speak for the folder they lie in and all below it, unless a deeper folder speaks for
itself; an SPDX tag in a file's head speaks for that file (REUSE specification 3.3). Several texts in one folder all
hold, joined by AND, unless package metadata names an expression that covers each of them.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from email.parser import BytesHeaderParser
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from better_ai.data.collectors.files import pack_path, unpack_path
from better_ai.data.collectors.rows import Unreadable
from better_ai.data.collectors.text import decode_text
from better_ai.data.licenses import UNKNOWN_LICENSE, ExpressionError, detect_license, license_of_name, parse_expression

MAX_EVIDENCE_BYTES = 300_000
"""Larger licence files and package metadata are not looked at."""

_LICENSE_FILE = re.compile(
    r"^(un)?licen[sc]es?([-._ ].*)?$|^copying([-._ ].*)?$|^mit[-_]licen[sc]e(\..*)?$", re.IGNORECASE
)
_CODE_NAME = re.compile(r"\.(py|js|ts|go|rs|c|h|cpp|java|rb|sh|json|ya?ml)$", re.IGNORECASE)
_METADATA_FILES = {"package.json", "composer.json", "pyproject.toml", "cargo.toml", "pkg-info", "metadata"}
_TAG = re.compile(rb"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-() ]{1,200}?)[ \t]*(?:\*/|-->|\"|'|\r?\n|$)")
TAG_HEAD_BYTES = 3000


class Evidence(NamedTuple):
    """A licence expression, or "unknown", and what says so: one line for each file that was looked at."""

    license: str
    evidence: tuple[str, ...]


NONE_FOUND = Evidence(UNKNOWN_LICENSE, ("no licence file or package metadata was found",))


def speaks_of_license(path: str) -> bool:
    """Whether a file of this name says under which licence its folder stands."""
    return PurePosixPath(path).name.lower() in _METADATA_FILES or is_license_text(PurePosixPath(path))


def is_license_text(path: PurePosixPath) -> bool:
    """LICENSE, COPYING.LESSER, LICENSES/MIT.txt and their like."""
    if path.parent.name == "LICENSES" and path.suffix == ".txt":
        return True
    return _LICENSE_FILE.match(path.name) is not None and not _CODE_NAME.search(path.name)


def as_configured(license: str) -> dict[str, Evidence]:
    """What the configuration says of everything in a source, in the form of `find_licenses`."""
    return {".": Evidence(license, (f"declared as {license} in the configuration",))}


def find_licenses(files: Iterable[tuple[str, bytes]]) -> dict[str, Evidence]:
    """What each folder says; `files`: paths and contents of those that speak of a licence, in order."""
    texts: dict[str, list[tuple[str, str]]] = {}
    declared: dict[str, list[tuple[str, str]]] = {}
    for path, content in files:
        folder = PurePosixPath(path).parent.as_posix()
        folder = PurePosixPath(folder).parent.as_posix() if PurePosixPath(folder).name == "LICENSES" else folder
        if PurePosixPath(path).name.lower() in _METADATA_FILES:
            if name := declared_license(path, content):
                declared.setdefault(folder, []).append((path, name))
        else:
            texts.setdefault(folder, []).append((path, license_of_text(content)))
    return {
        folder: judge_evidence(texts.get(folder, []), declared.get(folder, []))
        for folder in sorted({*texts, *declared})
    }


def judge_evidence(texts: list[tuple[str, str]], declared: list[tuple[str, str]]) -> Evidence:
    """One verdict from licence texts and declarations, both as (where, SPDX expression or "unknown")."""
    evidence = (
        *(f"{where} declares {license}" for where, license in declared),
        *(f"{where} reads as {license}" for where, license in texts),
    )
    names = sorted({license for _, license in declared} - {UNKNOWN_LICENSE})
    covered = {word for name in names for word in re.split(r"[()\s]+", name)}
    found = sorted({license for _, license in texts} - {UNKNOWN_LICENSE})
    beyond = [license for license in found if not set(re.split(r"[()\s]+", license)) <= covered]
    if names:
        return Evidence(_all_of([*names, *beyond]), evidence)
    if not found or UNKNOWN_LICENSE in {license for _, license in texts}:
        return Evidence(UNKNOWN_LICENSE, evidence)
    return Evidence(_all_of(found), evidence)


def nearest(path: str, folders: Mapping[str, Evidence]) -> Evidence:
    """What the deepest folder above a file says that says anything."""
    for folder in PurePosixPath(path).parents:
        if folder.as_posix() in folders:
            return folders[folder.as_posix()]
    return NONE_FOUND


def pack_licenses(paths: Iterable[str], folders: Mapping[str, Evidence]) -> dict[str, Any]:
    """As plain JSON, the entries of `folders` that can matter for the paths."""
    parents = {parent.as_posix() for path in paths for parent in PurePosixPath(path).parents}
    return {pack_path(name): [said.license, list(said.evidence)] for name, said in folders.items() if name in parents}


def unpack_licenses(packed: Mapping[str, Any]) -> dict[str, Evidence]:
    """The inverse of `pack_licenses`."""
    return {unpack_path(name): Evidence(license, tuple(said)) for name, (license, said) in packed.items()}


def tagged_license(content: bytes) -> Evidence | None:
    """What the SPDX tags in the head of a file say."""
    tags = [tag.decode().strip() for tag in _TAG.findall(content[:TAG_HEAD_BYTES])]
    names = sorted(set(filter(None, tags)))
    return Evidence(_all_of(names), tuple(f"SPDX-License-Identifier: {name}" for name in names)) if names else None


def declared_license(path: str, content: bytes) -> str | None:
    """The SPDX expression that package metadata names, "unknown" if it names something else, None if nothing."""
    name = PurePosixPath(path).name.lower()
    try:
        if name.endswith(".json"):
            values = _of_json(json.loads(content))
        elif name.endswith(".toml"):
            values = _of_toml(tomllib.loads(content.decode()))
        else:
            headers = BytesHeaderParser().parsebytes(content)
            values = headers.get_all("License-Expression") or headers.get_all("License") or []
    except (ValueError, RecursionError, TypeError, AttributeError):
        return None
    names = sorted({spdx_of(str(value)) for value in values if value and str(value).strip()})
    return _all_of(names) if names and UNKNOWN_LICENSE not in names else UNKNOWN_LICENSE if names else None


def license_of_text(content: bytes) -> str:
    """What a licence file reads as, "unknown" where it is no text."""
    try:
        return detect_license(decode_text(content)[0]).spdx
    except Unreadable:
        return UNKNOWN_LICENSE


def spdx_of(field: str) -> str:
    """The expression that a field such as `Apache-2.0 OR MIT` or `BSD 3-Clause License` means, or "unknown"."""
    try:
        if re.search(r" (AND|OR|WITH) ", field):
            return str(parse_expression(field))
    except ExpressionError:
        pass
    return license_of_name(field[:100_000]).spdx


def _of_json(package: Any) -> list[Any]:
    named = package.get("license") or package.get("licenses") or []
    several = named if isinstance(named, list) else [named]
    return [each.get("type") if isinstance(each, dict) else each for each in several]


def _of_toml(package: Any) -> list[Any]:
    tables = (package.get("project", {}), package.get("package", {}), package.get("tool", {}).get("poetry", {}))
    named = [table.get("license") for table in tables]
    return [each.get("text") if isinstance(each, dict) else each for each in named]


def _all_of(names: list[str]) -> str:
    return names[0] if len(names) == 1 else " AND ".join(f"({name})" if " " in name else name for name in names)
