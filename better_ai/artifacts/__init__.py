"""Artifacts: run folders, manifests, hashes, lineage and atomic writes."""

from better_ai.artifacts.atomic import atomic_folder, atomic_write, link_or_copy, read_json, write_json
from better_ai.artifacts.digest import content_id, sha256_file
from better_ai.artifacts.lineage import LineageNode, descendants, lineage
from better_ai.artifacts.manifest import MANIFEST, FileRecord, Manifest
from better_ai.artifacts.stage import StageFolder, run_lock

__all__ = [
    "MANIFEST",
    "FileRecord",
    "LineageNode",
    "Manifest",
    "StageFolder",
    "atomic_folder",
    "atomic_write",
    "content_id",
    "descendants",
    "lineage",
    "link_or_copy",
    "read_json",
    "run_lock",
    "sha256_file",
    "write_json",
]
