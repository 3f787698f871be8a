"""What the steps for privacy and toxicity find, miss and cost, beside detect-secrets.

    python benchmarks/privacy.py [--folder DIR] [--sample 60] [--each 40] [--places] [--json]

found     finds in the Python files of DIR (default: the standard library with its tests, where no secret and hardly
          anybody's data is expected but those of its authors), per million characters and as a share of the files
recall    share of the planted values that are covered whole, over the labelled set of the tests
alarms    share of the labelled look-alikes in which something is found
MB/s      millions of characters per CPU second on one core, tagging included, of the same files in the same run
agreement lines of a sample of the files, and of the labelled secrets, that both, one, or the other of this step and
          detect-secrets (its default plugins) call secret

`--places` lists every find as file:line and kind, to be looked at; nothing that was found is printed.
"""

import argparse
import json
import random
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "data"))

import labelled_privacy as labelled
from detect_secrets import SecretsCollection
from detect_secrets.settings import default_settings

from better_ai.config.data import PrivacyConfig, ToxicityConfig
from better_ai.data.steps.anchors import ascii_view
from better_ai.data.steps.privacy import SECRET_KINDS, Span, find_private
from better_ai.data.steps.privacy.pii import find_personal
from better_ai.data.steps.privacy.secrets import find_secrets
from better_ai.data.steps.toxicity import score_toxicity

MAX_BYTES = 400_000
LEAST = PrivacyConfig().min_confidence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--places", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    texts = read(arguments.folder or Path(sysconfig.get_path("stdlib")), packages=arguments.folder is not None)
    spans = {path: sure(find_private(text)) for path, text in texts.items()}
    planted = labelled.secrets(arguments.each)
    sample = random.Random(0).sample(sorted(texts), min(arguments.sample, len(texts)))
    report = {
        "files": len(texts),
        "megabytes": round(sum(map(len, texts.values())) / 1e6, 2),
        "speed": speed(list(texts.values()), [texts[path] for path in sample]),
        "found": found(texts, spans),
        "toxicity": toxic(texts),
        "recall": {
            "secrets": recall(planted),
            "personal": recall(labelled.personal(arguments.each)),
            "detect-secrets on secrets": recall_of_lines(planted),
        },
        "alarms": alarms(labelled.lookalikes()),
        "agreement": {
            "sample of the files": agreement([texts[path] for path in sample]),
            "labelled secrets": agreement([item.text for item in planted]),
        },
    }
    print(json.dumps(report) if arguments.json else table(report))
    if arguments.places:
        for path, found_here in spans.items():
            for span in found_here:
                print(f"{path}:{texts[path].count(chr(10), 0, span.start) + 1} {span.kind} {span.confidence}")


def read(folder: Path, *, packages: bool) -> dict[str, str]:
    """Python files below a folder by their paths in it, without installed packages unless asked for."""
    paths = [path for path in sorted(folder.rglob("*.py")) if packages or "site-packages" not in path.parts]
    texts = {}
    for path in paths:
        if path.stat().st_size <= MAX_BYTES:
            texts[str(path.relative_to(folder))] = path.read_bytes().decode("utf-8", "replace")
    return texts


def sure(spans: Sequence[Span]) -> list[Span]:
    return [span for span in spans if span.confidence >= LEAST]


def speed(texts: list[str], sample: list[str]) -> dict[str, float]:
    views = [(text, ascii_view(text)) for text in texts]
    ways: dict[str, tuple[Callable[[Any], Any], Sequence[Any], Sequence[str]]] = {
        "privacy": (find_private, texts, texts),
        "secrets alone": (lambda pair: find_secrets(pair[1]), views, texts),
        "personal data alone": (lambda pair: find_personal(*pair), views, texts),
        "toxicity": (score_toxicity, texts, texts),
        "detect-secrets": (lines_of_detect_secrets, sample, sample),
    }
    result = {}
    for name, (function, inputs, measured) in ways.items():
        function(inputs[0])
        start = time.process_time()
        for item in inputs:
            function(item)
        result[name] = round(sum(map(len, measured)) / 1e6 / (time.process_time() - start), 2)
    return result


def found(texts: dict[str, str], spans: dict[str, list[Span]]) -> dict[str, dict[str, float]]:
    megabytes = sum(map(len, texts.values())) / 1e6
    counts = Counter(span.kind for here in spans.values() for span in here)
    files = Counter(kind for here in spans.values() for kind in {span.kind for span in here})
    files["any secret"] = sum(any(span.kind in SECRET_KINDS for span in here) for here in spans.values())
    counts["any secret"] = sum(span.kind in SECRET_KINDS for here in spans.values() for span in here)
    return {
        kind: {
            "finds": counts[kind],
            "per MB": round(counts[kind] / megabytes, 2),
            "percent of files": round(100 * files[kind] / len(texts), 2),
        }
        for kind in sorted(files)
    }


def toxic(texts: dict[str, str]) -> dict[str, dict[str, float]]:
    """Files with a score above 0, and above the limit of the default policy."""
    scores = [score_toxicity(text) for text in texts.values()]
    config = ToxicityConfig()
    limits = {"profanity": config.max_profanity, "hate": config.max_hate, "bias": config.max_bias}
    return {
        name: {
            "above 0": sum(getattr(score, name) > 0 for score in scores),
            "above the limit": sum(getattr(score, name) > limit for score in scores),
            "highest": max(getattr(score, name) for score in scores),
        }
        for name, limit in limits.items()
    }


def recall(planted: list[labelled.Planted]) -> float:
    return round(sum(labelled.is_covered(item, sure(find_private(item.text))) for item in planted) / len(planted), 4)


def recall_of_lines(planted: list[labelled.Planted]) -> float:
    """detect-secrets says which lines hold a secret: any in a line of the value counts."""
    hits = 0
    for item in planted:
        first, last = (item.text.count("\n", 0, place) + 1 for place in (item.start - 1, item.end))
        hits += any(first - 1 <= line <= last for line in lines_of_detect_secrets(item.text))
    return round(hits / len(planted), 4)


def alarms(texts: list[str]) -> dict[str, float]:
    return {
        "this step": round(sum(bool(sure(find_private(text))) for text in texts) / len(texts), 3),
        "detect-secrets": round(sum(bool(lines_of_detect_secrets(text)) for text in texts) / len(texts), 3),
    }


def agreement(texts: list[str]) -> dict[str, int]:
    counts = {"both": 0, "this step only": 0, "detect-secrets only": 0}
    for text in texts:
        ours = {text.count("\n", 0, span.start) + 1 for span in sure(find_private(text)) if span.kind in SECRET_KINDS}
        theirs = lines_of_detect_secrets(text)
        # It reports the header of a PEM key, this step its body in the next line.
        theirs = {line + 1 if line + 1 in ours and line not in ours else line for line in theirs}
        counts["both"] += len(ours & theirs)
        counts["this step only"] += len(ours - theirs)
        counts["detect-secrets only"] += len(theirs - ours)
    return counts


def lines_of_detect_secrets(text: str) -> set[int]:
    with tempfile.TemporaryDirectory() as folder, default_settings():
        path = Path(folder) / "text.py"
        path.write_text(text, encoding="utf-8")
        secrets = SecretsCollection()
        secrets.scan_file(str(path))
        return {secret.line_number for _, secret in secrets}


def table(report: dict[str, Any], indent: str = "") -> str:
    lines = []
    for name, value in report.items():
        if isinstance(value, dict) and all(not isinstance(inner, dict) for inner in value.values()):
            lines.append(f"{indent}{name:28} " + "  ".join(f"{key} {inner}" for key, inner in value.items()))
        elif isinstance(value, dict):
            lines += [f"{indent}{name}", table(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name:28} {value}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
