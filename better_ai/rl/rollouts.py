"""Rollouts as a source of batches: the policy samples, rewards judge, groups become optimizer steps."""

import itertools
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from better_ai.artifacts import content_id
from better_ai.config import GRPOConfig
from better_ai.errors import ArtifactError, BetterAIError, UserError
from better_ai.inference import Engine, Request, SamplingParams
from better_ai.rewards import Reward
from better_ai.rl.batch import PolicyBatch
from better_ai.rl.groups import DrawnTask, Group, score, with_credit
from better_ai.rl.rollout_log import RolloutLog
from better_ai.rl.task_order import TaskOrder, sampling_seed
from better_ai.rl.trajectory import Trajectory
from better_ai.tasks import Task

MAX_ROUNDS = 5
"""Rounds of sampling for one rollout, each with the next tasks, while no group's rewards differ."""


@dataclass
class _Tally:
    """What the rounds of one rollout brought."""

    groups: list[Group] = field(default_factory=list)
    useful: list[Group] = field(default_factory=list)
    lost: int = 0
    rounds: int = 0


class RolloutSource:
    """A `BatchSource` that samples `group_size` completions of `prompts_per_step` tasks and scores them.

    A group whose rewards are all equal has no policy gradient; it is counted and dropped, and with it its KL term. If
    no group is left, the next tasks are sampled, up to `MAX_ROUNDS` rounds. If there is still none, the step is taken
    on one such group, so with a policy gradient of exactly zero, and recorded as `rollout/useful_groups` 0; but a run
    in which no group ever had spread is an error, since it would train on nothing.

    With `updates_per_rollout` above 1 the groups of a rollout are split into that many optimizer steps, or as many as
    there are groups. Micro-batches hold whole groups, at least one, and as many as fit in `train.batch_size` rows.

    Args:
        engine: holds the policy; sampled with its weights as they are at each rollout.
        tasks: visited once per epoch, each time in another order.
        reward: scores the texts.
        config: `train.seed` fixes the order of the tasks and all samples.
        encode_prompt: the prompt tokens of a task, as the policy was taught to expect them.
        log: keeps samples for people to read.
    """

    def __init__(
        self,
        engine: Engine,
        tasks: Sequence[Task],
        reward: Reward,
        config: GRPOConfig,
        *,
        encode_prompt: Callable[[Task], Sequence[int]],
        log: RolloutLog | None = None,
    ) -> None:
        if not tasks:
            raise UserError("there are no tasks to train on (found 0): generate some or widen the split")
        self._engine = engine
        self._tasks = tasks
        self._reward = reward
        self._config = config
        self._encode_prompt = encode_prompt
        self._log = log
        self._order = TaskOrder(len(tasks), config.train.seed)
        self._tasks_id = content_id([[task.id, task.prompt, task.tests] for task in tasks])
        self._draws = 0
        self._rollouts = 0
        self._ever_useful = False
        self._pending: deque[list[Group]] = deque()
        self._metrics: dict[str, float] = {}

    def next_step(self) -> list[PolicyBatch]:
        """The micro-batches of one optimizer step, from a new rollout when the last one is used up.

        Raises UserError when no group of the run ever had spread, BetterAIError when all scoring was lost.
        """
        if not self._pending:
            self._pending.extend(self._roll_out())
        groups = self._pending.popleft()
        size = max(1, self._config.train.batch_size // self._config.group_size)
        return [PolicyBatch.of(groups[start : start + size]) for start in range(0, len(groups), size)]

    def step_metrics(self) -> dict[str, float]:
        """Of the rollout that the last step came from."""
        return self._metrics

    def state_dict(self) -> dict[str, Any]:
        return {
            "tasks": self._tasks_id,
            "draws": self._draws,
            "rollouts": self._rollouts,
            "ever_useful": self._ever_useful,
            "metrics": dict(self._metrics),
            "pending": [[[asdict(row) for row in group] for group in step] for step in self._pending],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises ArtifactError when the state belongs to other tasks."""
        if state["tasks"] != self._tasks_id:
            raise ArtifactError(
                "the checkpoint's rollouts come from other tasks than those given now; "
                "resume with the same tasks or start a new run"
            )
        self._draws = state["draws"]
        self._rollouts = state["rollouts"]
        self._ever_useful = state["ever_useful"]
        self._metrics = dict(state["metrics"])
        self._pending = deque(
            [tuple(Trajectory(**row) for row in group) for group in step] for step in state["pending"]
        )

    def _roll_out(self) -> list[list[Group]]:
        """Optimizer steps, each a list of groups."""
        tally = _Tally()
        while not tally.useful and tally.rounds < MAX_ROUNDS:
            self._add_round(tally)
        self._ever_useful |= bool(tally.useful)
        self._require_something(tally)
        self._metrics = _metrics(tally)
        if self._log:
            self._log.write(self._rollouts, (row for group in tally.groups for row in group))
        self._rollouts += 1
        return _split(tally.useful or tally.groups[:1], self._config.updates_per_rollout)

    def _add_round(self, tally: _Tally) -> None:
        draws = [self._draw(self._draws + index) for index in range(self._config.prompts_per_step)]
        self._draws += len(draws)
        completions = self._engine.generate([draw.request for draw in draws])
        groups, lost = score(draws, completions, self._reward)
        credited, spread = with_credit(groups, normalize_std=self._config.normalize_std)
        tally.groups += credited
        tally.useful += [group for group, differs in zip(credited, spread, strict=True) if differs]
        tally.lost += lost
        tally.rounds += 1

    def _draw(self, number: int) -> DrawnTask:
        task, config = self._tasks[self._order[number]], self._config
        seed = sampling_seed(config.train.seed, number)
        sampling = SamplingParams.from_config(config.sampling, n=config.group_size, seed=seed)
        return DrawnTask(number, task, Request(tuple(self._encode_prompt(task)), sampling, id=task.id))

    def _require_something(self, tally: _Tally) -> None:
        if not tally.groups:
            raise BetterAIError(
                f"scoring was lost for all {tally.lost} groups in {tally.rounds} rounds; "
                "see the reward's log, mend what runs the tests, and continue from the last checkpoint"
            )
        if not self._ever_useful:
            mean = statistics.fmean(row.reward for group in tally.groups for row in group)
            raise UserError(
                f"nothing to learn: in {tally.rounds} rounds of {self._config.prompts_per_step} tasks no group of "
                f"{self._config.group_size} samples had rewards that differ (their mean is {mean:.3g}); "
                "the tasks are too hard or too easy for this policy, or the reward cannot tell its answers apart"
            )


def _split(groups: list[Group], parts: int) -> list[list[Group]]:
    """At most `parts` runs of groups, in order, whose lengths differ by one at most; none is empty."""
    parts = min(parts, len(groups))
    bounds = [len(groups) * part // parts for part in range(parts + 1)]
    return [groups[start:stop] for start, stop in itertools.pairwise(bounds)]


def _metrics(tally: _Tally) -> dict[str, float]:
    """Of one rollout, over all groups that were scored."""
    rows = [row for group in tally.groups for row in group]
    metrics = {
        "rollout/reward_mean": statistics.fmean(row.reward for row in rows),
        "rollout/reward_group_std": _group_std(tally.groups, lambda row: row.reward),
        "rollout/useful_groups": float(len(tally.useful)),
        "rollout/groups_without_spread_share": 1 - len(tally.useful) / len(tally.groups),
        "rollout/lost_groups": float(tally.lost),
        "rollout/rounds": float(tally.rounds),
        "rollout/completion_length_tokens": statistics.fmean(len(row.tokens) for row in rows),
        "rollout/truncated_share": statistics.fmean(row.finish_reason == "length" for row in rows),
    }
    for name in sorted({name for row in rows for name in row.reward_parts}):

        def part(row: Trajectory, name: str = name) -> float:
            return row.reward_parts.get(name, 0.0)

        metrics[f"reward/{name}_mean"] = statistics.fmean(map(part, rows))
        metrics[f"reward/{name}_group_std"] = _group_std(tally.groups, part)
    return metrics


def _group_std(groups: list[Group], value: Callable[[Trajectory], float]) -> float:
    """Mean over groups of the standard deviation within the group."""
    return statistics.fmean(statistics.stdev(map(value, group)) for group in groups)
