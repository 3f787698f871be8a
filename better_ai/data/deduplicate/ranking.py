"""One global order of all documents, from the one to keep first to the last, without holding them.

Every shard knows its own order. Splitters drawn from the shards cut all of them into ranges; each range is sorted
alone, and a document's rank is its place in its range plus the sizes of the ranges before. From then on a document is
its rank: a lower one wins, and `rank` is dense, so that one bit per document is enough to say what stays.

Documents of earlier builds come first, in the order of their indexes.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from better_ai.data.deduplicate.store import KEEP_ORDER, KeepKey, Signatures, load_array
from better_ai.data.engine import Phases, ShardResult

_SAMPLES = 64


@dataclass(frozen=True)
class Ranked:
    """The documents of earlier builds and of this one, by rank. Picklable; files are mapped where they are used."""

    earlier: tuple[Path, ...]
    """Signature folders of kept documents of earlier builds; their ranks ascend with folder and row."""
    new: tuple[Path, ...]
    """Signature folders of the shards of this build."""
    rank_folders: tuple[Path, ...]
    """Per new shard, where `ranks.npy` lies."""
    place_folders: tuple[Path, ...]
    """Per range of ranks, where `places.npy` (shard and row by rank) lies."""
    earlier_starts: tuple[int, ...]
    """First rank of each earlier folder, then of the new documents."""
    range_starts: tuple[int, ...]
    """First rank of each range of new documents, then the number of all documents."""

    @property
    def documents(self) -> int:
        return self.range_starts[-1]

    @property
    def first_new(self) -> int:
        return self.earlier_starts[-1]

    @cached_property
    def pieces(self) -> list[Signatures]:
        """Earlier folders, then new ones."""
        return [Signatures(folder) for folder in (*self.earlier, *self.new)]

    def ranks(self, piece: int, rows: np.ndarray) -> np.ndarray:
        """The ranks of rows of a piece."""
        if piece < len(self.earlier):
            return rows + self.earlier_starts[piece]
        return load_array(self.rank_folders[piece - len(self.earlier)] / "ranks.npy")[rows]

    def places(self, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Piece and row of documents."""
        pieces, rows = np.empty(len(ranks), np.int64), np.empty(len(ranks), np.int64)
        old = ranks < self.first_new
        pieces[old] = np.searchsorted(self.earlier_starts, ranks[old], "right") - 1
        rows[old] = ranks[old] - np.asarray(self.earlier_starts)[pieces[old]]
        ranges = np.searchsorted(self.range_starts, ranks, "right") - 1
        for number in np.unique(ranges[~old]):
            chosen = ~old & (ranges == number)
            places = self._places[number][ranks[chosen] - self.range_starts[number]]
            pieces[chosen], rows[chosen] = places[:, 0] + len(self.earlier), places[:, 1]
        return pieces, rows

    def sources(self, ranks: np.ndarray) -> list[str]:
        """The sources of documents."""
        sources = [""] * len(ranks)
        pieces, rows = self.places(ranks)
        for number in np.unique(pieces).tolist():
            chosen = np.flatnonzero(pieces == number)
            found = self.pieces[number].documents.column("source").take(pa.array(rows[chosen]))
            for place, source in zip(chosen.tolist(), found.to_pylist(), strict=True):
                sources[place] = source
        return sources

    def slices(self, kind: str, low: int, high: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, int]]:
        """Keys of a range, their ranks and rows, and the number of the piece, piece by piece."""
        for number, piece in enumerate(self.pieces):
            keys, rows = piece.slice(kind, low, high)
            if len(rows):
                yield keys, self.ranks(number, rows), rows, number

    @cached_property
    def _places(self) -> list[np.ndarray]:
        return [load_array(folder / "places.npy") for folder in self.place_folders]

    def __getstate__(self) -> dict[str, Any]:
        """Without what is mapped."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}


def rank(
    signatures: Sequence[ShardResult],
    earlier: Sequence[Path],
    phases: Phases,
    *,
    partition_rows: int,
    key: Mapping[str, Any],
) -> Ranked:
    """Rank all documents, those of `earlier` signature folders first."""
    new = tuple(result.folder for result in signatures)
    total = sum(result.counts["documents"] for result in signatures)
    splitters = _splitters([Signatures(folder) for folder in new], -(-total // partition_rows))
    items = list(pairwise([None, *splitters, None]))
    ranges = phases.run("rank_ranges", RangeTask(new), items, key={**key, "partition_rows": partition_rows})
    earlier_starts = [0]
    for folder in earlier:
        earlier_starts.append(earlier_starts[-1] + len(Signatures(folder)))
    starts = [earlier_starts[-1]]
    for result in ranges:
        starts.append(starts[-1] + result.counts["documents"])
    folders = tuple(result.folder for result in ranges)
    task = RankTask(folders, tuple(starts))
    sizes = [(number, result.counts["documents"]) for number, result in enumerate(signatures)]
    ranked = phases.run("ranks", task, sizes, key={**key, "first": starts[0], "partition_rows": partition_rows})
    rank_folders = tuple(result.folder for result in ranked)
    return Ranked(tuple(earlier), new, rank_folders, folders, tuple(earlier_starts), tuple(starts))


@dataclass(frozen=True)
class RangeTask:
    """(Lowest keep key or None, keep key above the highest or None) -> the documents between, in their order."""

    shards: tuple[Path, ...]

    def __call__(self, limits: tuple[KeepKey | None, KeepKey | None], out: Path) -> Mapping[str, Any]:
        tables, places = [], []
        for number, folder in enumerate(self.shards):
            signatures = Signatures(folder)
            order = signatures.order
            start, stop = 0, len(order)
            if limits[0] is not None:
                start = bisect_left(order, limits[0], key=signatures.keep_key)
            if limits[1] is not None:
                stop = bisect_left(order, limits[1], key=signatures.keep_key)
            rows = np.sort(order[start:stop])
            tables.append(signatures.documents.take(pa.array(rows)))
            places.append(np.stack([np.full(len(rows), number), rows], axis=1).astype(np.int64))
        table = pa.concat_tables(tables)
        order = pc.sort_indices(table, sort_keys=KEEP_ORDER).to_numpy()
        merged = np.concatenate(places)[order]
        np.save(out / "places.npy", merged)
        by_shard = np.argsort(merged[:, 0], kind="stable")
        np.save(out / "by_shard.npy", by_shard)
        np.save(out / "shard_starts.npy", np.searchsorted(merged[by_shard, 0], np.arange(len(self.shards) + 1)))
        return {"documents": len(merged)}


@dataclass(frozen=True)
class RankTask:
    """(Shard, its number of rows) -> `ranks.npy`, the rank of each row."""

    ranges: tuple[Path, ...]
    starts: tuple[int, ...]

    def __call__(self, item: tuple[int, int], out: Path) -> Mapping[str, Any]:
        shard, rows = item
        ranks = np.full(rows, -1, np.int64)
        for folder, first in zip(self.ranges, self.starts, strict=False):
            start, stop = load_array(folder / "shard_starts.npy")[shard : shard + 2].tolist()
            positions = load_array(folder / "by_shard.npy")[start:stop]
            ranks[load_array(folder / "places.npy")[positions, 1]] = positions + first
        assert (ranks >= 0).all(), "a document has no rank"
        np.save(out / "ranks.npy", ranks)
        return {"documents": rows}


def _splitters(shards: Sequence[Signatures], ranges: int) -> list[KeepKey]:
    """Keep keys that cut all documents into about equal ranges."""
    if ranges < 2:
        return []
    samples = []
    for shard in shards:
        places = np.linspace(0, len(shard) - 1, min(_SAMPLES * ranges, len(shard))).astype(int)
        samples += [(shard.keep_key(int(row)), len(shard) / len(places)) for row in shard.order[places]]
    samples.sort()
    weights = np.cumsum([weight for _, weight in samples])
    cuts = np.searchsorted(weights, weights[-1] * np.arange(1, ranges) / ranges)
    return sorted({samples[cut][0] for cut in cuts})
