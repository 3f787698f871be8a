"""Installed Python distributions: the files their RECORD lists, under the licence their own metadata names."""

import json
import re
import site
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path, PurePosixPath

from better_ai.config.data.sources import DistributionsSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.evidence import (
    MAX_EVIDENCE_BYTES,
    NONE_FOUND,
    Evidence,
    is_license_text,
    judge_evidence,
    license_of_text,
    spdx_of,
)
from better_ai.data.collectors.files import Entry, entry_of, read_file, split_into_parts
from better_ai.data.collectors.rows import Origin, Unreadable
from better_ai.data.collectors.selection import Selection
from better_ai.data.collectors.tree import DETECT, licenses_below, read_tree, source_reader, with_licenses
from better_ai.data.licenses import UNKNOWN_LICENSE
from better_ai.data.step import Stepped
from better_ai.errors import UserError

OWN_NAME = "better-ai"
"""Its files are the working copy's, not the machine's corpus."""

MAX_FIELD_CHARACTERS = 200
"""A longer `License` field is a licence text."""


@dataclass(frozen=True)
class DistributionsCollector:
    """The source files of the distributions installed for this interpreter, distribution by distribution."""

    config: DistributionsSource

    def parts(self) -> list[Part]:
        chosen = {_normal(name) for name in self.config.names}
        found: dict[str, metadata.Distribution] = {}
        for distribution in _installed():
            name = _normal(distribution.metadata["Name"] or "")
            if name and name != OWN_NAME and (not chosen or name in chosen) and not _is_editable(distribution):
                found.setdefault(name, distribution)
        if missing := sorted(chosen - set(found)):
            raise UserError(f"not installed: {', '.join(missing)}; install them or correct `names` of the source")
        return [part for name in sorted(found) for part in self._parts(name, found[name])]

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        root, selection = Path(part.payload["root"]), self._selection
        origin = Origin(part.payload["name"], "unknown", None, revision=part.payload["version"])
        read = source_reader(root, part, selection, origin, max_document_bytes=max_document_bytes)
        return read_tree(part, read, origin)

    def _parts(self, name: str, distribution: metadata.Distribution) -> list[Part]:
        root = Path(str(distribution.locate_file("")))
        entries = _entries(distribution, root)
        licenses = licenses_below(root, entries, license=DETECT) | {".": _declared(distribution, root)}
        parts = split_into_parts(entry for entry in entries if self._selection.lists(entry.path))
        facts = {"name": f"pypi/{name}", "version": distribution.version, "root": str(root)}
        return [
            replace(part, name=f"{name}-{part.name}", payload={**facts, **part.payload})
            for part in with_licenses(parts, licenses)
        ]

    @property
    def _selection(self) -> Selection:
        return Selection(frozenset(self.config.languages), frozenset(self.config.exclude))


def _installed() -> Iterable[metadata.Distribution]:
    """The distributions in the folders for installed ones, in the order in which they hide each other.

    `sys.path` is no place to look: it differs from process to process, and in those of Ray it has a folder of copies.
    """
    users = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return metadata.distributions(path=[*users, *site.getsitepackages()])


def _entries(distribution: metadata.Distribution, root: Path) -> list[Entry]:
    """Files that RECORD lists within the folder of installed packages; not its scripts, which lie outside."""
    paths = {
        file.as_posix()
        for file in distribution.files or []
        if ".." not in file.parts
        and not file.is_absolute()
        and "__pycache__" not in file.parts
        and not file.parts[0].endswith((".dist-info", ".egg-info"))
    }
    return [entry_of(root, path) for path in sorted(paths)]


def _declared(distribution: metadata.Distribution, root: Path) -> Evidence:
    """What its metadata says: License-Expression (PEP 639) alone; else License, or the classifiers, and the texts."""
    about = distribution.metadata
    texts = [(file.name, license_of_text(raw)) for file, raw in _license_texts(distribution, root)]
    if expression := (about["License-Expression"] or "").strip():
        spdx = spdx_of(expression)
        said = judge_evidence(texts, [("License-Expression", spdx)]).evidence
        return Evidence(spdx, said)
    declared: list[tuple[str, str]] = []
    field = (about["License"] or "").strip()
    if field and field.upper() != "UNKNOWN":
        declared.append((f"License {field!r}" if len(field) <= MAX_FIELD_CHARACTERS else "License", spdx_of(field)))
    if not declared or declared[0][1] == UNKNOWN_LICENSE:
        lines = [line for line in about.get_all("Classifier") or [] if line.startswith("License ::")]
        names = [line.rpartition("::")[2].strip() for line in lines]
        declared += [(f"Classifier {name!r}", spdx_of(name)) for name in names if name != "OSI Approved"]
    return judge_evidence(texts, declared) if texts or declared else NONE_FOUND


def _license_texts(distribution: metadata.Distribution, root: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The licence files beside the metadata that can be read."""
    for file in sorted(distribution.files or []):
        if file.parts[0].endswith((".dist-info", ".egg-info")) and ".." not in file.parts and is_license_text(file):
            try:
                yield PurePosixPath(file), read_file(root / file, MAX_EVIDENCE_BYTES)
            except Unreadable:
                continue


def _is_editable(distribution: metadata.Distribution) -> bool:
    """Installed in place, by direct_url.json (PEP 610): a working copy and no release."""
    try:
        return bool(json.loads(distribution.read_text("direct_url.json") or "{}")["dir_info"]["editable"])
    except (KeyError, TypeError, ValueError, OSError):
        return False


def _normal(name: str) -> str:
    """The normal form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
