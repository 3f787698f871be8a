"""The GRPO objective against a naive definition: one plain forward pass per completion, Python loops, fp64."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch

from better_ai.config import GRPOConfig, ModelConfig, MoEConfig, SamplingConfig
from better_ai.errors import ConfigError
from better_ai.inference import Engine, Request, SamplingParams
from better_ai.model import Transformer
from better_ai.rl.batch import PolicyBatch
from better_ai.rl.objective import GRPOObjective
from better_ai.rl.trajectory import Trajectory

TEMPERATURE = 0.8


def grpo(**changes: Any) -> GRPOConfig:
    settings = {"sampling": SamplingConfig(temperature=TEMPERATURE, max_new_tokens=9), "clip_high": 0.28}
    return GRPOConfig(**(settings | changes))


def random_groups(num_groups: int = 3, group_size: int = 4, seed: int = 0) -> list[list[Trajectory]]:
    """Ragged prompts and completions, some tokens written by a tool, behaviour far enough away for clipping."""
    rng = np.random.default_rng(seed)
    groups = []
    for group_id in range(num_groups):
        prompt = tuple(rng.integers(0, 10, 2 + 3 * group_id).tolist())
        rows = []
        for sample_index in range(group_size):
            length = int(rng.integers(1, 10))
            mask = [True, *(rng.random(length - 1) > 0.25).tolist()]
            logprobs = np.where(mask, rng.normal(-2.4, 0.3, length), 0.0)
            rows.append(
                Trajectory(
                    task_id=str(group_id),
                    group_id=group_id,
                    sample_index=sample_index,
                    prompt_tokens=prompt,
                    tokens=tuple(rng.integers(0, 12, length).tolist()),
                    action_mask=tuple(mask),
                    behaviour_logprobs=tuple(np.float32(logprobs).tolist()),
                    finish_reason="length",
                    text="",
                    reward=0.0,
                    advantage=float(np.float32(rng.normal())),
                )
            )
        groups.append(rows)
    return groups


def exact_logits(model: Transformer, tokens: tuple[int, ...]) -> torch.Tensor:
    """logits_TV in fp64, which `ModelOutput.logits` rounds to fp32."""
    output = model(torch.tensor([tokens]))
    return output.hidden_BTD[0] @ output.head_weight_VD.T


def flat_logprobs(model: Transformer, row: Trajectory) -> torch.Tensor:
    logits_TV = exact_logits(model, row.prompt_tokens + row.tokens)[len(row.prompt_tokens) - 1 : -1]
    return (logits_TV / TEMPERATURE).log_softmax(-1)[torch.arange(len(row.tokens)), list(row.tokens)]


def naive_loss(
    model: Transformer, reference: Transformer, groups: list[list[Trajectory]], config: GRPOConfig
) -> torch.Tensor:
    rows = [row for group in groups for row in group]
    total = torch.zeros((), dtype=torch.float64)
    for row in rows:
        policy_T, reference_T = flat_logprobs(model, row), flat_logprobs(reference, row).detach()
        for step in range(len(row.tokens)):
            if not row.action_mask[step]:
                continue
            ratio = (policy_T[step] - row.behaviour_logprobs[step]).exp()
            bounded = ratio.clamp(1 - config.clip_low, 1 + config.clip_high)
            loss = -torch.minimum(ratio * row.advantage, bounded * row.advantage)
            difference = reference_T[step] - policy_T[step]
            loss = loss + config.kl_weight * ratio * (difference.exp() - difference - 1)
            total = total + (loss / sum(row.action_mask) if config.loss_normalization == "sequence" else loss)
    divisor = {
        "token": sum(sum(row.action_mask) for row in rows),
        "sequence": len(rows),
        "constant": len(rows) * config.sampling.max_new_tokens,
    }
    return total / divisor[config.loss_normalization]


def gradient(model: Transformer, loss: torch.Tensor) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def step_loss(objective: GRPOObjective, model: Transformer, batches: list[PolicyBatch]) -> torch.Tensor:
    """What the trainer does: the summed losses over the summed weights, known beforehand."""
    total = sum(objective.weight(batch) for batch in batches)
    return torch.stack([objective(model, batch).loss_sum for batch in batches]).sum() / total


@pytest.fixture
def in_fp64(model: Transformer) -> Transformer:
    model.compute_dtype = torch.float64
    return model.double()


@pytest.mark.parametrize("normalization", ["token", "sequence", "constant"])
@pytest.mark.parametrize("kl_weight", [0.0, 0.3])
def test_loss_and_gradient_equal_the_naive_definition(
    in_fp64: Transformer, normalization: str, kl_weight: float
) -> None:
    reference = copy.deepcopy(in_fp64)
    with torch.no_grad():
        reference.embedding.add_(0.05 * torch.randn(reference.embedding.shape, generator=torch.manual_seed(3)))
    config = grpo(loss_normalization=normalization, kl_weight=kl_weight)
    groups = random_groups()
    loss = step_loss(GRPOObjective(config, reference), in_fp64, [PolicyBatch.of(groups)])
    expected = naive_loss(in_fp64, reference, groups, config)
    assert torch.allclose(loss, expected, atol=1e-12, rtol=0)
    assert torch.allclose(gradient(in_fp64, loss), gradient(in_fp64, expected), atol=1e-12, rtol=0)


@pytest.mark.parametrize("normalization", ["token", "sequence", "constant"])
def test_the_gradient_does_not_depend_on_the_split_into_micro_batches(in_fp64: Transformer, normalization: str) -> None:
    objective = GRPOObjective(grpo(loss_normalization=normalization))
    groups = random_groups(4)
    gradients = [
        gradient(in_fp64, step_loss(objective, in_fp64, [PolicyBatch.of(groups[a:b]) for a, b in parts]))
        for parts in ([(0, 4)], [(0, 1), (1, 4)], [(0, 1), (1, 2), (2, 3), (3, 4)])
    ]
    assert torch.allclose(gradients[0], gradients[1], atol=1e-14, rtol=0)
    assert torch.allclose(gradients[0], gradients[2], atol=1e-14, rtol=0)


def test_zero_advantages_give_exactly_zero_gradient(model: Transformer) -> None:
    batch = PolicyBatch.of(random_groups())
    still = PolicyBatch(**(vars(batch) | {"advantages_R": torch.zeros_like(batch.advantages_R)}))
    assert not gradient(model, step_loss(GRPOObjective(grpo()), model, [still])).any()


def test_a_weight_of_zero_equals_no_reference_and_does_not_forward_it(model: Transformer) -> None:
    reference = copy.deepcopy(model)
    reference.register_forward_pre_hook(lambda *_: pytest.fail("the reference was forwarded"))
    batch = PolicyBatch.of(random_groups())
    with_reference = GRPOObjective(grpo(kl_weight=0), reference)(model, batch)
    without = GRPOObjective(grpo(kl_weight=0))(model, batch)
    assert torch.equal(with_reference.loss_sum, without.loss_sum)
    assert with_reference.metrics == without.metrics


def engine_groups(model: Transformer, tokenizer: Any) -> list[list[Trajectory]]:
    sampling = SamplingParams(temperature=TEMPERATURE, n=4, max_new_tokens=9, seed=5)
    requests = [Request((1, 2, 3), sampling, "a"), Request((4, 5, 6, 7, 8, 9), sampling, "b")]
    rows = [
        Trajectory(
            task_id=c.request_id,
            group_id=index // 4,
            sample_index=c.sample_index,
            prompt_tokens=requests[index // 4].prompt_tokens,
            tokens=c.tokens,
            action_mask=(True,) * len(c.tokens),
            behaviour_logprobs=c.logprobs,
            finish_reason=c.finish_reason,
            text=c.text,
            reward=0.0,
            advantage=[-1.0, 1.0, 0.5, -0.5][c.sample_index],
        )
        for index, c in enumerate(Engine(model, tokenizer).generate(requests))
    ]
    return [rows[:4], rows[4:]]


def test_on_the_first_update_the_ratio_is_one(model: Transformer, tokenizer: Any) -> None:
    batch = PolicyBatch.of(engine_groups(model, tokenizer))
    objective = GRPOObjective(grpo())
    metrics = objective(model, batch).metrics
    weight = objective.weight(batch)
    assert metrics["policy/ratio"] / weight == pytest.approx(1, abs=1e-6)
    assert metrics["policy/rollout_logprob_difference_nats"] / weight < 2e-6

    model.compute_dtype = torch.bfloat16  # training rounds, the rollout did not
    metrics = objective(model, batch).metrics
    assert 1e-5 < metrics["policy/rollout_logprob_difference_nats"] / weight < 0.03
    assert metrics["policy/ratio"] / weight == pytest.approx(1, abs=0.02)
    assert metrics["policy/clipped_low_share"] == metrics["policy/clipped_high_share"] == 0


def test_recorded_logprobs_correct_for_a_behaviour_policy_that_was_another_one(in_fp64: Transformer) -> None:
    """Exact expectation over all one-token completions: off-policy samples give the on-policy gradient."""
    prompt, rewards_V = (1, 2, 3), torch.linspace(-1, 1, 12, dtype=torch.float64)
    behaviour_V = torch.randn(12, generator=torch.manual_seed(0), dtype=torch.float64).log_softmax(-1)
    logits_V = exact_logits(in_fp64, prompt)[-1] / TEMPERATURE
    exact = gradient(in_fp64, -(logits_V.softmax(-1) * rewards_V).sum())
    groups = [
        [
            Trajectory(
                task_id="",
                group_id=0,
                sample_index=token,
                prompt_tokens=prompt,
                tokens=(token,),
                action_mask=(True,),
                behaviour_logprobs=(math.log(1 / 12),),
                finish_reason="length",
                text="",
                reward=0.0,
                advantage=1.0,
            )
            for token in range(12)
        ]
    ]
    batch = PolicyBatch.of(groups)
    behaviour_RT = behaviour_V[:, None].expand(batch.completions_RT.shape)
    batch = PolicyBatch(
        **(vars(batch) | {"behaviour_logprobs_RT": behaviour_RT, "advantages_R": rewards_V * behaviour_V.exp()})
    )
    objective = GRPOObjective(grpo(clip_low=0.999999, clip_high=1e9))
    found = gradient(in_fp64, objective(in_fp64, batch).loss_sum)
    assert torch.allclose(found, exact, atol=1e-12, rtol=0)


def test_experts_are_trained_with_their_balancing_loss() -> None:
    moe = MoEConfig(num_experts=4, expert_dim=16, aux_loss_weight=0.5)
    batch = PolicyBatch.of(random_groups())
    losses = []
    for aux_loss_weight in (0.5, 0.0):
        config = moe.model_copy(update={"aux_loss_weight": aux_loss_weight})
        model = Transformer(ModelConfig(vocab_size=12, hidden_dim=32, num_layers=2, num_attention_heads=4, moe=config))
        losses.append(GRPOObjective(grpo())(model, batch).loss_sum.item() / GRPOObjective(grpo()).weight(batch))
    assert 0.5 < losses[0] - losses[1] < 2  # 0.5 times the load-balancing loss, which is 1 when balanced and 4 at worst


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"sampling": SamplingConfig(temperature=0)}, "temperature=0"),
        ({"sampling": SamplingConfig(top_k=50)}, "top_k=50"),
        ({"sampling": SamplingConfig(top_p=0.9)}, r"top_p=0\.9"),
        ({"kl_weight": 0.1}, r"kl_weight=0\.1"),
    ],
)
def test_settings_that_bias_or_undo_the_gradient_are_refused(changes: dict[str, Any], shown: str) -> None:
    with pytest.raises(ConfigError, match=shown):
        GRPOObjective(grpo(**changes))
