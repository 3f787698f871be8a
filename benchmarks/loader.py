"""Tokens per CPU second of the streaming loader, the time it takes to go on, and its memory, next to two peers.

Usage: python benchmarks/loader.py [--tokens 100_000_000] [--batches 400] [--rounds 3] [--json]

One data set of random uint16 tokens in documents of log-normal length (median 600) is written to a temporary folder and
read once, so that it lies in the page cache. Then processes of one thread draw batches of 16 rows of 2,048 tokens, in
turn:

* `rows`: `DatasetRows` in random order; tokens, targets, loss mask, positions and segments of every row, int64;
* `documents`: `WholeDocumentRows`, best-fit packing, the same arrays;
* `torch`: a `torch.utils.data.DataLoader` that shuffles a map-style data set over `numpy.memmap`, tokens and targets
  only, as int64: what hand-written pretraining scripts do;
* `datasets`: the same loader over Hugging Face `datasets` rows of 2,049 uint16 in torch format.

Time is CPU time of the process without imports. Memory is the growth of anonymous resident memory from after imports
to its largest value between batches: mapped files are shared with the page cache and are not counted. Going on is
opening the data, making the stream, loading a state from the middle of the epoch and drawing the first batch.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

BATCH, LENGTH, SHARDS, PAD = 16, 2048, 16, 0
SIDES = ("rows", "documents", "torch", "datasets")


def main() -> None:
    arguments = parse_arguments()
    if arguments.side:
        print(json.dumps(measure(arguments.side, Path(arguments.folder), arguments.batches)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), arguments.tokens)
        runs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for _ in range(arguments.rounds):
            for side, results in runs.items():
                warm(Path(folder))
                results.append(run_side(side, folder, arguments))
    report = {side: {key: median(results, key) for key in results[0]} for side, results in runs.items()}
    print(json.dumps(report) if arguments.json else describe(report, arguments))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=100_000_000)
    parser.add_argument("--batches", type=int, default=400, help="measured batches; the slow peer draws a tenth")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each side")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def write_data(folder: Path, tokens: int) -> None:
    """The same tokens as a data set of ours, as one flat file, and as an Arrow table of rows."""
    import datasets

    from better_ai.data.loading import write_dataset
    from better_ai.data.loading.shards import write_token_arrays

    generator = np.random.default_rng(0)
    parts = []
    for shard in range(SHARDS):
        size = tokens // SHARDS
        ids = generator.integers(1, 60_000, size, dtype=np.uint16)
        lengths = np.maximum(2, generator.lognormal(np.log(600), 1.2, size // 400)).astype(int)
        ends = np.cumsum(lengths)
        documents = np.split(ids, ends[ends < size])
        write_token_arrays(
            ((document, 4 * len(document)) for document in documents),
            folder / "ours" / f"{shard:03d}", dtype="uint16", tokenizer="random",
        )  # fmt: skip
        parts.append(ids)
    write_dataset(folder / "ours", [(folder / "ours" / f"{shard:03d}", None) for shard in range(SHARDS)])
    flat = np.concatenate(parts)
    flat.tofile(folder / "flat.bin")
    rows = flat[: len(flat) // (LENGTH + 1) * (LENGTH + 1)].reshape(-1, LENGTH + 1)
    features = datasets.Features({"ids": datasets.List(datasets.Value("uint16"), length=LENGTH + 1)})
    datasets.Dataset.from_dict({"ids": rows}, features=features).save_to_disk(str(folder / "rows"))


def warm(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            file.read_bytes()


def run_side(side: str, folder: str, arguments: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--side", side, "--folder", folder, "--batches", str(arguments.batches)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(side: str, folder: Path, batches: int) -> dict[str, float]:
    """In the child: draw and time."""
    import torch

    torch.set_num_threads(1)
    if side in ("torch", "datasets"):
        draw = peer(side, folder)
        return throughput(draw, batches // 10 if side == "datasets" else batches)
    return ours(side, folder, batches)


def ours(side: str, folder: Path, batches: int) -> dict[str, float]:
    from better_ai.data.loading import DatasetRows, ShuffledRows, StreamingLoader, TokenDataset, WholeDocumentRows
    from better_ai.training import PackedRowsSource

    def make() -> PackedRowsSource:
        data = TokenDataset.open(folder / "ours")
        if side == "rows":
            return PackedRowsSource(StreamingLoader(ShuffledRows(DatasetRows(data, LENGTH, PAD), seed=0), BATCH))
        return PackedRowsSource(StreamingLoader(WholeDocumentRows(data, LENGTH, PAD, seed=0), BATCH))

    source = make()
    state = source.state_dict()
    if side == "rows":
        state["position"] = state["identity"]["num_rows"] // 2
    else:
        documents = TokenDataset.open(folder / "ours").num_documents
        state["window"] = documents // state["identity"]["window_documents"] // 2
    text = json.dumps(state)
    wall, cpu = time.perf_counter(), time.process_time()
    again = make()
    again.load_state_dict(json.loads(text))
    again.next_step()
    going_on = {
        "going_on_wall_seconds": time.perf_counter() - wall,
        "going_on_cpu_seconds": time.process_time() - cpu,
        "state_bytes": float(len(text)),
    }
    return throughput(lambda: source.next_step()[0], batches) | going_on


def peer(side: str, folder: Path) -> Callable[[], Any]:
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Flat(Dataset):
        """Rows of a flat file."""

        def __init__(self) -> None:
            self.ids = np.memmap(folder / "flat.bin", np.uint16, "r")

        def __len__(self) -> int:
            return (len(self.ids) - 1) // LENGTH

        def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
            ids = torch.from_numpy(self.ids[row * LENGTH : row * LENGTH + LENGTH + 1].astype(np.int64))
            return ids[:-1], ids[1:]

    if side == "torch":
        rows: Any = Flat()
    else:
        import datasets

        rows = datasets.load_from_disk(str(folder / "rows")).with_format("torch")
    generator = torch.Generator().manual_seed(0)

    def endless() -> Iterator[Any]:
        while True:
            yield from DataLoader(rows, batch_size=BATCH, shuffle=True, generator=generator)

    batches = endless()
    return lambda: next(batches)


def throughput(draw: Callable[[], Any], batches: int) -> dict[str, float]:
    before = anonymous_bytes()
    draw()
    most, started = anonymous_bytes(), time.process_time()
    spent = 0.0
    for number in range(batches):
        draw()
        if number % 50 == 0:
            spent += time.process_time() - started
            most = max(most, anonymous_bytes())
            started = time.process_time()
    spent += time.process_time() - started
    return {
        "million_tokens_per_cpu_second": batches * BATCH * LENGTH / spent / 1e6,
        "memory_above_start_mb": (most - before) / 1e6,
    }


def anonymous_bytes() -> int:
    """Resident memory that belongs to no file."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


def median(results: list[dict[str, float]], key: str) -> float:
    return statistics.median(result[key] for result in results)


def describe(report: dict[str, dict[str, float]], arguments: argparse.Namespace) -> str:
    lines = [f"{arguments.tokens / 1e6:.0f} M tokens, batches of {BATCH} x {LENGTH}, one thread, warm page cache"]
    for side, row in report.items():
        lines.append(
            f"{side:10s} {row['million_tokens_per_cpu_second']:7.1f} M tokens / CPU s, "
            f"{row['memory_above_start_mb']:6.1f} MB above start"
        )
        if "state_bytes" in row:
            lines[-1] += (
                f"; goes on in {row['going_on_wall_seconds'] * 1e3:.0f} ms "
                f"({row['going_on_cpu_seconds'] * 1e3:.0f} ms CPU) from {row['state_bytes']:.0f} bytes"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
