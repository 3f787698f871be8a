"""Memory and CPU time of the search for duplicates on a corpus and on one four times as large.

    python benchmarks/deduplication_memory.py --work DIR [--documents 40000]

Each corpus is generated shard by shard (seeded; words of a Zipf-like vocabulary; every fifth document an edited copy
of an earlier one) and searched in a process of its own, in partitions that are small enough for the larger corpus to
need several. What should come out: CPU seconds in proportion to the documents, the peak of memory the same. The column
`mapped` is the peak of file pages mapped into the process: the system keeps them while memory is free, and takes them
back when it is not.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import threading
from pathlib import Path
from shutil import rmtree

from process_tree import memory_mb

SHARD_DOCUMENTS, PARTITION_ROWS = 5000, 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        print(json.dumps(search(options.search)))
        return
    columns = ("documents", "MB of text", "removed", "CPU s", "us/doc", "peak MB", "mapped", "disk MB")
    print("".join(f"{column:>12}" for column in columns))
    for times in (1, 4):
        folder = options.work / str(times * options.documents)
        size = generate(folder, times * options.documents)
        result = run_apart(folder)
        documents, cpu = times * options.documents, result["cpu_s"]
        cells = [documents, f"{size / 1e6:.1f}", result["removed"], f"{cpu:.2f}", f"{cpu / documents * 1e6:.1f}"]
        cells += [f"{result[name]:.0f}" for name in ("mb", "mapped_mb", "disk_mb")]
        print("".join(f"{cell:>12}" for cell in cells), flush=True)


def search(folder: Path) -> dict[str, float]:
    """Find the duplicates; a line is printed when the imports are done."""
    import pyarrow as pa

    from better_ai.config.data import DeduplicationConfig
    from better_ai.data.deduplicate import deduplicate
    from better_ai.data.engine import Phases

    pa.array([0])  # pyarrow imports pandas, where there is one, with its first array
    print("started", flush=True)
    start = resource.getrusage(resource.RUSAGE_SELF)
    phases = Phases(folder / "phases")
    config = DeduplicationConfig(partition_rows=PARTITION_ROWS)
    shards = sorted(folder.glob("*.parquet"))
    results = deduplicate(shards, config, phases, identities=[path.name for path in shards])
    end = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "removed": sum(result.counts["exact_duplicates"] + result.counts["near_duplicates"] for result in results),
        "cpu_s": end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime,
        "disk_mb": sum(path.stat().st_size for path in phases.root.rglob("*") if path.is_file()) / 1e6,
    }


def run_apart(folder: Path) -> dict[str, float]:
    """Search in a process of its own; adds the peaks of its memory above its start, in MB: `mb` its own, `mapped_mb`
    that of files."""
    rmtree(folder / "phases", ignore_errors=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, __file__, "--work", str(folder), "--search", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        process.stdout.readline()
        first, peaks, stop = memory_mb(process.pid), [0.0, 0.0], threading.Event()

        def watch() -> None:
            while not stop.wait(0.02):
                peaks[:] = map(max, peaks, memory_mb(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        output = process.stdout.read()
        stop.set()
        watcher.join()
    if process.returncode:
        sys.exit(f"the search failed: {' '.join(command)}")
    return {**json.loads(output), "mb": peaks[0] - first[0], "mapped_mb": peaks[1] - first[1]}


def generate(folder: Path, count: int) -> int:
    """Write the corpus, unless it is there; how many bytes of text it has."""
    import pyarrow as pa

    from better_ai.data.schema import DOCUMENT_SCHEMA, document_id
    from better_ai.data.tables import write_parquet

    sizes = folder / "bytes.json"
    if sizes.exists():
        return json.loads(sizes.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for shard in range(-(-count // SHARD_DOCUMENTS)):
        rows = []
        for number in range(shard * SHARD_DOCUMENTS, min(count, (shard + 1) * SHARD_DOCUMENTS)):
            text = text_of(number)
            total += len(text)
            source = f"generated:{number:09}"
            constant = {"language": "text", "license": "unknown", "quality_score": None, "metadata": "{}"}
            rows.append({"id": document_id(text.encode()), "content": text, "source": source, **constant})
        path = folder / f"{shard:05}.parquet"
        write_parquet([pa.RecordBatch.from_pylist(rows, DOCUMENT_SCHEMA)], DOCUMENT_SCHEMA, path)
    sizes.write_text(json.dumps(total))
    return total


def text_of(number: int) -> str:
    """Every fifth document is a copy of an earlier one with 2 % of its words replaced."""
    draw = random.Random(number)
    if number % 5 or not number:
        return " ".join(f"w{int(draw.paretovariate(0.6)) % 50_000}" for _ in range(draw.randrange(100, 900)))
    words = text_of(max(1, draw.randrange(number) // 5 * 5 + 1)).split()
    return " ".join(word if draw.random() > 0.02 else f"edit{draw.randrange(10**6)}" for word in words)


if __name__ == "__main__":
    main()
