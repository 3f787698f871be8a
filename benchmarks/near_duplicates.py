"""Near-duplicate removal against datatrove and text-dedup: the same documents, tokens and parameters, in one run.

    python benchmarks/near_duplicates.py --work DIR --datatrove PYTHON --text-dedup PYTHON

PYTHON is an interpreter that has the peer (by default the running one); each wants an environment of its own:

    pip install datatrove==0.10.1 tokenizers 'xxhash<4' regex spacy pyarrow
    pip install text-dedup==0.4.0

Documents: files and functions of the standard library and of this interpreter's packages, and edited copies of some
(seeded). Every one is written as its code tokens, separated by single spaces, so that all tools see equal tokens; 5
tokens a shingle, 128 permutations, 16 bands of 8. `datatrove as shipped` keeps its own normalisation and words.
Each tool runs alone in a process, on one worker. The truth is the exact Jaccard similarity of all pairs at 0.7 or more.

CPU s     of the process and its children, after its imports
recall    share of the true pairs of which not both documents stay
twin      share of the removed documents that are similar (J >= 0.7) to one that stays
left      documents that stay although another one that stays resembles them (J >= 0.8)
MB        peak of the processes' memory above its start
"""

import argparse
import ast
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PERMUTATIONS, BANDS, ROWS, NGRAM, THRESHOLD, SHARDS = 128, 16, 8, 5, 0.7, 4
TOKEN = re.compile(r"\w+|[^\w\s]")
FILES, FUNCTIONS, COPIES = 7000, 21000, 12000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the corpus and the results")
    parser.add_argument("--datatrove", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--text-dedup", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--share", type=float, default=1.0, help="of the 40,000 documents; smaller for a trial")
    parser.add_argument("--only", nargs="*", help="run these tools alone")
    parser.add_argument("--tool", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tool:
        print(json.dumps(measured(TOOLS[options.tool], options.work)))
        return
    corpus = options.work / f"corpus-{options.share:g}"
    if not (corpus / "truth.npy").exists():
        build_corpus(corpus, options.share)
        find_truth(corpus)
    pythons = {"datatrove": options.datatrove, "text-dedup": options.text_dedup}
    report(
        corpus, {name: pythons.get(name.split(" ")[0], sys.executable) for name in TOOLS}, options.only or list(TOOLS)
    )


def report(corpus: Path, pythons: dict[str, str], names: list[str]) -> None:
    """Run the tools and print a table."""
    widths = {"CPU s": 8, "ratio": 7, "recall .7": 11, "recall .8": 11, "removed": 9, "twin": 8, "left": 6, "MB": 6}
    print(" " * 28 + "".join(f"{column:>{width}}" for column, width in widths.items()))
    first = None
    for name in names:
        result = run_apart(name, pythons[name], corpus)
        first = first or result["cpu_s"]
        cells = [f"{result['cpu_s']:.2f}", f"{result['cpu_s'] / first:.1f}", *score(set(result["kept"]), corpus)]
        cells.append(f"{result['mb']:.0f}")
        row = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths.values(), strict=True))
        print(f"{name:28}{row}", flush=True)


# The tools: each takes the corpus and returns the numbers of the documents it keeps.


def ours(corpus: Path, bands: int) -> list[int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from better_ai.config.data import DeduplicationConfig
    from better_ai.data.deduplicate import REMOVED_FILE, deduplicate
    from better_ai.data.engine import Phases

    pa.array([0])  # pyarrow imports pandas, where there is one, with its first array
    start_clock()
    out = fresh(corpus / "ours")
    shards = sorted(corpus.glob("documents-*.parquet"))
    config = DeduplicationConfig(permutations=PERMUTATIONS, bands=bands, ngram=NGRAM, threshold=THRESHOLD)
    results = deduplicate(shards, config, Phases(out), identities=[str(path) for path in shards])
    kept = []
    for shard, result in zip(shards, results, strict=True):
        removed = set(pq.read_table(result.folder / REMOVED_FILE).column("row").to_pylist())
        sources = pq.read_table(shard, columns=["source"]).column("source").to_pylist()
        kept += [int(source) for row, source in enumerate(sources) if row not in removed]
    return kept


def datatrove(corpus: Path, as_shipped: bool) -> list[int]:
    import pyarrow.parquet as pq
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.text import TextNormConfig
    from datatrove.utils.word_tokenizers import WordTokenizer
    from loguru import logger

    class SpaceTokenizer(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    logger.remove()
    start_clock()
    out = fresh(corpus / "datatrove")
    config = MinhashConfig(
        n_grams=NGRAM,
        num_buckets=BANDS,
        hashes_per_bucket=ROWS,
        hash_config=HashConfig(precision=64),
        norm_config=TextNormConfig() if as_shipped else TextNormConfig(False, False, False, False, False),
    )

    def run(stage: str, tasks: int, *steps: object) -> None:
        logs = str(out / "logs" / stage)
        LocalPipelineExecutor(pipeline=list(steps), tasks=tasks, workers=1, logging_dir=logs).run()

    def read() -> ParquetReader:
        return ParquetReader(str(corpus), glob_pattern="tokens-*.parquet", batch_size=256)

    signatures, buckets, remove, written = (str(out / name) for name in ("signatures", "buckets", "remove", "kept"))
    language = "eng" if as_shipped else SpaceTokenizer()
    run("1", SHARDS, read(), MinhashDedupSignature(output_folder=signatures, config=config, language=language))
    run("2", BANDS, MinhashDedupBuckets(input_folder=signatures, output_folder=buckets, config=config))
    run("3", 1, MinhashDedupCluster(input_folder=buckets, output_folder=remove, config=config))
    run("4", SHARDS, read(), MinhashDedupFilter(input_folder=remove), ParquetWriter(written, compression="zstd"))
    return [
        int(id)
        for file in out.glob("kept/**/*.parquet")
        for id in pq.read_table(file, columns=["id"])["id"].to_pylist()
    ]


def text_dedup(corpus: Path) -> list[int]:
    out = fresh(corpus / "text-dedup")
    os.environ |= {"HF_DATASETS_OFFLINE": "1", "HF_HOME": str(out / "home"), "HF_DATASETS_CACHE": str(out / "cache")}
    import text_dedup.minhash as program
    from datasets import load_from_disk

    program.NON_ALPHA = re.compile(r"\s+")
    start_clock()
    arguments = {
        "path": "parquet", "data_files": str(corpus / "tokens.parquet"), "split": "train", "column": "text",
        "cache_dir": str(out / "cache"), "output": str(out / "kept"), "ngram": NGRAM, "num_perm": PERMUTATIONS,
        "b": BANDS, "r": ROWS, "threshold": THRESHOLD, "hash_func": "xxh3", "num_proc": 1, "batch_size": 1000,
    }  # fmt: skip
    command = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    program.main(command, standalone_mode=False)
    return [int(id) for id in load_from_disk(str(out / "kept"))["id"]]


TOOLS: dict[str, Callable[[Path], list[int]]] = {
    "better-ai 16 x 8": lambda corpus: ours(corpus, BANDS),
    "better-ai 32 x 4 (default)": lambda corpus: ours(corpus, 32),
    "datatrove same tokens": lambda corpus: datatrove(corpus, False),
    "text-dedup same tokens": text_dedup,
    "datatrove as shipped": lambda corpus: datatrove(corpus, True),
}


# Measuring


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def start_clock() -> None:
    """What a tool calls after its imports."""
    global started
    started = cpu_seconds()
    print("started", flush=True)


started = 0.0


def measured(tool: Callable[[Path], list[int]], corpus: Path) -> dict[str, Any]:
    kept = tool(corpus)
    return {"kept": kept, "cpu_s": cpu_seconds() - started}


def run_apart(name: str, python: str, corpus: Path) -> dict[str, Any]:
    """Run a tool in a process of its own; adds the peak of its memory above its start, in MB."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [python, str(Path(__file__).resolve()), "--tool", name, "--work", str(corpus)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout
        for line in process.stdout:
            if line.strip() == b"started":
                break
        first, peak = memory_mb(process.pid), [0.0]
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.1):
                peak[0] = max(peak[0], memory_mb(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        output = process.stdout.read().decode()
        stop.set()
        watcher.join()
    if process.returncode:
        sys.exit(f"{name} failed; to see why: {' '.join(command)!r}")
    return {**json.loads(output.strip().splitlines()[-1]), "mb": peak[0] - first}


def memory_mb(pid: int) -> float:
    """Proportional set size of a process and all below it."""
    import psutil

    try:
        process = psutil.Process(pid)
        return sum(member.memory_full_info().pss for member in [process, *process.children(recursive=True)]) / 1e6
    except psutil.Error:
        return 0.0


def score(kept: set[int], corpus: Path) -> list[str]:
    """Recall at 0.7 and at 0.8, removed, twin and left, as in the table."""
    import numpy as np

    truth = np.load(corpus / "truth.npy")
    a, b, similarity = truth["a"], truth["b"], truth["similarity"]
    stays = np.zeros(int((corpus / "documents").read_text()), bool)
    stays[list(kept)] = True
    both = stays[a] & stays[b]
    best = np.zeros(len(stays))
    for gone, other in ((a, b), (b, a)):
        justified = ~stays[gone] & stays[other]
        np.maximum.at(best, gone[justified], similarity[justified])
    return [
        f"{1 - both.mean():.4f}",
        f"{1 - both[similarity >= 0.8].mean():.4f}",
        str((~stays).sum()),
        f"{(best[~stays] >= THRESHOLD).mean():.4f}",
        str(len(np.unique(b[both & (similarity >= 0.8)]))),
    ]


# The corpus and the truth


def build_corpus(corpus: Path, share: float) -> None:
    """Write the documents as `documents-N.parquet` (for us), `tokens-N.parquet` and `tokens.parquet` (for peers)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from better_ai.data.schema import DOCUMENT_SCHEMA, document_id
    from better_ai.data.tables import write_parquet

    draw = random.Random(20)
    texts = list(python_files())
    draw.shuffle(texts)
    documents = [text for text in texts if 400 <= len(text) <= 40_000][: int(FILES * share)]
    functions = [function for text in texts[::-1] if len(text) < 100_000 for function in long_functions(text)]
    documents += draw.sample(functions, min(len(functions), int(FUNCTIONS * share)))
    edits = edit_kinds(draw)
    originals = draw.sample(documents, min(len(documents), int(COPIES * share)))
    documents += [edits[number % len(edits)](text) for number, text in enumerate(originals)]
    draw.shuffle(documents)
    tokens = [" ".join(TOKEN.findall(text)) for text in documents]
    fresh(corpus)
    numbers = [str(number) for number in range(len(tokens))]
    table = pa.table({"id": numbers, "text": tokens})
    pq.write_table(table, corpus / "tokens.parquet", compression="zstd")
    step = -(-len(tokens) // SHARDS)
    for shard in range(SHARDS):
        chosen = table.slice(shard * step, step)
        pq.write_table(chosen, corpus / f"tokens-{shard}.parquet", compression="zstd")
        constant = {"language": "python", "license": "unknown", "quality_score": 0.5, "metadata": "{}"}
        rows = [
            {"id": document_id(row["text"].encode()), "content": row["text"], "source": row["id"].zfill(6), **constant}
            for row in chosen.to_pylist()
        ]
        batch = pa.RecordBatch.from_pylist(rows, DOCUMENT_SCHEMA)
        write_parquet([batch], DOCUMENT_SCHEMA, corpus / f"documents-{shard}.parquet")
    (corpus / "documents").write_text(str(len(tokens)))
    print(f"{len(tokens)} documents, {sum(map(len, tokens)) / 1e6:.1f} MB of tokens")


def python_files() -> Iterator[str]:
    paths = sysconfig.get_paths()
    for root in (Path(paths["stdlib"]), Path(paths["purelib"])):
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(
                set(folders) - {"__pycache__", *(["site-packages"] if root.name != "site-packages" else [])}
            )
            for name in sorted(names):
                path = Path(folder, name)
                if name.endswith(".py") and not path.is_symlink():
                    try:
                        yield path.read_text("utf-8")
                    except (OSError, UnicodeDecodeError):
                        continue


def long_functions(text: str) -> list[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    lines = text.splitlines(keepends=True)
    return [
        "".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 7
    ]


def edit_kinds(draw: random.Random) -> list[Callable[[str], str]]:
    """Ways in which copies differ from what they are copies of."""

    def rename(text: str, names: int) -> str:
        words = sorted(set(re.findall(r"\b[a-z_][a-z_0-9]{3,}\b", text)))
        chosen = {word: f"{word}_{draw.randrange(100)}" for word in draw.sample(words, min(names, len(words)))}
        return re.sub(r"\b\w+\b", lambda word: chosen.get(word[0], word[0]), text)

    def replace_words(text: str, share: float) -> str:
        return re.sub(r"\w+", lambda word: f"other{draw.randrange(99)}" if draw.random() < share else word[0], text)

    def delete_lines(text: str, share: float) -> str:
        return "".join(line for line in text.splitlines(keepends=True) if draw.random() >= share) or text

    def insert_comments(text: str, count: int) -> str:
        lines = text.splitlines(keepends=True)
        for _ in range(count):
            lines.insert(draw.randrange(len(lines) + 1), f"    # look again at {draw.randrange(10**6)} some day\n")
        return "".join(lines)

    def licence(text: str) -> str:
        year = draw.randrange(1999, 2026)
        return (
            f"# Copyright {year} The Authors. All rights reserved.\n# Use of this source code is governed by a "
            f"BSD-style licence that can be found in the file LICENSE at the root of the tree.\n{text}"
        )

    return [
        lambda text: text,
        lambda text: text.replace("    ", "\t"),
        licence,
        *(lambda text, n=n: rename(text, n) for n in (1, 3, 8)),
        *(lambda text, share=share: replace_words(text, share) for share in (0.01, 0.03, 0.06)),
        *(lambda text, share=share: delete_lines(text, share) for share in (0.05, 0.15)),
        *(lambda text, n=n: insert_comments(text, n) for n in (3, 10)),
    ]


def find_truth(corpus: Path) -> None:
    """Write all pairs whose sets of 5-grams have a Jaccard similarity of at least 0.7: `truth.npy`.

    Prefix filter (Chaudhuri 2006): such a pair shares one of the rarest 30 % of each document's shingles; the
    candidates are compared in full.
    """
    import duckdb
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import xxhash

    texts = pq.read_table(corpus / "tokens.parquet", columns=["text"])["text"].to_pylist()
    sets = []
    for text in texts:
        words = text.split()
        grams = {
            xxhash.xxh3_64_intdigest(" ".join(words[at : at + NGRAM]).encode()) for at in range(len(words) - NGRAM + 1)
        }
        sets.append(np.sort(np.fromiter(grams, np.uint64, len(grams))))
    sizes = np.array([len(grams) for grams in sets])
    _, inverse, counts = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    documents, grams = [], []
    for number, ids in enumerate(np.split(inverse, np.cumsum(sizes)[:-1])):
        prefix = len(ids) - int(np.ceil(THRESHOLD * len(ids) - 1e-9)) + 1
        rare = ids[np.lexsort((ids, counts[ids]))][:prefix]
        rare = rare[counts[rare] > 1]
        documents.append(np.full(len(rare), number))
        grams.append(rare)
    prefixes = pa.table({"document": np.concatenate(documents), "gram": np.concatenate(grams)})
    lengths = pa.table({"document": np.arange(len(sizes)), "size": sizes})
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1; SET memory_limit = '4GB'")
        connection.register("prefixes", prefixes)
        connection.register("lengths", lengths)
        connection.execute("CREATE TABLE p AS SELECT document, gram, size FROM prefixes JOIN lengths USING (document)")
        pairs = connection.execute(
            "SELECT DISTINCT l.document a, r.document b FROM p l JOIN p r "
            "ON l.gram = r.gram AND l.document < r.document "
            f"WHERE least(l.size, r.size) >= {THRESHOLD} * greatest(l.size, r.size)"
        ).fetchnumpy()
    found = []
    for a, b in zip(pairs["a"].tolist(), pairs["b"].tolist(), strict=True):
        both = np.concatenate([sets[a], sets[b]])
        both.sort()
        shared = int(np.count_nonzero(both[1:] == both[:-1]))
        if shared >= THRESHOLD * (len(both) - shared):
            found.append((a, b, shared / (len(both) - shared)))
    found.sort()
    np.save(corpus / "truth.npy", np.array(found, [("a", np.int64), ("b", np.int64), ("similarity", np.float64)]))
    print(f"{len(found)} pairs at J >= {THRESHOLD}, of {len(pairs['a'])} candidates")


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main()
