"""A finished corpus: folders `train` and `validation` of `00000.parquet ...`, `rejected.parquet` and `corpus.json`."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from better_ai.artifacts import atomic_folder, link_or_copy
from better_ai.data.engine import ShardResult
from better_ai.data.schema import DOCUMENT_SCHEMA, DOCUMENTS_FILE
from better_ai.data.tables import read_batches
from better_ai.errors import ArtifactError, UserError

TRAIN, VALIDATION = "train", "validation"
SPLITS = (TRAIN, VALIDATION)


def corpus_files(folder: Path | str, split: str) -> list[Path]:
    """The files of a split, in order. Raises UserError for an unknown split, ArtifactError when there are none."""
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; the splits are {', '.join(SPLITS)}")
    files = sorted(Path(folder, split).glob("[0-9]*.parquet"))
    if not files:
        raise ArtifactError(f"{Path(folder, split)} holds no documents; build the data again")
    return files


def read_corpus(folder: Path | str, split: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The documents of a split, in order, some megabytes at a time. Raises as `corpus_files` does."""
    for path in corpus_files(folder, split):
        yield from read_batches(path, DOCUMENT_SCHEMA, columns)


def corpus_texts(folder: Path | str, split: str) -> Iterator[str]:
    """The contents of a split's documents, in order. Raises as `corpus_files` does."""
    for batch in read_corpus(folder, split, ["content"]):
        yield from batch.column("content").to_pylist()


def clear_leftovers(folder: Path) -> None:
    """Remove what a killed process has begun to write into a corpus folder."""
    for leftover in folder.glob(".*.tmp"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def publish(results: Sequence[ShardResult], folder: Path) -> None:
    """Show written shards as the numbered files of a split, and nothing else in its folder.

    They are links to the work folder's files where the file system can, so they take no room; a tool that changes one
    puts another file in its place. Raises ArtifactError when the folder cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with atomic_folder(folder) as building:
        for number, result in enumerate(results):
            link_or_copy(result.folder / DOCUMENTS_FILE, building / f"{number:05d}.parquet")
