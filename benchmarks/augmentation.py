"""How often each augmenter finds something to do in functions of the standard library, and how fast it is; the same
for the task sets. CPU seconds of one process.

    python benchmarks/augmentation.py [--functions 1000] [--files 60]
"""

import argparse
import ast
import time
from pathlib import Path
from random import Random

from better_ai.config.data.processing import ProcessingConfig
from better_ai.data.processing.augment import AUGMENTERS, augmenter
from better_ai.data.processing.convert import Rejected, convert_document
from better_ai.data.processing.functions import functions
from better_ai.data.processing.source import Source
from better_ai.data.schema import document_id


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--functions", type=int, default=1000)
    options.add_argument("--files", type=int, default=60)
    chosen = options.parse_args()
    folder = Path(ast.__file__).parent
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.py"))]
    found = [each.text for text in texts for each in functions(Source(text), min_lines=3, max_lines=60)]
    sample = Random(0).sample(found, min(chosen.functions, len(found)))
    megabytes = sum(map(len, sample)) / 1e6
    print(f"{len(sample)} functions of {len(found)}, {megabytes:.2f} MB")
    for name in AUGMENTERS:
        change = augmenter(name)
        started = time.process_time()
        applied = sum(change(text, Random(number)) is not None for number, text in enumerate(sample))
        seconds = time.process_time() - started
        print(f"{name:26} applies to {applied / len(sample):6.1%}   {megabytes / seconds:6.2f} MB/s")
    task_sets(Random(0).sample(texts, min(chosen.files, len(texts))))


def task_sets(texts: list[str]) -> None:
    config, made, dropped = ProcessingConfig(), 0, 0
    started = time.process_time()
    for text in texts:
        document = {"id": document_id(text.encode()), "content": text, "language": "python"}
        try:
            converted = convert_document({**document, "license": "PSF-2.0", "source": "stdlib"}, config, None)
        except Rejected:
            continue
        made += len(converted.rows)
        dropped += converted.dropped.total()
    seconds = time.process_time() - started
    megabytes = sum(map(len, texts)) / 1e6
    print(f"task sets: {len(texts)} files, {megabytes:.2f} MB, {made} conversations, {dropped} dropped for persons,")
    print(f"           {megabytes / seconds:.2f} MB/s, {made / seconds:.0f} conversations/s")


if __name__ == "__main__":
    main()
