"""A whole build of this machine's own corpus: what it costs, and that nothing changes its bytes.

    python benchmarks/data_build.py speed  --work DIR                 # CPU seconds and MB/s, by phase and by step
    python benchmarks/data_build.py kills  --work DIR [--kills 10]    # SIGKILL at random moments, resumed: same bytes
    python benchmarks/data_build.py ray    --work DIR                 # two workers, one of them killed: same bytes
    python benchmarks/data_build.py memory --work DIR [--megabytes 75]  # a corpus, and one four times as large
    python benchmarks/data_build.py speed  --work DIR --distributions sympy pandas --json

The corpus is that of recipes/data/machine.yaml, or, for trials, that of a few distributions alone; every build is a
`better-ai data build` of its own. CPU seconds are those of the whole tree of processes, from the start of the command
to its end; memory is what its processes have of their own, interpreters and libraries included: the peak of their sum,
of the driver, of the largest. A rate is MB of collected source per CPU second, so per core.

`speed` leaves the undisturbed build to which `kills` and `ray` compare all files of theirs but the clocks. Moments are
drawn (`--seed`) one from each tenth of the progress of the build, which is the number of finished outputs in its work
folder, so that phases are hit however short they are. The processes of a build and its workers are killed together.

`memory` builds from files of Python in which every name is changed, four times in four ways, so that no copy is thrown
away. Output files and the partitions of the search for duplicates are made so small that the larger corpus needs
several; what should come out is CPU time in proportion to the documents, and one peak of memory.
"""

import argparse
import contextlib
import functools
import hashlib
import json
import keyword
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml
from data_steps import sample_python
from process_tree import Measured

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes/data/machine.yaml"
CLOCKS = ("timings.json", "clock.json", "manifest.json")
"""Files that say how long things took."""
POLL_SECONDS = 0.02
MAX_DELAY_SECONDS = 0.2
"""A kill comes up to so much after its moment: in the middle of a task and not always at its beginning."""
SMALL_PARTS = ["deduplicate.partition_rows=2500", "shard_bytes=16000000"]


def main() -> None:
    arguments = parse_arguments()
    arguments.work = arguments.work.resolve()
    measures = {"speed": speed, "kills": kills, "ray": ray, "memory": memory}
    rows = measures[arguments.measure](arguments)
    print(json.dumps(rows) if arguments.json else describe(rows))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=("speed", "kills", "ray", "memory"))
    parser.add_argument("--work", type=Path, required=True, help="a folder for runs; some GB")
    parser.add_argument("--distributions", nargs="+", default=[], help="these alone, without the standard library")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--megabytes", type=float, default=75, help="of the smaller corpus of `memory`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def speed(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The undisturbed build, from nothing."""
    run = arguments.work / run_name(arguments)
    (arguments.work / f"{run.name}.json").unlink(missing_ok=True)
    build = undisturbed(arguments)
    timings = json.loads((run / "data/timings.json").read_text())
    megabytes = timings["bytes"] / 1e6
    phases = {name: phase["cpu_seconds"] for name, phase in timings["phases"].items()}
    steps = {
        f"tag: {name.split()[1]}": step["tag"]["cpu_seconds"]
        for name, step in timings["steps"].items()
        if step["tag"]["cpu_seconds"]
    }
    del phases["tag"]  # the sum of its steps
    elsewhere = {"processes, imports, the rest": build["cpu_s"] - sum(phases.values()) - sum(steps.values())}
    named = {**phases, **steps, **elsewhere, "whole": build["cpu_s"]}
    rows = [
        {"what": name, "cpu_s": seconds, "mb_per_s": megabytes / seconds} for name, seconds in named.items() if seconds
    ]
    rows.sort(key=lambda row: row["cpu_s"])
    rows[-1] |= {name: build[name] for name in ("wall_s", "peak_mb", "driver_mb", "largest_mb", "documents")}
    rows[-1]["mb"] = megabytes
    return rows


def kills(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The same build, killed again and again. Raises SystemExit when a byte differs."""
    whole = undisturbed(arguments)
    run = fresh(arguments.work / f"{run_name(arguments)}-killed")
    recipe = write_recipe(arguments, run.name)
    draw = random.Random(arguments.seed)
    moments = [(number + draw.random()) / arguments.kills * 0.99 for number in range(arguments.kills)]
    rows = []
    for moment in moments:
        target = max(moment * whole["outputs"], outputs(run) + 1)
        with started(recipe, arguments.work) as build:
            while build.process.poll() is None and outputs(run) < target:
                time.sleep(POLL_SECONDS)
            time.sleep(draw.uniform(0, MAX_DELAY_SECONDS))
            if build.process.poll() is not None:
                raise SystemExit(
                    f"the build ended before it could be killed at {target:.0f} outputs; try another --seed"
                )
            build.kill(signal.SIGKILL)
        unfinished = [path.relative_to(run).as_posix() for path in run.rglob(".*.tmp")]
        at_work = sorted({name for path in unfinished for name in re.findall(r"([^/]+)-[0-9a-f]{12}/\.", path)})
        rows.append({"killed at": outputs(run), "of": whole["outputs"], "cpu_s": build.cpu_s, "in": " ".join(at_work)})
    with started(recipe, arguments.work) as build:
        build.finish()
    rows.append({"killed at": "", "cpu_s": build.cpu_s, "in": "(to its end)"})
    total = sum(row["cpu_s"] for row in rows)
    files = compare(whole["sha256"], digests(run / "data"))
    rows.append({"killed at": "all", "cpu_s": total, "in": f"{total / whole['cpu_s']:.2f} x undisturbed; {files}"})
    return rows


def ray(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The same build on a local Ray cluster, one of whose two workers is killed half-way."""
    whole = undisturbed(arguments)
    run = fresh(arguments.work / f"{run_name(arguments)}-ray")
    recipe = write_recipe(arguments, run.name)
    options = ("--on", "ray", "--set", "executor.workers=2")
    with swept() as folder, started(recipe, arguments.work, *options, TMPDIR=folder) as build:
        begun = time.monotonic()
        while outputs(run) < whole["outputs"] / 2:
            if build.process.poll() is not None:
                raise SystemExit("the build on Ray ended before a worker could be killed")
            time.sleep(POLL_SECONDS)
        victim = kill_ray_worker(build.process.pid)
        at = outputs(run)
        build.finish()
        wall = time.monotonic() - begun
    files = compare(whole["sha256"], digests(run / "data"))
    return [
        {"killed": victim, "at": at, "of": whole["outputs"], "wall_s": wall, "peak_mb": build.peak_mb, "files": files}
    ]


def memory(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Builds of one and of four variants of the same files."""
    variants = write_variants(arguments.work / f"variants-{arguments.megabytes:g}", arguments.megabytes)
    rows = []
    for times in (1, 4):
        run = fresh(arguments.work / f"memory-{arguments.megabytes:g}-{times}")
        sources = [{"type": "folder", "path": str(path), "license": "MIT"} for path in variants[:times]]
        recipe = write_recipe(arguments, run.name, sources)
        with started(recipe, arguments.work, *(part for each in SMALL_PARTS for part in ("--set", each))) as build:
            stats = json.loads(build.finish())
        num_bytes = json.loads((run / "data/timings.json").read_text())["bytes"]
        rows.append(
            {
                "corpus": f"{times}x",
                "mb": num_bytes / 1e6,
                "documents": stats["collected"],
                "kept": stats["kept"],
                "files": len(list((run / "data/train").iterdir())),
                "cpu_s": build.cpu_s,
                "mb_per_s": num_bytes / 1e6 / build.cpu_s,
                "peak_mb": build.peak_mb,
                "driver_mb": build.first_mb,
                "largest_mb": build.largest_mb,
            }
        )
    return rows


def run_name(arguments: argparse.Namespace) -> str:
    return "-".join(["machine", *arguments.distributions])[:80]


def write_recipe(arguments: argparse.Namespace, name: str, sources: Sequence[Mapping[str, Any]] = ()) -> Path:
    recipe: dict[str, Any] = {"extends": str(RECIPE), "name": name}
    if sources or arguments.distributions:
        recipe["sources"] = list(sources) or [{"type": "distributions", "names": arguments.distributions}]
    path = arguments.work / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def fresh(run: Path) -> Path:
    run.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(run, ignore_errors=True)
    return run


def started(recipe: Path, runs: Path, *options: str, **environment: str) -> Measured:
    command = [str(Path(sys.executable).with_name("better-ai")), "data", "build", str(recipe), "--runs", str(runs)]
    return Measured([*command, "--json", *options], os.environ | {"OMP_NUM_THREADS": "1"} | environment)


def undisturbed(arguments: argparse.Namespace) -> dict[str, Any]:
    """The build to compare with, made unless it is there: figures and digests of its files."""
    name = run_name(arguments)
    record = arguments.work / f"{name}.json"
    if record.exists():
        return json.loads(record.read_text())
    run = fresh(arguments.work / name)
    begun = time.monotonic()
    with started(write_recipe(arguments, name), arguments.work) as build:
        stats = json.loads(build.finish())
    result = {
        "documents": stats["collected"],
        "cpu_s": build.cpu_s,
        "wall_s": time.monotonic() - begun,
        "peak_mb": build.peak_mb,
        "driver_mb": build.first_mb,
        "largest_mb": build.largest_mb,
        "outputs": outputs(run),
        "sha256": digests(run / "data"),
    }
    record.write_text(json.dumps(result))
    return result


def outputs(run: Path) -> int:
    """How many outputs the phases of a build have finished; an unfinished one has a name that begins with a dot."""
    phases = [path for pattern in ("*-*", "deduplicate/*-*") for path in (run / ".shards").glob(pattern)]
    return sum(not path.name.startswith(".") for phase in phases for path in phase.iterdir())


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of a corpus."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in CLOCKS)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def compare(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    if differing := sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name)):
        raise SystemExit(f"differ from those of the undisturbed build: {', '.join(differing)}")
    return f"{len(found)} files identical"


def kill_ray_worker(pid: int) -> str:
    """Kill a worker that has a task, and say which."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error, IndexError):
                if (title := process.cmdline()[0]) == "ray::_run":
                    process.kill()
                    return f"{title} {process.pid}"
        time.sleep(POLL_SECONDS)
    raise SystemExit("no worker of Ray has had a task for a minute")


@contextlib.contextmanager
def swept() -> Iterator[str]:
    """A folder for Ray's files. Its processes that outlive the cluster, where nobody buries their parent, end here."""
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:
        yield folder
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(file.path.startswith(folder) for file in process.open_files()):
                    process.kill()


def write_variants(folder: Path, megabytes: float) -> list[Path]:
    """Four folders of Python files with other names each, written once."""
    variants = [folder / f"variant-{number}" for number in range(4)]
    if not (folder / "written").exists():
        batches = sample_python(megabytes)
        texts = [text for batch in batches for text in batch.column("content").to_pylist()]
        for number, variant in enumerate(variants):
            for position, text in enumerate(texts):
                path = variant / f"{position // 100:04}" / f"{position:06}.py"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(renamed(text, number), encoding="utf-8", newline="")
        (folder / "written").touch()
    return variants


def renamed(text: str, number: int) -> str:
    """The text with a suffix to each name, so that it parses as before and shares few word sequences with the other
    variants; prefixes of strings and conversions in format strings stay."""
    return NAME.sub(functools.partial(_suffixed, number), text)


NAME = re.compile(r"(?<![!\w])[A-Za-z_]\w*(?![\w\"'])", re.ASCII)
KEYWORDS = {*keyword.kwlist, *keyword.softkwlist}


def _suffixed(number: int, match: re.Match[str]) -> str:
    return match[0] if match[0] in KEYWORDS else f"{match[0]}_{number}"


def describe(rows: Sequence[Mapping[str, Any]]) -> str:
    """An aligned table; columns as they first appear."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_cell(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
