"""Does the quick-start hold what the README says of it? Runs the recipe over several seeds and prints each figure.

    python benchmarks/quickstart_seeds.py --seeds 0 1 2

Each seed draws its own tasks, initial weights, order of data and samples. The last row pools the held-out tasks of
all seeds: its interval is a bootstrap over them, paired by task. Runs that are finished already are read, not repeated.
"""

import argparse
import json
from pathlib import Path

from better_ai.artifacts import Manifest, write_json
from better_ai.config import load_recipe
from better_ai.evaluation import paired_difference
from better_ai.pipeline import run_main_job, summarize
from better_ai.pipeline.stages.evaluate import answers_file, read_answers

RECIPE = Path(__file__).parents[1] / "recipes" / "quickstart.yaml"
COLUMNS = ("seed", "baseline", "base", "SFT", "RL", "RL - SFT, points", "bits/byte", "minutes")


def pass_rates(run: Path, system: str) -> dict[str, float]:
    """Share of a system's answers that passed, by task."""
    verdicts: dict[str, list[bool]] = {}
    for answer in read_answers(run / "evaluate" / answers_file(system)):
        verdicts.setdefault(answer["task_id"], []).append(answer["status"] == "passed")
    return {task: sum(passed) / len(passed) for task, passed in verdicts.items()}


def measure(seed: int, recipe: Path, runs: Path, overrides: list[str]) -> dict:
    """Run one seed, or read it if it is finished."""
    loaded = load_recipe(recipe, [*overrides, f"seed={seed}"])
    loaded = loaded.model_copy(update={"name": f"{loaded.name}-seed{seed}"})
    run_main_job(loaded, runs)
    run = runs / loaded.name
    summary = summarize(run)
    systems = summary["evaluation"]["systems"]
    gain = summary["evaluation"]["rl_minus_sft"]
    sft, rl = pass_rates(run, "sft"), pass_rates(run, "rl")
    return {
        "seed": seed,
        **{name: systems[name]["pass_at_k"]["1"]["value"] for name in ("baseline", "base", "sft", "rl")},
        "gain": gain["value"],
        "gain_low": gain["low"],
        "gain_high": gain["high"],
        "bits_per_byte": summary["validation_bits_per_byte"],
        "seconds": sum(stage["seconds"] for stage in summary["stages"].values()),
        "pretrain_seconds": Manifest.read(run / "pretrain").metrics["usage"]["seconds"],
        "tasks": sorted(sft),
        "sft_by_task": [sft[task] for task in sorted(sft)],
        "rl_by_task": [rl[task] for task in sorted(sft)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    rows = []
    for seed in arguments.seeds:
        row = measure(seed, arguments.recipe, arguments.runs, arguments.overrides)
        rows.append(row)
        print(
            f"| {seed} | {row['baseline']:.1%} | {row['base']:.1%} | {row['sft']:.1%} | {row['rl']:.1%} | "
            f"{100 * row['gain']:+.1f} ({100 * row['gain_low']:+.1f} to {100 * row['gain_high']:+.1f}) | "
            f"{row['bits_per_byte']:.3f} | {row['seconds'] / 60:.1f} |",
            flush=True,
        )
    after = [value for row in rows for value in row["rl_by_task"]]
    before = [value for row in rows for value in row["sft_by_task"]]
    pooled = paired_difference(after, before, confidence=0.95, resamples=10_000, seed=0)
    print(
        f"\n{pooled.count} held-out tasks of {len(rows)} seeds together: RL - SFT = {100 * pooled.value:+.1f} points "
        f"(95 %: {100 * pooled.low:+.1f} to {100 * pooled.high:+.1f})"
    )
    if arguments.json:
        write_json(arguments.json, {"rows": json.loads(json.dumps(rows)), "pooled": vars(pooled)})


if __name__ == "__main__":
    main()
