"""Documents with planted copies, the truth about them by brute force, and runs of the search for duplicates."""

import argparse
import ast
import inspect
import json
import json.decoder
import random
import re
import textwrap
import tokenize
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.config.data import DeduplicationConfig
from better_ai.data.deduplicate import REMOVED_FILE, REMOVED_SCHEMA, deduplicate
from better_ai.data.engine import Phases, ShardResult
from better_ai.data.schema import DOCUMENT_SCHEMA, document_id
from better_ai.data.tables import write_parquet

THRESHOLD, NGRAM = 0.7, 5

Document = dict[str, Any]


def document(
    text: str, source: str, *, score: float | None = 0.5, language: str = "python", **metadata: Any
) -> Document:
    return {
        "id": document_id(text.encode()),
        "content": text,
        "language": language,
        "source": source,
        "license": "MIT",
        "quality_score": score,
        "metadata": json.dumps(metadata, sort_keys=True),
    }


def documents(texts: Sequence[str], scores: Sequence[float] | None = None) -> list[Document]:
    """Their sources are their numbers."""
    return [document(text, f"{n:05}", score=scores[n] if scores else 0.5) for n, text in enumerate(texts)]


def write_shards(rows: Sequence[Document], folder: Path, count: int = 1) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths, step = [], max(1, -(-len(rows) // count))
    for shard in range(count):
        batch = pa.RecordBatch.from_pylist(list(rows[shard * step : (shard + 1) * step]), DOCUMENT_SCHEMA)
        paths.append(folder / f"{shard}.parquet")
        write_parquet([batch], DOCUMENT_SCHEMA, paths[-1])
    return paths


@dataclass
class Found:
    """What a run says, by the sources of the documents."""

    kept: list[str]
    reasons: dict[str, tuple[str, str]]
    """Source -> step and reason of what goes."""
    results: list[ShardResult]
    shards: list[Path]


def names(paths: Sequence[Path]) -> list[str]:
    """Identities of shards that do not change."""
    return [path.name for path in paths]


def find(
    rows: Sequence[Document], folder: Path, shards: int = 1, phases: Phases | None = None, **settings: Any
) -> Found:
    paths = write_shards(rows, folder / "shards", shards)
    config = DeduplicationConfig(**settings)
    results = deduplicate(paths, config, phases or Phases(folder / "phases"), identities=names(paths))
    kept, reasons = [], {}
    for path, result in zip(paths, results, strict=True):
        sources = pq.read_table(path, columns=["source"]).column("source").to_pylist()
        removed = pq.read_table(result.folder / REMOVED_FILE, schema=REMOVED_SCHEMA).to_pylist()
        assert [row["row"] for row in removed] == sorted({row["row"] for row in removed})
        reasons |= {sources[row["row"]]: (row["step"], row["reason"]) for row in removed}
        kept += [source for source in sources if source not in reasons]
        counts = {name: count for name, count in result.counts.items() if name != "documents"}
        assert sum(counts.values()) == len(removed) and result.counts["documents"] == len(sources)
    return Found(kept, reasons, results, paths)


def code_tokens(text: str) -> list[str]:
    return re.findall(r"[A-Za-z0-9_\x80-\U0010ffff]+|[^\sA-Za-z0-9_\x80-\U0010ffff]", text)


def shingles(text: str, ngram: int = NGRAM) -> set[tuple[str, ...]]:
    tokens = code_tokens(text)
    return {tuple(tokens[start : start + ngram]) for start in range(len(tokens) - ngram + 1)}


def similarity(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


def similar_pairs(texts: Sequence[str], threshold: float = THRESHOLD) -> dict[tuple[int, int], float]:
    """All pairs, the lower number first, that reach the threshold: each set is compared with each that shares any
    shingle."""
    sets = [shingles(text) for text in texts]
    owners: dict[tuple[str, ...], list[int]] = {}
    found = {}
    for number, grams in enumerate(sets):
        others = {other for gram in grams for other in owners.get(gram, ())}
        for other in others:
            value = similarity(sets[other], grams)
            if value >= threshold:
                found[other, number] = value
        for gram in grams:
            owners.setdefault(gram, []).append(number)
    return found


def edited(text: str, share: float, seed: int) -> str:
    """A copy with some of the words replaced."""
    draw = random.Random(seed)
    return re.sub(r"\w+", lambda word: f"{word[0]}x{draw.randrange(9)}" if draw.random() < share else word[0], text)


def functions(count: int) -> list[str]:
    """Functions and methods of the standard library that are longer than 200 characters."""
    found: list[str] = []
    for module in (ast, inspect, json.decoder, tokenize, textwrap, random, argparse, typing):
        lines = inspect.getsource(module).splitlines(keepends=True)
        nodes = [node for node in ast.walk(ast.parse("".join(lines))) if isinstance(node, ast.FunctionDef)]
        found += [textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])) for node in nodes]
    return [text for text in found if len(text) > 200][:count]


def planted(originals: int, seed: int = 0) -> list[str]:
    """Functions, each with copies that are changed more and more, in a shuffled order."""
    texts = [
        edited(source, share, number)
        for number, source in enumerate(functions(originals))
        for share in (0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.2)
    ]
    random.Random(seed).shuffle(texts)
    return texts
