"""Rollouts as a batch source: order, scoring, groups without spread, exact resume, and a policy that learns."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from better_ai.config import GRPOConfig, SamplingConfig, TrainingConfig
from better_ai.errors import ArtifactError, BetterAIError, UserError
from better_ai.inference import Engine
from better_ai.model import Transformer
from better_ai.rewards import RewardResult, Sample
from better_ai.rl import GRPOObjective, PolicyBatch, RolloutLog, RolloutSource
from better_ai.rl.rollouts import MAX_ROUNDS
from better_ai.rl.task_order import TaskOrder, sampling_seed
from better_ai.tasks import Task
from better_ai.training import Trainer

TRAIN = TrainingConfig(max_steps=6, batch_size=8, learning_rate=3e-3, lr_schedule="constant", bf16=False, num_threads=1)


class FunctionReward:
    """Scores by a function of the sample and remembers what it was asked."""

    def __init__(self, value: Callable[[Sample], float], lost: Callable[[Sample], bool] = lambda _: False) -> None:
        self.value, self.lost = value, lost
        self.asked: list[list[tuple[str, str]]] = []

    def score(self, samples: list[Sample]) -> list[RewardResult]:
        self.asked.append([(sample.task.id, sample.text) for sample in samples])
        return [self._result(sample) for sample in samples]

    def _result(self, sample: Sample) -> RewardResult:
        if self.lost(sample):
            return RewardResult.lost("the machine went away")
        value = self.value(sample)
        return RewardResult(value, {"digits": value})


def digit_tasks(count: int) -> list[Task]:
    return [Task(f"{n % 1000:03d}", f"{n % 1000:03d}", "", "", "", 0.0, ("reverse",)) for n in range(0, 37 * count, 37)]


def digits(task: Task) -> list[int]:
    return [int(digit) for digit in task.prompt]


def number(sample: Sample) -> float:
    """Differs between any two completions of a random policy."""
    return float(sample.text or -1)


def grpo(**changes: Any) -> GRPOConfig:
    settings = {"prompts_per_step": 3, "group_size": 4, "sampling": SamplingConfig(max_new_tokens=4), "train": TRAIN}
    return GRPOConfig(**(settings | changes))


def source(
    model: Transformer,
    tokenizer: Any,
    reward: Any,
    config: GRPOConfig,
    *,
    tasks: int = 10,
    log: RolloutLog | None = None,
) -> RolloutSource:
    return RolloutSource(Engine(model, tokenizer), digit_tasks(tasks), reward, config, encode_prompt=digits, log=log)


def prompts(batches: list[PolicyBatch]) -> list[list[int]]:
    """Of all groups, without their padding."""
    rows = [row for batch in batches for row in zip(batch.prompts_PS, batch.prompt_mask_PS, strict=True)]
    return [prompt[mask].tolist() for prompt, mask in rows]


def same(a: list[PolicyBatch], b: list[PolicyBatch]) -> bool:
    pairs = [(x, y) for i, j in zip(a, b, strict=True) for x, y in zip(vars(i).values(), vars(j).values(), strict=True)]
    return all(torch.equal(x, y) for x, y in pairs)


def test_every_epoch_visits_every_task_in_another_order() -> None:
    order = TaskOrder(7, seed=3)
    epochs = [[order[epoch * 7 + place] for place in range(7)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 4
    assert TaskOrder(7, seed=3)[23] == epochs[3][2]
    assert len({sampling_seed(seed, draw) for seed in range(10) for draw in range(100)}) == 1000


def test_micro_batches_hold_whole_groups_and_credit_sums_to_zero(model: Transformer, tokenizer: Any) -> None:
    batches = source(model, tokenizer, FunctionReward(number), grpo()).next_step()
    assert [(len(batch.prompts_PS), len(batch.completions_RT)) for batch in batches] == [(2, 8), (1, 4)]
    for batch in batches:
        groups_PG = batch.advantages_R.view(-1, 4)
        assert torch.allclose(groups_PG.sum(1), torch.zeros(len(groups_PG)), atol=1e-6)
        assert groups_PG.any(1).all()
        assert torch.equal(batch.behaviour_logprobs_RT < 0, batch.action_mask_RT)


def test_equal_texts_of_one_task_are_scored_once(model: Transformer, tokenizer: Any) -> None:
    reward = FunctionReward(number)
    rollouts = source(model, tokenizer, reward, grpo(sampling=SamplingConfig(max_new_tokens=1), group_size=32))
    rollouts.next_step()
    (asked,) = reward.asked
    assert len(asked) == len(set(asked)) <= 3 * 11 < 3 * 32


def test_a_lost_result_drops_its_whole_group_and_is_never_a_zero(model: Transformer, tokenizer: Any) -> None:
    whole = source(model, tokenizer, FunctionReward(number), grpo()).next_step()
    first = "".join(map(str, prompts(whole)[0]))
    victims: list[str] = []

    def lost(sample: Sample) -> bool:
        """One sample of the first task."""
        if sample.task.id == first and not victims:
            victims.append(sample.text)
        return sample.task.id == first and sample.text == victims[0]

    rollouts = source(model, tokenizer, FunctionReward(number, lost), grpo())
    rest = rollouts.next_step()
    assert prompts(rest) == prompts(whole)[1:]
    assert rollouts.step_metrics()["rollout/lost_groups"] == 1
    assert torch.equal(rest[0].advantages_R[4:], whole[1].advantages_R)


def test_nothing_scored_at_all_is_an_error(model: Transformer, tokenizer: Any) -> None:
    rollouts = source(model, tokenizer, FunctionReward(number, lost=lambda _: True), grpo())
    with pytest.raises(BetterAIError, match=f"lost for all {3 * MAX_ROUNDS} groups"):
        rollouts.next_step()


def test_groups_without_spread_are_dropped_and_counted(model: Transformer, tokenizer: Any) -> None:
    whole = source(model, tokenizer, FunctionReward(number), grpo()).next_step()
    flat = "".join(map(str, prompts(whole)[1]))
    reward = FunctionReward(lambda sample: 0.5 if sample.task.id == flat else number(sample))
    rollouts = source(model, tokenizer, reward, grpo())
    assert prompts(rollouts.next_step()) == [prompts(whole)[0], prompts(whole)[2]]
    metrics = rollouts.step_metrics()
    assert metrics["rollout/groups_without_spread_share"] == pytest.approx(1 / 3)
    assert (metrics["rollout/useful_groups"], metrics["rollout/rounds"]) == (2, 1)


def test_a_run_that_never_sees_spread_is_an_error(model: Transformer, tokenizer: Any) -> None:
    rollouts = source(model, tokenizer, FunctionReward(lambda _: 0.25), grpo())
    with pytest.raises(UserError, match=rf"in {MAX_ROUNDS} rounds of 3 tasks .* mean is 0\.25"):
        rollouts.next_step()


def test_a_rollout_without_spread_later_on_samples_more_and_then_stands_still(
    model: Transformer, tokenizer: Any
) -> None:
    open_rounds = {0, 3}
    reward = FunctionReward(lambda sample: number(sample) if len(reward.asked) - 1 in open_rounds else 1.0)
    rollouts = source(model, tokenizer, reward, grpo())
    rollouts.next_step()
    rollouts.next_step()
    assert (rollouts.step_metrics()["rollout/rounds"], rollouts.step_metrics()["rollout/useful_groups"]) == (3, 3)
    (still,) = rollouts.next_step()
    assert len(reward.asked) == 4 + MAX_ROUNDS
    assert rollouts.step_metrics()["rollout/useful_groups"] == 0
    objective = GRPOObjective(grpo())
    assert objective.weight(still) > 0
    objective(model, still).loss_sum.backward()
    assert not any(parameter.grad.any() for parameter in model.parameters() if parameter.grad is not None)


def test_one_rollout_feeds_several_updates(model: Transformer, tokenizer: Any) -> None:
    reward = FunctionReward(number)
    together = source(model, tokenizer, FunctionReward(number), grpo()).next_step()
    rollouts = source(model, tokenizer, reward, grpo(updates_per_rollout=2))
    parts = [rollouts.next_step(), rollouts.next_step()]
    assert len(reward.asked) == 1
    assert [len(prompts(part)) for part in parts] == [1, 2]
    assert prompts(parts[0]) + prompts(parts[1]) == prompts(together)


def test_state_continues_exactly_with_unconsumed_rollouts(model: Transformer, tokenizer: Any) -> None:
    config = grpo(updates_per_rollout=3)
    first = source(model, tokenizer, FunctionReward(number), config)
    for _ in range(4):
        first.next_step()
    state = first.state_dict()
    second = source(model, tokenizer, FunctionReward(number), config)
    second.load_state_dict(state)
    assert second.step_metrics() == first.step_metrics()
    for _ in range(5):
        assert same(first.next_step(), second.next_step())
    with pytest.raises(ArtifactError, match="other tasks"):
        source(model, tokenizer, FunctionReward(number), config, tasks=9).load_state_dict(state)


@pytest.mark.parametrize("stop_after", [1, 2, 3, 5])
def test_a_run_stopped_anywhere_ends_with_the_same_weights(
    new_model: Callable[..., Transformer], tokenizer: Any, tmp_path: Path, stop_after: int
) -> None:
    config = grpo(updates_per_rollout=2, kl_weight=0.05)

    def trainer(folder: Path, **options: Any) -> Trainer:
        policy = new_model()
        rollouts = source(policy, tokenizer, FunctionReward(number), config)
        return Trainer(policy, GRPOObjective(config, new_model()), rollouts, config.train, folder=folder, **options)

    whole = trainer(tmp_path / "whole")
    whole.run()
    steps: list[object] = []
    stopped = trainer(tmp_path / "stopped", on_step=steps.append, stop=lambda: len(steps) == stop_after)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    resumed = trainer(tmp_path / "stopped")
    resumed.run()
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_samples_are_logged_for_people_within_a_bound(model: Transformer, tokenizer: Any, tmp_path: Path) -> None:
    log = RolloutLog(tmp_path / "rollouts", keep=2)
    rollouts = source(model, tokenizer, FunctionReward(number), grpo(), log=log)
    for _ in range(5):
        rollouts.next_step()
    files = sorted(log.folder.iterdir())
    assert [file.name for file in files] == ["00000000.jsonl", "00000003.jsonl", "00000004.jsonl"]
    lines = [json.loads(line) for line in files[-1].read_text().splitlines()]
    assert len(lines) == 3 * 4
    assert lines[0].keys() >= {"task", "text", "reward", "parts", "advantage", "finish_reason"}


def test_metrics_name_every_part_of_the_reward_with_its_spread(model: Transformer, tokenizer: Any) -> None:
    rollouts = source(model, tokenizer, FunctionReward(number), grpo())
    rollouts.next_step()
    metrics = rollouts.step_metrics()
    assert metrics["reward/digits_mean"] == metrics["rollout/reward_mean"]
    assert metrics["reward/digits_group_std"] == metrics["rollout/reward_group_std"] > 0
    assert 0 <= metrics["rollout/truncated_share"] <= 1


def test_no_tasks_is_an_error(model: Transformer, tokenizer: Any) -> None:
    with pytest.raises(UserError, match="found 0"):
        RolloutSource(Engine(model, tokenizer), [], FunctionReward(number), grpo(), encode_prompt=lambda _: [1])


def test_a_policy_learns_to_count_on(new_model: Callable[..., Transformer], tokenizer: Any) -> None:
    """After 407 comes 890. The reward's constant part would drown its signal if advantages kept it."""
    policy = new_model(tie_embeddings=False)
    train = TRAIN.model_copy(update={"max_steps": 120, "batch_size": 128})
    config = grpo(prompts_per_step=16, group_size=8, sampling=SamplingConfig(max_new_tokens=3), train=train)

    def share_right(sample: Sample) -> float:
        last = digits(sample.task)[-1]
        answer = "".join(str((last + step) % 10) for step in (1, 2, 3))
        return 3 + sum(a == b for a, b in zip(sample.text, answer, strict=False)) / 3

    rewards: list[float] = []
    Trainer(
        policy,
        GRPOObjective(config),
        source(policy, tokenizer, FunctionReward(share_right), config, tasks=100),
        train,
        on_step=lambda report: rewards.append(report.metrics["rollout/reward_mean"] - 3),
    ).run()
    assert rewards[0] < 0.2
    assert sum(rewards[-5:]) / 5 > 0.8
