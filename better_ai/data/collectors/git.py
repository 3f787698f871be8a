"""Git repositories: every file of one revision, with the commit, the licence evidence and the reasons of refusals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from better_ai.config.data.sources import GitSource
from better_ai.data.collectors.collector import Part
from better_ai.data.collectors.evidence import (
    MAX_EVIDENCE_BYTES,
    Evidence,
    find_licenses,
    pack_licenses,
    speaks_of_license,
    unpack_licenses,
)
from better_ai.data.collectors.files import cut, pack_path, unpack_path
from better_ai.data.collectors.removals import Removals, without_login
from better_ai.data.collectors.repository import Blob, Repository, RepositoryError, fetch, is_url
from better_ai.data.collectors.rows import Origin, Unreadable, collect_files
from better_ai.data.collectors.selection import Selection
from better_ai.data.collectors.source_file import source_document
from better_ai.data.schema import document_id
from better_ai.data.step import Stepped, document_batch, rejected_batch
from better_ai.errors import UserError

SUBMODULE, SYMBOLIC_LINK = "160000", "120000"


@dataclass(frozen=True)
class GitCollector:
    """The files of repositories. One that cannot be had is tried again when its part is read; the others go on."""

    config: GitSource

    def parts(self) -> list[Part]:
        if not self.config.repositories:
            raise UserError("a source of type git names no repositories; list folders or URLs in `repositories`")
        removals = Removals.load(self.config.removal_requests)
        parts: list[Part] = []
        for number in range(len(self.config.repositories)):
            try:
                payloads = self._payloads(number, removals)
            except RepositoryError:
                payloads = [{"number": number, "later": True}]
            parts += [
                Part(f"repository-{number:05d}-{run:05d}", payload, state=removals.identity)
                for run, payload in enumerate(payloads)
            ]
        return parts

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        """Raises RepositoryError for a repository that could not be had when the parts were listed and still cannot."""
        removals = Removals.load(self.config.removal_requests)
        payloads = self._payloads(part.payload["number"], removals) if part.payload.get("later") else [part.payload]
        for payload in payloads:
            yield from self._read(payload, removals, max_document_bytes)

    def _read(self, payload: Mapping[str, Any], removals: Removals, max_document_bytes: int) -> Iterator[Stepped]:
        name = self.config.repositories[payload["number"]]
        if "removed" in payload:
            removed = Unreadable(payload["removed"]).reject(without_login(name))
            yield Stepped(document_batch([]), rejected_batch([removed]))
            return
        licenses = unpack_licenses(payload["licenses"])
        origin = Origin(
            without_login(name), "unknown", None, revision=payload["commit"], fetched_at=payload["committed_at"]
        )
        files = {unpack_path(path): (id, size, refusal) for path, id, size, refusal in payload["files"]}
        readable = [id for id, size, refusal in files.values() if refusal is None and size <= max_document_bytes]
        contents = self._open(name).contents(readable)

        def read(path: str) -> Sequence[Mapping[str, Any]]:
            id, size, refusal = files[path]
            if refusal is not None:
                raise Unreadable(refusal)
            if size > max_document_bytes:
                raise Unreadable(f"{size} bytes, more than {max_document_bytes}")
            raw = next(contents, None)
            if raw is None:
                raise Unreadable(f"Git has no readable object {id}")
            documents = source_document(raw, path, selection=self._selection, licenses=licenses, origin=origin, blob=id)
            if reason := removals.of_file(name, path, document_id(raw), *(document["id"] for document in documents)):
                raise Unreadable(reason, raw)
            return documents

        yield from collect_files(list(files), read, origin)

    @property
    def _selection(self) -> Selection:
        return Selection(frozenset(self.config.languages), frozenset(self.config.exclude))

    def _open(self, repository: str) -> Repository:
        if not is_url(repository):
            return Repository(Path(repository).expanduser())
        return fetch(
            repository,
            self.config.revision,
            Path(self.config.clones).expanduser(),
            timeout_s=self.config.timeout_s,
            attempts=self.config.attempts,
        )

    def _payloads(self, number: int, removals: Removals) -> list[dict[str, Any]]:
        """What the parts of one repository carry. Raises RepositoryError that names it."""
        name = self.config.repositories[number]
        try:
            if reason := removals.of_repository(name):
                return [{"number": number, "removed": reason}]
            repository = self._open(name)
            commit, committed_at = repository.commit("collected" if is_url(name) else self.config.revision)
            if reason := removals.of_repository(name, commit):
                return [{"number": number, "removed": reason}]
            blobs = repository.blobs(commit)
            licenses = _licenses(repository, blobs)
            wanted = [blob for blob in blobs if self._selection.lists(blob.path)]
            attributes = repository.attributes(commit, [blob.path for blob in wanted])
        except RepositoryError as error:
            raise RepositoryError(f"{without_login(name)}: {str(error).replace(name, without_login(name))}") from None
        files = [(blob, self._refusal(name, blob, attributes.get(blob.path, {}), removals)) for blob in wanted]
        return [
            {
                "number": number,
                "commit": commit,
                "committed_at": committed_at,
                "licenses": pack_licenses([blob.path for blob, _ in run], licenses),
                "files": [[pack_path(blob.path), blob.id, blob.num_bytes, refusal] for blob, refusal in run],
            }
            for run in cut(files, lambda file: 0 if file[1] else file[0].num_bytes)
        ]

    def _refusal(self, name: str, blob: Blob, attributes: Mapping[str, str], removals: Removals) -> str | None:
        """Why a file is turned away unread, if it is: by its kind, its name, its attributes or its owner's wish."""
        exclude = self._selection.exclude
        if blob.mode == SUBMODULE:
            return "a submodule, which is not followed"
        if blob.mode == SYMBOLIC_LINK:
            return "a symbolic link, which is not followed"
        if reason := removals.of_file(name, blob.path, blob.id):
            return reason
        if "vendored" in exclude and attributes.get("linguist-vendored") in ("set", "true"):
            return "vendored, by .gitattributes"
        if "generated" in exclude and attributes.get("linguist-generated") in ("set", "true"):
            return "generated, by .gitattributes"
        if attributes.get("binary") == "set" or attributes.get("text") == "unset":
            return "binary, by .gitattributes"
        return self._selection.refuse_path(blob.path)


def _licenses(repository: Repository, blobs: Sequence[Blob]) -> dict[str, Evidence]:
    """What the licence files and package metadata of a revision say, folder by folder."""
    speaking = [blob for blob in blobs if speaks_of_license(blob.path) and blob.num_bytes <= MAX_EVIDENCE_BYTES]
    speaking = [blob for blob in speaking if blob.mode not in (SUBMODULE, SYMBOLIC_LINK)]
    contents = repository.contents([blob.id for blob in speaking])
    return find_licenses((blob.path, raw) for blob, raw in zip(speaking, contents, strict=True) if raw is not None)
