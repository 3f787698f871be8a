"""Stage `report`: one self-contained HTML file."""

from typing import Any

import yaml

from better_ai.artifacts import Manifest, atomic_write, lineage
from better_ai.pipeline import figures
from better_ai.pipeline.page import render_page
from better_ai.pipeline.stage import StageContext, StageResult
from better_ai.pipeline.stages.evaluate import SYSTEMS, answers_file, read_answers
from better_ai.pipeline.stages.tasks import FILES
from better_ai.pipeline.training import METRICS
from better_ai.tasks import read_tasks
from better_ai.training import read_metrics

REPORT = "report.html"
NUM_SAMPLES = 6


def work(context: StageContext) -> StageResult:
    """Collect what the stages recorded and render it."""
    context.progress.update(0, 1, drawing="figures")
    manifests = {name: Manifest.read(folder) for name, folder in context.inputs.items()}
    page = render_page(
        "report.html.j2",
        run=context.recipe.name,
        recipe=yaml.safe_dump(context.recipe.model_dump(mode="json"), sort_keys=False),
        environment=yaml.safe_dump(manifests["rl"].environment),
        usage={name: manifest.metrics["usage"] for name, manifest in manifests.items()},
        **_headline(manifests),
        **_tables(context, manifests),
        plots=_plots(context, manifests),
    )
    with atomic_write(context.folder / REPORT) as temporary:
        temporary.write_text(page, "utf-8")
    return StageResult(products=[], metrics={})


def _headline(manifests: dict[str, Manifest]) -> dict[str, Any]:
    """The opening sentence and the figures one looks at first."""
    pretrain, evaluation = manifests["pretrain"].metrics, manifests["evaluate"].metrics
    gain = evaluation["rl_minus_sft"]
    first = {name: system["pass_at_k"]["1"]["value"] for name, system in evaluation["systems"].items()}
    seconds = sum(manifest.metrics["usage"]["seconds"] for manifest in manifests.values())
    corpus, tasks = manifests["data"].metrics["corpus"], manifests["tasks"].metrics["tasks"]
    lead = (
        f"A model of {pretrain['parameters']:,} parameters read {corpus['train_documents']:,} source files "
        f"({corpus['train_bytes'] / 1e6:.1f} MB), learned from {tasks['sft']:,} solved programming tasks, and then "
        "from running its own attempts at other tasks against their tests. Everything ran on this machine in "
        f"{seconds / 60:.1f} minutes."
    )
    cards = [
        ("pass@1 after reinforcement learning", f"{first['rl']:.1%}"),
        ("pass@1 after fine-tuning", f"{first['sft']:.1%}"),
        (
            f"points gained ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}, {evaluation['confidence']:.0%})",
            f"{100 * gain['value']:+.1f}",
        ),
        ("pass@1 of the best baseline that learns nothing", f"{first['baseline']:.1%}"),
        ("bits per byte on unseen source files", f"{pretrain['validation_bits_per_byte']:.3f}"),
        ("minutes, all stages", f"{seconds / 60:.1f}"),
    ]
    return {"lead": lead, "cards": [{"label": label, "value": value} for label, value in cards]}


def _tables(context: StageContext, manifests: dict[str, Manifest]) -> dict[str, Any]:
    """What is shown in rows and columns."""
    evaluation, corpus = manifests["evaluate"].metrics, manifests["data"].metrics["corpus"]
    systems = {name: evaluation["systems"][name] for name in SYSTEMS}
    return {
        "ks": context.recipe.evaluate.k,
        "systems": systems,
        "parts": _parts(systems),
        "samples": _samples(context),
        "data": {
            "collected": corpus["collected"],
            "kept for training": corpus["train_documents"],
            "kept for validation": corpus["validation_documents"],
            **{f"rejected: {step}": count for step, count in corpus["rejected"].items()},
        },
    }


def _plots(context: StageContext, manifests: dict[str, Manifest]) -> dict[str, dict[str, str]]:
    """Every figure and the sentence below it."""
    evaluation, corpus = manifests["evaluate"].metrics, manifests["data"].metrics["corpus"]
    systems = {name: evaluation["systems"][name] for name in SYSTEMS}
    logs = {name: read_metrics(context.inputs[name] / METRICS) for name in ("pretrain", "sft", "rl")}
    nodes = [node for node in lineage(context.inputs["data"].parent) if node.name in context.inputs]

    def curve(stage: str, metric: str, y: str, color: str) -> str:
        points = [(record["step"], record[metric]) for record in logs[stage] if metric in record]
        return figures.curve([step for step, _ in points], [value for _, value in points], y=y, color=color)

    plots = {
        "pass_at_k": (
            figures.pass_at_k_bars(systems, context.recipe.evaluate.k),
            f"Share of {systems['rl']['num_tasks']} held-out tasks solved within k attempts, with "
            f"{evaluation['confidence']:.0%} bootstrap intervals over tasks. Structures or parameter values of these "
            "tasks never occur in training.",
        ),
        "pretrain": (curve("pretrain", "train/loss", "nats per token", "base"), "Pretraining: loss on source files."),
        "sft": (curve("sft", "train/loss", "nats per token", "sft"), "Fine-tuning: loss on the answers alone."),
        "reward": (
            curve("rl", "rollout/reward_mean", "share of attempts that pass", "rl"),
            "Reinforcement learning: share of the policy's attempts at training tasks that pass their tests.",
        ),
        "entropy": (
            curve("rl", "policy/entropy_nats", "entropy, nats per token", "rl"),
            "Reinforcement learning: how undecided the policy is.",
        ),
        "rejected": (
            figures.horizontal_bars(corpus["rejected"] or {"none": 0}, x="documents rejected"),
            "Why documents were turned away; each is listed with its reason in rejected.parquet.",
        ),
        "lineage": (
            figures.graph(
                {node.name: node.parents for node in nodes}, {node.name: node.manifest.content_id[:8] for node in nodes}
            ),
            "What was made from what; under each stage the beginning of its content id.",
        ),
    }
    return {name: {"svg": svg, "caption": caption} for name, (svg, caption) in plots.items()}


def _parts(systems: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """pass@1 of parts of the tasks: (part, {system: interval})."""
    return [
        (part, {name: system[table].get(part) for name, system in systems.items()})
        for table in ("by_family", "by_novelty")
        for part in systems["rl"][table]
    ]


def _samples(context: StageContext) -> list[dict[str, Any]]:
    """First answers to the first tasks that reinforcement gained, to one it lost and to one that stays unsolved."""
    tasks = read_tasks(context.inputs["tasks"] / FILES["heldout"])
    first = {
        system: {answer["task_id"]: answer for answer in answers if answer["sample"] == 0}
        for system in ("sft", "rl")
        for answers in [read_answers(context.inputs["evaluate"] / answers_file(system))]
    }
    passed = {
        system: {id for id, answer in answers.items() if answer["status"] == "passed"}
        for system, answers in first.items()
    }
    gained = [task for task in tasks if task.id in passed["rl"] - passed["sft"]]
    lost = [task for task in tasks if task.id in passed["sft"] - passed["rl"]]
    failing = [task for task in tasks if task.id not in passed["rl"] | passed["sft"]]
    chosen = [*gained[: NUM_SAMPLES - 2], *lost[:1], *failing[:1]]
    return [
        {
            "prompt": task.prompt,
            "answers": [
                {
                    "system": system,
                    "text": first[system][task.id]["text"],
                    "passed": task.id in passed[system],
                    "reason": first[system][task.id]["reason"],
                }
                for system in ("sft", "rl")
            ],
        }
        for task in chosen
    ]
