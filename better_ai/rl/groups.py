"""From completions to groups with rewards and credit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from better_ai.inference import Completion, Request
from better_ai.rewards import Reward, RewardResult, Sample
from better_ai.rl.advantages import group_advantages, has_spread
from better_ai.rl.trajectory import Trajectory
from better_ai.tasks import Task

Group = tuple[Trajectory, ...]
"""All samples of one prompt, in order."""


@dataclass(frozen=True, slots=True)
class DrawnTask:
    """One prompt of a rollout: the task, the engine's request, and the number of the draw within the run."""

    number: int
    task: Task
    request: Request


def score(draws: Sequence[DrawnTask], completions: Sequence[Completion], reward: Reward) -> tuple[list[Group], int]:
    """The groups with their rewards, and how many were lost.

    `completions` holds `n` samples of each draw, in order. Equal texts for one task are scored once. A group of which
    one result was lost (the scoring itself failed) is dropped whole: a reward of 0 would blame the policy for it, and
    a part of a group has another baseline.
    """
    samples: dict[tuple[str, str], Sample] = {}
    grouped = list(_grouped(draws, completions))
    for draw, group in grouped:
        for completion in group:
            samples.setdefault((draw.task.id, completion.text), Sample(draw.task, completion.text))
    results = dict(zip(samples, reward.score(list(samples.values())), strict=True))
    groups = []
    for draw, group in grouped:
        scored = [(completion, results[draw.task.id, completion.text]) for completion in group]
        if not any(result.status == "lost" for _, result in scored):
            groups.append(tuple(_trajectory(draw, completion, result) for completion, result in scored))
    return groups, len(grouped) - len(groups)


def with_credit(groups: Sequence[Group], *, normalize_std: bool) -> tuple[list[Group], list[bool]]:
    """The same groups with advantages, and whether the rewards of each differ."""
    if not groups:
        return [], []
    rewards_PG = torch.tensor([[sample.reward for sample in group] for group in groups], dtype=torch.float64)
    advantages = group_advantages(rewards_PG, normalize_std=normalize_std).tolist()
    credited = [
        tuple(replace(sample, advantage=advantage) for sample, advantage in zip(group, row, strict=True))
        for group, row in zip(groups, advantages, strict=True)
    ]
    return credited, has_spread(rewards_PG).tolist()


def _grouped(
    draws: Sequence[DrawnTask], completions: Sequence[Completion]
) -> Iterable[tuple[DrawnTask, Sequence[Completion]]]:
    start = 0
    for draw in draws:
        stop = start + draw.request.sampling.n
        yield draw, completions[start:stop]
        start = stop
    assert start == len(completions)


def _trajectory(draw: DrawnTask, completion: Completion, result: RewardResult) -> Trajectory:
    return Trajectory(
        task_id=draw.task.id,
        group_id=draw.number,
        sample_index=completion.sample_index,
        prompt_tokens=draw.request.prompt_tokens,
        tokens=completion.tokens,
        action_mask=(True,) * len(completion.tokens),
        behaviour_logprobs=completion.logprobs,
        finish_reason=completion.finish_reason,
        text=completion.text,
        reward=result.value,
        reward_parts=dict(result.parts),
        reward_why=result.why,
    )
