"""Forks: repositories most of whose files are in another one, which stays.

A repository is the set of digests of its documents; the `origin` in their metadata names it. Repositories are looked
at from the one to keep first (those of earlier builds, then best mean quality in steps of 0.01, then oldest, then most
files), and one goes if enough of its files are in one that stays; so forks of forks are measured against what is left.
Files that very many repositories have, such as empty ones and licences, say nothing.

Files are compared whole: a copy in which every file was changed is no fork here, but its documents are
near-duplicates. The state of the decision grows with the number of repositories that share files, not of documents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from better_ai.data.deduplicate.ranking import Ranked
from better_ai.data.deduplicate.store import load_array

REPOSITORIES = np.dtype(
    [
        ("origin", np.uint64),
        ("files", np.int64),
        ("documents", np.int64),
        ("quality", np.int64),
        ("date", np.int64),
        ("first", np.int64),
    ]
)
"""Distinct files that say something, documents, sum of their quality in millionths, earliest date, lowest rank."""

OVERLAPS = np.dtype([("a", np.uint64), ("b", np.uint64), ("files", np.int64)])
"""Two origins, a < b, and how many files they share."""

FORKS = np.dtype([("origin", np.uint64), ("kept", np.int64), ("share", np.float64)])
"""A repository that goes, the lowest rank of the one it is in, and the share of its files there; by origin."""


@dataclass(frozen=True)
class OverlapTask:
    """Range of digests -> `repositories.npy` and `overlaps.npy` of the files in it."""

    ranked: Ranked
    common_files: int

    def __call__(self, limits: tuple[int, int], out: Path) -> Mapping[str, Any]:
        digests, found = self._records(limits)
        order = np.lexsort((found["origin"], digests[:, 1], digests[:, 0]))
        digests, found = digests[order], found[order]
        new_file = np.ones(len(found), bool)
        new_file[1:] = (digests[1:] != digests[:-1]).any(1)
        new_owner = new_file.copy()
        new_owner[1:] |= found["origin"][1:] != found["origin"][:-1]
        files = np.cumsum(new_file) - 1
        owners = np.bincount(files[new_owner], minlength=int(new_file.sum()))
        telling = new_owner & (owners[files] <= self.common_files)
        found["files"] = telling
        np.save(out / "repositories.npy", merge_repositories(found))
        np.save(out / "overlaps.npy", _overlaps(files[telling], found["origin"][telling], self.common_files))
        return {"documents": len(found)}

    def _records(self, limits: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Digests, and one entry per document that has an origin."""
        digests, records = [np.zeros((0, 2), np.uint64)], [np.zeros(0, REPOSITORIES)]
        for keys, ranks, rows, number in self.ranked.slices("digest", *limits):
            piece = self.ranked.pieces[number]
            part = np.zeros(len(rows), REPOSITORIES)
            part["origin"], part["first"], part["documents"] = piece.array("origins")[rows], ranks, 1
            part["quality"] = np.rint(piece.column("quality")[rows] * 1e6)
            part["date"] = piece.column("date")[rows]
            owned = part["origin"] != 0
            digests.append(keys[owned])
            records.append(part[owned])
        return np.concatenate(digests), np.concatenate(records)


@dataclass(frozen=True)
class ForkTask:
    """Folders of OverlapTask -> `forks.npy`."""

    threshold: float
    first_new: int

    def __call__(self, folders: Sequence[Path], out: Path) -> Mapping[str, Any]:
        parts = [load_array(folder / "repositories.npy") for folder in folders]
        repositories = merge_repositories(np.concatenate(parts))
        overlaps = _merge_overlaps(np.concatenate([load_array(folder / "overlaps.npy") for folder in folders]))
        forks = find_forks(repositories, overlaps, self.threshold, self.first_new)
        np.save(out / "forks.npy", forks)
        return {"repositories": len(repositories), "forks": len(forks)}


@dataclass(frozen=True)
class ForkRowsTask:
    """Number of a new shard -> `rows.npy`, its rows in forks, `forks.npy`, the fork of each, and `pairs.npy`."""

    ranked: Ranked
    forks: Path

    def __call__(self, shard: int, out: Path) -> Mapping[str, Any]:
        piece = len(self.ranked.earlier) + shard
        origins, forks = self.ranked.pieces[piece].array("origins"), load_array(self.forks / "forks.npy")
        rows = np.flatnonzero(np.isin(origins, forks["origin"]))
        chosen = forks[np.searchsorted(forks["origin"], origins[rows])]
        np.save(out / "rows.npy", rows)
        np.save(out / "forks.npy", chosen)
        np.save(out / "pairs.npy", np.stack([self.ranked.ranks(piece, rows), chosen["kept"]], axis=1))
        return {"documents": len(rows)}


def find_forks(repositories: np.ndarray, overlaps: np.ndarray, threshold: float, first_new: int) -> np.ndarray:
    """FORKS among REPOSITORIES (ascending origins), given their OVERLAPS."""
    neighbours: dict[int, list[tuple[int, int]]] = {}
    for a, b, files in overlaps.tolist():
        neighbours.setdefault(a, []).append((b, files))
        neighbours.setdefault(b, []).append((a, files))
    new = repositories["first"] >= first_new
    quality = np.rint(repositories["quality"] / np.maximum(repositories["documents"], 1) / 1e4)
    order = np.lexsort((repositories["first"], -repositories["files"], repositories["date"], -quality, new))
    first = dict(zip(repositories["origin"].tolist(), repositories["first"].tolist(), strict=True))
    kept: set[int] = set()
    forks = []
    for origin, files, is_new in zip(
        repositories["origin"][order].tolist(), repositories["files"][order].tolist(), new[order].tolist(), strict=True
    ):
        shared = [(count / files, -first[other]) for other, count in neighbours.get(origin, ()) if other in kept]
        share, minus_first = max(shared, default=(0.0, 0))
        if is_new and share >= threshold:
            forks.append((origin, -minus_first, share))
        else:
            kept.add(origin)
    return np.array(sorted(forks), FORKS)


def merge_repositories(records: np.ndarray) -> np.ndarray:
    """One entry per origin, ascending."""
    records = records[np.argsort(records["origin"], kind="stable")]
    if not len(records):
        return records
    starts = np.flatnonzero(np.append(True, records["origin"][1:] != records["origin"][:-1]))
    merged = records[starts]
    for name in ("files", "documents", "quality"):
        merged[name] = np.add.reduceat(records[name], starts)
    for name in ("date", "first"):
        merged[name] = np.minimum.reduceat(records[name], starts)
    return merged


def _overlaps(files: np.ndarray, origins: np.ndarray, common_files: int) -> np.ndarray:
    """OVERLAPS of (file, origin), ascending; no file has more than `common_files` origins."""
    pairs = [np.zeros(0, OVERLAPS)]
    for distance in range(1, common_files):
        same = np.flatnonzero(files[distance:] == files[:-distance])
        if not len(same):
            break
        part = np.ones(len(same), OVERLAPS)
        part["a"], part["b"] = origins[same], origins[same + distance]
        pairs.append(part)
    return _merge_overlaps(np.concatenate(pairs))


def _merge_overlaps(overlaps: np.ndarray) -> np.ndarray:
    """One entry per pair of origins, ascending."""
    overlaps = overlaps[np.lexsort((overlaps["b"], overlaps["a"]))]
    if not len(overlaps):
        return overlaps
    new = np.append(True, (overlaps["a"][1:] != overlaps["a"][:-1]) | (overlaps["b"][1:] != overlaps["b"][:-1]))
    starts = np.flatnonzero(new)
    merged = overlaps[starts]
    merged["files"] = np.add.reduceat(overlaps["files"], starts)
    return merged
