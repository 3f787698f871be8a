"""The index of a build: what a later build needs to know of the documents that were kept.

    index.json          format, settings, number of documents, SHA-256 of every file
    00000/ 00001/ ...   per shard, the signature files (see `store.py`) of its kept rows

A later build names the folder in `against`: its documents are compared with these as with its own, and lose. Keys
ascend in every file, so a check against an index is a merge by ranges; nothing of it is loaded whole. Signatures made
with other settings do not compare and are refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.artifacts import atomic_folder, content_id, link_or_copy, read_json, write_json
from better_ai.config.data.deduplication import DeduplicationConfig
from better_ai.data.deduplicate.removal import REMOVED_FILE
from better_ai.data.deduplicate.signatures import signature_settings
from better_ai.data.deduplicate.store import Signatures, write_documents
from better_ai.data.engine import ShardResult
from better_ai.errors import ArtifactError, UserError

INDEX_FILE = "index.json"
INDEX_FOLDER = "index"
_COPIED_HASHES = 1 << 22


@dataclass(frozen=True)
class IndexTask:
    """(Signature folder, folder with the removed rows) -> the signature files of the rows that stay."""

    def __call__(self, item: tuple[Path, Path], out: Path) -> Mapping[str, Any]:
        signatures = Signatures(item[0])
        kept = np.ones(len(signatures), bool)
        kept[pq.read_table(item[1] / REMOVED_FILE, columns=["row"]).column("row").to_numpy()] = False
        write_documents(signatures.documents.filter(pa.array(kept)), out)
        np.save(out / "origins.npy", signatures.array("origins")[kept])
        new_rows = np.cumsum(kept) - 1
        for kind in ("digest", "band"):
            if (signatures.folder / f"{kind}_keys.npy").exists():
                rows = signatures.array(f"{kind}_rows")
                np.save(out / f"{kind}_keys.npy", signatures.array(f"{kind}_keys")[kept[rows]])
                np.save(out / f"{kind}_rows.npy", new_rows[rows[kept[rows]]].astype(np.uint32))
        if (signatures.folder / "sketches.npy").exists():
            np.save(out / "sketches.npy", signatures.sketches[kept])
            _copy_sets(signatures, kept, out)
        return {"documents": int(kept.sum())}


def write_index(parts: Sequence[ShardResult], config: DeduplicationConfig, out: Path) -> None:
    """Make the folder `out` of the outputs of IndexTask. Raises ArtifactError when it exists or cannot be written."""
    with atomic_folder(out) as building:
        files = {}
        for number, part in enumerate(parts):
            folder = building / f"{number:05d}"
            folder.mkdir()
            for name, digest in part.files.items():
                link_or_copy(part.folder / name, folder / name)
                files[f"{folder.name}/{name}"] = digest
        documents = sum(part.counts["documents"] for part in parts)
        record = {"settings": signature_settings(config), "documents": documents, "shards": len(parts), "files": files}
        write_json(building / INDEX_FILE, record)


def open_indexes(config: DeduplicationConfig) -> tuple[list[Path], list[str]]:
    """The signature folders of `config.against`, and the identity of each index.

    Raises UserError when an index was made with other settings, ArtifactError when one is missing or incomplete.
    """
    folders, identities = [], []
    for name in config.against:
        index = Path(name)
        record = read_json(index / INDEX_FILE)
        if not isinstance(record, dict) or not {"settings", "shards", "files"} <= set(record):
            raise ArtifactError(f"{index / INDEX_FILE} is not an index; build it again or leave it out of `against`")
        _check_settings(index, record["settings"], signature_settings(config))
        missing = [file for file in record["files"] if not (index / file).is_file()]
        if missing:
            raise ArtifactError(f"the index {index} lacks {missing[0]}; build it again or leave it out of `against`")
        folders += [index / f"{number:05d}" for number in range(record["shards"])]
        identities.append(content_id(record))
    return folders, identities


def _check_settings(index: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    different = [name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]
    if different:
        theirs = ", ".join(f"{name}: {found.get(name)}" for name in different)
        ours = ", ".join(f"{name}: {expected.get(name)}" for name in different)
        raise UserError(
            f"the index {index} was made with {theirs}; this build has {ours}; "
            f"use the settings of the index, or leave it out of `against`"
        )


def _copy_sets(signatures: Signatures, kept: np.ndarray, out: Path) -> None:
    """Write the shingle sets of kept rows, some at a time."""
    sets = signatures.shingles
    counts = np.diff(sets.bounds)
    bounds = np.zeros(int(kept.sum()) + 1, np.int64)
    np.cumsum(counts[kept], out=bounds[1:])
    np.save(out / "shingle_bounds.npy", bounds)
    with (out / "shingles.u32").open("wb") as file:
        for start in range(0, len(sets.hashes), _COPIED_HASHES):
            stop = min(start + _COPIED_HASHES, len(sets.hashes))
            first, last = np.searchsorted(sets.bounds, (start, stop - 1), "right")
            owners = np.arange(first - 1, last)
            spans = np.clip(sets.bounds[first - 1 : last + 1], start, stop)
            file.write(sets.hashes[start:stop][np.repeat(kept[owners], np.diff(spans))].data)
