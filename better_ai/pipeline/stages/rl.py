"""Stage `rl`: GRPO on training tasks, rewarded by their tests, tied to the fine-tuned model."""

import copy

from better_ai.inference import Engine
from better_ai.model import from_pretrained
from better_ai.pipeline.jail import open_sandbox
from better_ai.pipeline.prompts import chat_prompt
from better_ai.pipeline.stage import StageContext, StageResult
from better_ai.pipeline.stages.tasks import FILES
from better_ai.pipeline.training import MODEL, finish_training, report_steps, seeded
from better_ai.rewards import ExecutionReward
from better_ai.rl import GRPOObjective, RolloutLog, RolloutSource
from better_ai.tasks import read_tasks
from better_ai.tokenizer import load as load_tokenizer
from better_ai.training import StepReport, Trainer, compute_dtype


def work(context: StageContext) -> StageResult:
    """Train the policy; the reference is a copy made of it in memory before the first step."""
    config = context.recipe.rl.model_copy(update={"train": seeded(context.recipe.rl.train, context)})
    tokenizer = load_tokenizer(context.inputs["tokenizer"])
    policy = from_pretrained(context.inputs["sft"] / MODEL)
    reference = copy.deepcopy(policy)
    tasks = read_tasks(context.inputs["tasks"] / FILES["rl"])
    rows = config.prompts_per_step * config.group_size
    engine = Engine(policy, tokenizer, max_rows=rows, dtype=compute_dtype(config.train.bf16, policy.embedding.device))
    with open_sandbox(context.recipe.sandbox) as sandbox:
        rollouts = RolloutSource(
            engine,
            tasks,
            ExecutionReward(sandbox),
            config,
            encode_prompt=lambda task: chat_prompt(task, tokenizer),
            log=RolloutLog(context.folder / "rollouts"),
        )
        result = Trainer(
            policy,
            GRPOObjective(config, reference),
            rollouts,
            config.train,
            folder=context.folder,
            on_step=report_steps(context.progress, _figures),
        ).run()
    return finish_training(context, policy, result, {})


def _figures(report: StepReport) -> dict[str, str]:
    metrics = report.metrics
    return {
        "reward": f"{metrics['rollout/reward_mean']:.2f}",
        "entropy": f"{metrics['policy/entropy_nats']:.2f}",
        "length": f"{metrics['rollout/completion_length_tokens']:.0f}",
        "tokens/s": f"{report.tokens_per_second:,.0f}",
    }
