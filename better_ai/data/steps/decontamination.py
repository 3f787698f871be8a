"""The step that turns away documents which hold part of a benchmark.

A benchmark's texts and the documents are read as runs of lower-case words, so that neither layout nor punctuation
matters; a run of 13 words (GPT-3, arXiv:2005.14165, appendix C) of a problem or solution in a document is a hit. Texts
of fewer words are indexed whole; below five words a text says nothing and is left out. Every hit is compared word by
word: hashes only find the places. The reason names benchmark and item.

A word that no benchmark has ends every run, so most of a document is never hashed.

Left out: paraphrases, translations and renamed variables, which no n-gram sees.
"""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.artifacts import sha256_file
from better_ai.config.data import BenchmarkFile, DecontaminationConfig
from better_ai.data.step import Step, Stepped, reject_rows
from better_ai.errors import UserError

TAGS = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=True),
        pa.field("item", pa.string(), nullable=True),
        pa.field("hits", pa.int64()),
        pa.field("runs", pa.int64()),
    ]
)
"""The item a document holds most of (null: none), how many of its runs of words, and how many it has."""

MIN_WORDS = 5
MIN_TELLING_WORDS = 3
_WORD = re.compile(r"\w+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def decontamination(config: DecontaminationConfig) -> Step:
    """Raises UserError when a benchmark cannot be read or has no text in the fields named."""
    files = {benchmark.path: sha256_file(_path(benchmark)) for benchmark in config.benchmarks}

    def problem(benchmark: str | None, item: str | None, hits: int, runs: int) -> str | None:
        if benchmark is None or hits < min(config.min_hits, runs):
            return None
        return f"holds {hits} of {runs} runs of words of {benchmark} {item}"

    def judge(batch: pa.RecordBatch, tags: pa.RecordBatch) -> Stepped:
        return reject_rows(batch, "decontamination", [*map(problem, *(column.to_pylist() for column in tags.columns))])

    def tag(batch: pa.RecordBatch) -> pa.RecordBatch:
        index = _index(config.benchmarks, config.ngram_words)
        found = [index.find(text) for text in batch.column("content").to_pylist()]
        columns = [pa.array([row[number] for row in found], type) for number, type in enumerate(TAGS.types)]
        return pa.RecordBatch.from_arrays(columns, schema=TAGS)

    benchmarks = [benchmark.model_dump() for benchmark in config.benchmarks]
    return Step(
        "decontamination",
        judge,
        tag,
        TAGS,
        {"version": 1, "benchmarks": benchmarks, "files": files, "ngram_words": config.ngram_words},
    )


Found = tuple[str | None, str | None, int, int]
NOT_FOUND: Found = (None, None, 0, 0)


@dataclass
class NgramIndex:
    """The runs of words of all items."""

    length: int
    vocabulary: dict[str, int] = field(default_factory=dict)
    """Word -> number from 1; 0 is every other word."""
    items: list[tuple[str, str]] = field(default_factory=list)
    """Benchmark and item id."""
    runs_of: list[set[tuple[int, ...]]] = field(default_factory=list)
    """The runs of each item, as numbers of words."""
    holders: dict[tuple[int, ...], list[int]] = field(default_factory=dict)
    """Run -> the items that have it."""
    hashes: dict[int, np.ndarray] = field(default_factory=dict)
    """Length of a run -> the sorted hashes of those of that length."""

    def add(self, benchmark: str, item: str, texts: list[str]) -> None:
        """Index the texts of an item; those below five words, and runs of mere numbers, are left out."""
        runs: set[tuple[int, ...]] = set()
        for text in texts:
            words = _words(text)
            numbers = [self.vocabulary.setdefault(word, len(self.vocabulary) + 1) for word in words]
            length = min(self.length, len(numbers))
            if length >= MIN_WORDS:
                runs |= {
                    tuple(numbers[start : start + length])
                    for start in range(len(numbers) - length + 1)
                    if _says_something(words[start : start + length])
                }
        if runs:
            for run in runs:
                self.holders.setdefault(run, []).append(len(self.items))
            self.items.append((benchmark, item))
            self.runs_of.append(runs)

    def finish(self) -> None:
        """Hash what was added."""
        for length in sorted({len(run) for run in self.holders}):
            runs = np.array([run for run in self.holders if len(run) == length], dtype=np.uint64)
            self.hashes[length] = np.unique(_hash_runs(runs.T))

    def find(self, text: str) -> Found:
        """The item most of which a text holds: first one that it holds whole, then the one with most hits."""
        known = self.vocabulary.get
        numbers = np.array([known(word, 0) for word in _words(text)], dtype=np.uint64)
        hits: dict[int, set[tuple[int, ...]]] = {}
        for length, hashes in self.hashes.items():
            for run in _hits(numbers, length, hashes):
                for item in self.holders.get(run, ()):
                    hits.setdefault(item, set()).add(run)
        if not hits:
            return NOT_FOUND
        best = max(hits, key=lambda item: (len(hits[item]) == len(self.runs_of[item]), len(hits[item]), -item))
        return (*self.items[best], len(hits[best]), len(self.runs_of[best]))


def _says_something(run: list[str]) -> bool:
    """Not just numbers and single letters, which data of all kinds shares: "1, 2, 3, ..."."""
    return len({word for word in run if len(word) > 1 and not word.isdigit()}) >= MIN_TELLING_WORDS


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _hits(numbers: np.ndarray, length: int, hashes: np.ndarray) -> Iterator[tuple[int, ...]]:
    """The runs of known words whose hash is in the index."""
    if len(numbers) < length:
        return
    unknown = np.concatenate([[0], np.cumsum(numbers == 0)])
    starts = np.flatnonzero(unknown[length:] == unknown[:-length])
    if not len(starts):
        return
    found = _hash_runs(np.stack([numbers[starts + offset] for offset in range(length)]))
    places = np.minimum(np.searchsorted(hashes, found), len(hashes) - 1)
    for start in starts[hashes[places] == found]:
        yield tuple(numbers[start : start + length].tolist())


def _hash_runs(numbers: np.ndarray) -> np.ndarray:
    """One 64-bit hash for each column."""
    hashed = np.zeros(numbers.shape[1], dtype=np.uint64)
    for row in numbers:
        hashed = (hashed ^ row) * _MULTIPLIER
        hashed ^= hashed >> np.uint64(29)
    return hashed


@lru_cache(maxsize=4)
def _index(benchmarks: tuple[BenchmarkFile, ...], ngram_words: int) -> NgramIndex:
    index = NgramIndex(ngram_words)
    for benchmark in benchmarks:
        for number, record in enumerate(_records(benchmark)):
            present = sorted(record) if isinstance(record, dict) else []
            missing = [name for name in (benchmark.id_field, *benchmark.fields) if name not in present]
            if missing:
                has = ", ".join(present) or "none"
                raise UserError(f"{benchmark.path}: record {number} has no field {missing[0]!r}; its fields: {has}")
            texts = [text for name in benchmark.fields for text in _texts(record[name])]
            index.add(benchmark.name, str(record[benchmark.id_field]), texts)
    if not index.items:
        raise UserError("the benchmarks hold no text in the fields named; correct `fields`")
    index.finish()
    return index


def _path(benchmark: BenchmarkFile) -> Path:
    path = Path(benchmark.path).expanduser()
    if not path.is_file():
        raise UserError(f"{path}, the file of the benchmark {benchmark.name}, does not exist; correct its path")
    return path


def _records(benchmark: BenchmarkFile) -> Iterator[Any]:
    path = _path(benchmark)
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    yield from batch.to_pylist()
            return
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield json.loads(line)
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        raise UserError(
            f"{path} cannot be read as JSON lines or Parquet: {str(error).splitlines()[0]}; "
            "correct the path of the benchmark"
        ) from None


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []
