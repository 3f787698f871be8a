"""Training step against `transformers`: tokens per CPU second, memory, and the same loss curve.

    python benchmarks/train_step.py              # dense, against LlamaForCausalLM
    python benchmarks/train_step.py --moe        # mixture of experts, against Qwen3MoeForCausalLM

Both sides start from the same weights (ours are imported from the peer's folder), see the same batches (bytes of the
Python standard library) and take the same steps: bf16, mean cross entropy, gradients clipped to norm 1, fused AdamW.
The peer runs as its users run it: fp32 weights under bf16 autocast, SDPA attention, its own loss.

Each measurement is a process of its own on one thread, the two sides in turn, so that load on the machine hits both and
peak memory means something. Time is CPU time of the process. Memory is the peak resident size of the whole process, and
the peak above what was resident once libraries were imported (before the model is built).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VOCABULARY, WIDTH, LAYERS, HEADS, FFN = 8192, 256, 8, 4, 704
EXPERTS, EXPERTS_PER_TOKEN, EXPERT_WIDTH = 16, 2, 352
ROWS, LENGTH = 8, 512


def main() -> None:
    arguments = parse_arguments()
    if arguments.side:
        print(json.dumps(measure(arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        run_side("peer", "initial", folder, arguments)
        runs: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
        for _ in range(arguments.rounds):
            for side, results in runs.items():
                results.append(run_side(side, "train", folder, arguments))
    report = compare(runs) | {"settings": {key: vars(arguments)[key] for key in ("moe", "steps", "rounds")}}
    print(json.dumps(report) if arguments.json else describe(report))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moe", action="store_true", help="16 experts, 2 per token, against Qwen3MoeForCausalLM")
    parser.add_argument("--steps", type=int, default=8, help="measured steps of one process, after two to warm up")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each side")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=["ours", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--task", choices=["initial", "train"], default="train", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def run_side(side: str, task: str, folder: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One process of one side; its one line of JSON."""
    command = [sys.executable, __file__, "--side", side, "--task", task, "--folder", folder]
    command += ["--steps", str(arguments.steps)] + ["--moe"] * arguments.moe
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """In the child: write the initial weights, or train and time."""
    import torch

    torch.set_num_threads(1)
    if arguments.task == "initial":
        torch.manual_seed(0)
        peer_model(arguments.moe).save_pretrained(arguments.folder)
        return {}
    batches = stdlib_batches(2 + arguments.steps)
    parameters, loss_of, resident_before = {"ours": our_side, "peer": peer_side}[arguments.side](arguments.folder)
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    seconds, losses = [], []
    for tokens_BT, targets_BT in batches:
        started = time.process_time()
        loss = loss_of(tokens_BT, targets_BT)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        seconds.append(time.process_time() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "tokens_per_cpu_second": ROWS * LENGTH / statistics.median(seconds[2:]),
        "peak_bytes": peak,
        "peak_above_start_bytes": peak - resident_before,
        "losses": losses,
        "parameters": sum(parameter.numel() for parameter in parameters),
    }


def our_side(folder: str) -> tuple[list[Any], Callable[[Any, Any], Any], int]:
    import torch

    from better_ai.model import from_pretrained, linear_cross_entropy

    before = resident_bytes()
    model = from_pretrained(folder)
    model.compute_dtype = torch.bfloat16

    def loss_of(tokens_BT: Any, targets_BT: Any) -> Any:
        hidden_ND = model(tokens_BT).hidden_BTD.flatten(0, 1)
        return linear_cross_entropy(hidden_ND, model.head_weight_VD, targets_BT.flatten()) / targets_BT.numel()

    return list(model.parameters()), loss_of, before


def peer_side(folder: str) -> tuple[list[Any], Callable[[Any, Any], Any], int]:
    import torch
    from torch.nn import functional as F
    from transformers import AutoModelForCausalLM

    before = resident_bytes()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").train()

    def loss_of(tokens_BT: Any, targets_BT: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            logits_BTV = model(input_ids=tokens_BT, use_cache=False).logits
        return F.cross_entropy(logits_BTV.float().flatten(0, 1), targets_BT.flatten())

    return list(model.parameters()), loss_of, before


def peer_model(moe: bool) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM

    sizes = {
        "vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "max_position_embeddings": LENGTH, "intermediate_size": FFN,
        "tie_word_embeddings": False,
    }  # fmt: skip
    if not moe:
        return LlamaForCausalLM(LlamaConfig(**sizes))
    return Qwen3MoeForCausalLM(
        Qwen3MoeConfig(
            **sizes, head_dim=WIDTH // HEADS, moe_intermediate_size=EXPERT_WIDTH, num_experts=EXPERTS,
            num_experts_per_tok=EXPERTS_PER_TOKEN, norm_topk_prob=True, router_aux_loss_coef=0.0,
        )
    )  # fmt: skip


def stdlib_batches(steps: int) -> list[tuple[Any, Any]]:
    """tokens_BT, targets_BT per step: pairs of bytes of the standard library's files, folded into the vocabulary."""
    import torch

    needed = steps * ROWS * LENGTH + 1
    text = bytearray()
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        text += file.read_bytes()
        if len(text) > needed + 1:
            break
    values = torch.frombuffer(text, dtype=torch.uint8).to(torch.int64)
    tokens_N = (values[:-1] * 256 + values[1:])[:needed] % VOCABULARY
    return [
        (
            tokens_N[start : start + ROWS * LENGTH].view(ROWS, LENGTH),
            tokens_N[start + 1 :][: ROWS * LENGTH].view(ROWS, LENGTH),
        )
        for start in range(0, needed - 1, ROWS * LENGTH)
    ]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def compare(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians over the processes of each side, their spread, and the ratios ours / peer."""

    def values(side: str, key: str) -> list[float]:
        return [run[key] for run in runs[side]]

    report: dict[str, Any] = {"parameters": runs["ours"][0]["parameters"]}
    for key in ("tokens_per_cpu_second", "peak_bytes", "peak_above_start_bytes"):
        report[key] = {side: statistics.median(values(side, key)) for side in runs}
        report[key] |= {f"{side}_spread": [min(values(side, key)), max(values(side, key))] for side in runs}
        report[key]["ratio"] = report[key]["ours"] / report[key]["peer"]
    curves = {side: runs[side][0]["losses"] for side in runs}
    differences = [abs(ours - peer) for ours, peer in zip(curves["ours"], curves["peer"], strict=True)]
    return report | {"losses": curves, "largest_loss_difference": max(differences)}


def describe(report: dict[str, Any]) -> str:
    def side(row: dict[str, Any], name: str, scale: float) -> str:
        lowest, highest = row[f"{name}_spread"]
        return f"{name} {row[name] / scale:.0f} ({lowest / scale:.0f}-{highest / scale:.0f})"

    lines = [f"{report['parameters'] / 1e6:.1f}M parameters, {ROWS} x {LENGTH} tokens a step, one thread"]
    for key, unit, scale in (
        ("tokens_per_cpu_second", "tokens / CPU second", 1),
        ("peak_bytes", "MB peak resident", 1e6),
        ("peak_above_start_bytes", "MB peak above start", 1e6),
    ):
        row = report[key]
        lines.append(f"{unit:22s} {side(row, 'ours', scale)}, {side(row, 'peer', scale)}, ratio {row['ratio']:.2f}")
    first, last = ([curve[index] for curve in report["losses"].values()] for index in (0, -1))
    lines.append(
        f"loss first {first[0]:.4f} / {first[1]:.4f}, last {last[0]:.4f} / {last[1]:.4f}, "
        f"largest difference {report['largest_loss_difference']:.4f}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
