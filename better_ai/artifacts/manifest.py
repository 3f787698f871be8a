"""The manifest of a finished stage: what it is, what it came from, and how to check it."""

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

import better_ai
from better_ai.artifacts.atomic import read_json, write_json
from better_ai.artifacts.digest import content_id, sha256_file
from better_ai.errors import ArtifactError

MANIFEST = "manifest.json"
PACKAGES = ("torch", "numpy", "pyarrow", "sentencepiece", "safetensors", "pydantic")


class FileRecord(BaseModel):
    """One file of an artifact. Products make up its identity; logs (timings, samples) do not."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sha256: str
    bytes: int
    product: bool


class Manifest(BaseModel):
    """Written last, so a folder that has one is finished."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: str
    key: str
    """Digest of what was asked for: kind, configuration, inputs and package version. Equal keys need no second run."""
    content_id: str
    """Digest of what came out: kind, inputs and the product files."""
    config: dict[str, Any]
    inputs: dict[str, str]
    """Content id of each input by name."""
    files: dict[str, FileRecord]
    metrics: dict[str, Any]
    seeds: dict[str, int]
    environment: dict[str, Any]
    created_at: str

    def write(self, folder: Path) -> None:
        write_json(folder / MANIFEST, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Raises ArtifactError when the folder has no manifest or a damaged one."""
        values = read_json(folder / MANIFEST)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise ArtifactError(
                f"{folder / MANIFEST} is not a manifest this version reads: {where}: {problem['msg']}; "
                "remove the folder to build it again"
            ) from None

    def verify(self, folder: Path, *, products_only: bool = False) -> None:
        """Re-hash the files. Raises ArtifactError naming the first that is missing or differs."""
        for name, record in self.files.items():
            if products_only and not record.product:
                continue
            path = folder / name
            if not path.is_file():
                raise ArtifactError(f"{path} is missing; remove {folder} and run again to build it anew")
            if path.stat().st_size != record.bytes or (found := sha256_file(path)) != record.sha256:
                found = found if path.stat().st_size == record.bytes else f"{path.stat().st_size} bytes"
                expected = record.sha256[:12] if path.stat().st_size == record.bytes else f"{record.bytes} bytes"
                raise ArtifactError(
                    f"{path} is damaged: expected {expected}, found {found[:12]}; remove {folder} and run again"
                )


def request_key(kind: str, config: dict[str, Any], inputs: dict[str, str], seeds: dict[str, int]) -> str:
    """What identifies a request for an artifact."""
    return content_id([kind, config, inputs, seeds, better_ai.__version__])


def artifact_id(kind: str, inputs: dict[str, str], files: dict[str, FileRecord]) -> str:
    """What identifies the artifact itself; equal for bit-identical products made from the same inputs."""
    return content_id([kind, inputs, {name: record.sha256 for name, record in files.items() if record.product}])


def environment() -> dict[str, Any]:
    """Versions and machine, as they bear on the result."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "better_ai": better_ai.__version__,
        "git_commit": _git_commit(),
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "system": platform.system(),
        "packages": versions,
    }


def _git_commit() -> str | None:
    """The commit of the checkout this package runs from, with `+changes` if it was edited; None outside one."""
    root = Path(better_ai.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=10)
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if commit.returncode:
        return None
    return commit.stdout.strip() + ("+changes" if changes.stdout.strip() else "")
