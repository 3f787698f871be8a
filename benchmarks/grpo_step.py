"""One GRPO step against TRL's GRPOTrainer: tokens per CPU second and memory, in one run.

Both sides start from the same Qwen2-shaped weights (3M and 30M parameters, vocabulary 4,096) and train on the same
prompts: 4 prompts x 8 samples, 64 prompt and 64 new tokens, no row ends early, a trivial reward, one AdamW step per
rollout. TRL runs in its default precision setting, bf16 with gradient checkpointing, on a CPU. Processes of one thread
alternate; the first step of each is not counted; medians of steps, then of rounds.

    python benchmarks/grpo_step.py [--sizes 3m 30m] [--rounds 3] [--steps 6]
    python benchmarks/grpo_step.py --gradients          # both losses on the same rollout, in fp32: equal gradients

Needs the `bench` extra. Exits with 1 when a target is missed.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VOCAB_SIZE = 4096
PROMPTS, SAMPLES, PROMPT_TOKENS, NEW_TOKENS = 4, 8, 64, 64
STEP_TOKENS = PROMPTS * SAMPLES * (PROMPT_TOKENS + NEW_TOKENS)
LEARNING_RATE = 1e-5
SHAPES = {
    "3m": {"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 512},
    "30m": {"hidden_size": 512, "num_hidden_layers": 10, "num_attention_heads": 8, "intermediate_size": 1408},
}
MIN_SPEED_RATIO, MAX_MEMORY_RATIO = 2.0, 0.75


def letter_share(text: str) -> float:
    return sum(character.isalpha() for character in text) / max(len(text), 1)


def prepare(folder: Path, sizes: list[str], num_prompts: int) -> None:
    """A tokenizer, one model folder per size, and prompts that tokenize to exactly PROMPT_TOKENS."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    root = Path(sysconfig.get_paths()["stdlib"])
    files = [path for path in sorted(root.rglob("*.py")) if not {"site-packages", "test"} & set(path.parts)]
    random.Random(0).shuffle(files)
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    specials = ["<pad>", "<bos>", "<eos>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB_SIZE, special_tokens=specials, initial_alphabet=alphabet)
    bpe.train([str(path) for path in files[:300]], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>")
    tokenizer.save_pretrained(folder / "tokenizer")

    prompts: list[str] = []
    for path in files:
        ids = tokenizer(path.read_text(errors="replace"), add_special_tokens=False)["input_ids"]
        window = tokenizer.decode(ids[PROMPT_TOKENS : 2 * PROMPT_TOKENS])
        if len(tokenizer(window, add_special_tokens=False)["input_ids"]) == PROMPT_TOKENS:
            prompts.append(window)
        if len(prompts) == num_prompts:
            break
    (folder / "prompts.json").write_text(json.dumps(prompts))

    for size in sizes:
        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=VOCAB_SIZE,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            **SHAPES[size],
        )
        Qwen2ForCausalLM(config).save_pretrained(folder / size)


class Meter:
    """CPU seconds between steps, and the peak of resident memory above what importing took."""

    def __init__(self) -> None:
        self._start_bytes = _status_bytes("VmRSS")
        self._last = time.process_time()
        self._seconds: list[float] = []

    def step_done(self, *_: object, **__: object) -> None:
        now = time.process_time()
        self._seconds.append(now - self._last)
        self._last = now

    def report(self) -> dict[str, float]:
        seconds = statistics.median(self._seconds[1:])
        memory = (_status_bytes("VmHWM") - self._start_bytes) / 2**20
        return {"cpu_seconds": seconds, "tokens_per_cpu_second": STEP_TOKENS / seconds, "memory_mb": memory}


def _status_bytes(field: str) -> int:
    """VmRSS: resident now; VmHWM: its peak since the process began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


def run_ours(folder: Path, size: str, steps: int) -> dict[str, float]:
    import torch
    from transformers import PreTrainedTokenizerFast

    from better_ai.config import GRPOConfig, SamplingConfig, TrainingConfig
    from better_ai.inference import Engine
    from better_ai.model import from_pretrained
    from better_ai.rewards import RewardResult, Sample
    from better_ai.rl import GRPOObjective, RolloutSource
    from better_ai.tasks import Task
    from better_ai.training import Trainer, compute_dtype

    meter = Meter()
    hf_tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")

    class Bytes:
        """What the engine asks of a tokenizer."""

        vocab_size = VOCAB_SIZE

        def token_bytes(self, token: int) -> bytes:
            return hf_tokenizer.decode([token]).encode()

    class LetterShare:
        def score(self, samples: list[Sample]) -> list[RewardResult]:
            return [RewardResult(letter_share(sample.text)) for sample in samples]

    model = from_pretrained(folder / size)
    dtype = compute_dtype("auto", torch.device("cpu"))
    engine: Any = Engine(model, Bytes(), stop_ids=(), dtype=dtype)  # type: ignore[arg-type]
    config = GRPOConfig(
        prompts_per_step=PROMPTS,
        group_size=SAMPLES,
        sampling=SamplingConfig(max_new_tokens=NEW_TOKENS),
        train=TrainingConfig(max_steps=steps, learning_rate=LEARNING_RATE, lr_schedule="constant", num_threads=1),
    )
    prompts = json.loads((folder / "prompts.json").read_text())[: PROMPTS * steps]
    tasks = [Task(str(i), prompt, "", "", "", 0.0, ("letters",)) for i, prompt in enumerate(prompts)]

    def encode(task: Task) -> list[int]:
        return hf_tokenizer(task.prompt, add_special_tokens=False)["input_ids"]

    source = RolloutSource(engine, tasks, LetterShare(), config, encode_prompt=encode)
    Trainer(model, GRPOObjective(config), source, config.train, on_step=meter.step_done).run()
    metrics = source.step_metrics()
    assert metrics["rollout/completion_length_tokens"] == NEW_TOKENS
    assert metrics["rollout/useful_groups"] == PROMPTS
    return meter.report()


def run_trl(folder: Path, size: str, steps: int) -> dict[str, float]:
    from transformers import TrainerCallback

    trainer_of = _trl_trainer(folder, size, steps, bf16=True, gradient_checkpointing=True)
    meter = Meter()
    trainer = trainer_of()

    class OnStep(TrainerCallback):
        on_step_end = meter.step_done

    generated: list[int] = []
    generate = trainer._generate_single_turn

    def counted(*arguments: Any, **options: Any) -> Any:
        result = generate(*arguments, **options)
        generated.append(sum(map(len, result[0])))
        return result

    trainer._generate_single_turn = counted
    trainer.add_callback(OnStep())
    trainer.train()
    assert set(generated) == {PROMPTS * SAMPLES * NEW_TOKENS}
    return meter.report()


def _trl_trainer(folder: Path, size: str, steps: int, **settings: Any) -> Callable[[], Any]:
    """Imports now, builds when called: what lies between is memory of the run."""
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM
    from trl import GRPOConfig, GRPOTrainer

    def reward(completions: list[str], **_: Any) -> list[float]:
        return [letter_share(text) for text in completions]

    def build() -> Any:
        prompts = json.loads((folder / "prompts.json").read_text())[: PROMPTS * steps]
        config = GRPOConfig(
            output_dir=str(folder / "trl"),
            use_cpu=True,
            per_device_train_batch_size=PROMPTS * SAMPLES,
            num_generations=SAMPLES,
            max_completion_length=NEW_TOKENS,
            generation_kwargs={"min_new_tokens": NEW_TOKENS},
            temperature=1.0,
            max_steps=steps,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            report_to="none",
            save_strategy="no",
            logging_steps=1,
            disable_tqdm=True,
            dataloader_pin_memory=False,
            **settings,
        )
        return GRPOTrainer(
            model=Qwen2ForCausalLM.from_pretrained(folder / size, dtype="float32"),
            reward_funcs=reward,
            args=config,
            train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
            processing_class=PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer"),
        )

    return build


def run_gradients(folder: Path, size: str, steps: int) -> dict[str, float]:
    """Relative difference of the two gradients on the rollout that TRL sampled, fp32."""
    import torch

    from better_ai.config import GRPOConfig, SamplingConfig
    from better_ai.model import from_pretrained
    from better_ai.rl import GRPOObjective, PolicyBatch
    from better_ai.rl.objective import completion_logprobs

    trainer = _trl_trainer(folder, size, 1, bf16=False, gradient_checkpointing=False)()
    captured: dict[str, Any] = {}
    compute_loss = trainer._compute_loss

    def keeping(model: Any, inputs: dict[str, Any]) -> Any:
        loss = compute_loss(model, inputs)
        captured.update(inputs)
        loss.backward()
        for parameter in model.parameters():
            parameter.data, parameter.grad = parameter.grad, None
        model.save_pretrained(folder / "gradients")
        raise StopIteration

    trainer._compute_loss = keeping
    try:
        trainer.train()
    except StopIteration:
        theirs = from_pretrained(folder / "gradients")

    model = from_pretrained(folder / size)
    prompts_PS, group_R = captured["prompt_ids"].unique(dim=0, return_inverse=True)
    order_R = group_R.argsort()  # TRL shuffles the rows
    completions_RT = captured["completion_ids"][order_R]
    mask_RT = captured["completion_mask"][order_R].bool()
    batch = PolicyBatch(
        prompts_PS=prompts_PS,
        prompt_mask_PS=torch.ones_like(prompts_PS, dtype=torch.bool),
        completions_RT=completions_RT,
        action_mask_RT=mask_RT,
        behaviour_logprobs_RT=torch.zeros(mask_RT.shape),
        advantages_R=captured["advantages"][order_R],
    )
    with torch.no_grad():
        batch.behaviour_logprobs_RT[mask_RT] = completion_logprobs(model, batch, 1.0)[0]
    objective = GRPOObjective(GRPOConfig(sampling=SamplingConfig(max_new_tokens=NEW_TOKENS)))
    (objective(model, batch).loss_sum / objective.weight(batch)).backward()
    difference = square = 0.0
    for (name, parameter), their_gradient in zip(model.named_parameters(), theirs.parameters(), strict=True):
        assert parameter.grad is not None, name
        difference += float((parameter.grad - their_gradient).square().sum())
        square += float(their_gradient.square().sum())
    return {"gradient_norm": square**0.5, "relative_difference": (difference / square) ** 0.5}


WORKERS = {"ours": run_ours, "trl": run_trl, "gradients": run_gradients}


def in_process(worker: str, folder: Path, size: str, steps: int) -> dict[str, float]:
    """Run a worker in a process of its own, with one thread and no network."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TOKENIZERS_PARALLELISM": "false",
    }
    command = [sys.executable, __file__, "--worker", worker, "--folder", str(folder), "--sizes", size]
    done = subprocess.run([*command, "--steps", str(steps)], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{worker} at {size} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder: Path, size: str, rounds: int, steps: int) -> bool:
    """Alternate both sides, print the table, and tell whether the targets are met."""
    results: dict[str, list[dict[str, float]]] = {"trl": [], "ours": []}
    for _ in range(rounds):
        for worker, found in results.items():
            found.append(in_process(worker, folder, size, steps))
    medians = {
        worker: {key: statistics.median(result[key] for result in found) for key in found[0]}
        for worker, found in results.items()
    }
    for worker, values in medians.items():
        print(
            f"{size:4} {worker:5} {values['cpu_seconds']:7.2f} CPU s/step "
            f"{values['tokens_per_cpu_second']:8.0f} tokens/CPU s {values['memory_mb']:7.0f} MB above start"
        )
    speed = medians["ours"]["tokens_per_cpu_second"] / medians["trl"]["tokens_per_cpu_second"]
    memory = medians["ours"]["memory_mb"] / medians["trl"]["memory_mb"]
    print(
        f"{size:4} speed {speed:.2f}x (at least {MIN_SPEED_RATIO}), memory {memory:.2f}x (at most {MAX_MEMORY_RATIO})"
    )
    return speed >= MIN_SPEED_RATIO and memory <= MAX_MEMORY_RATIO


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--gradients", action="store_true")
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(WORKERS[options.worker](options.folder, options.sizes[0], options.steps)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.sizes, PROMPTS * options.steps)
        if options.gradients:
            for size in options.sizes:
                print(size, in_process("gradients", folder, size, 1))
            return
        met = [compare(folder, size, options.rounds, options.steps) for size in options.sizes]
    sys.exit(not all(met))


if __name__ == "__main__":
    main()
