"""Group-normalised advantages and generalised advantage estimation."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from better_ai.rl.advantages import STD_FLOOR, gae, group_advantages, has_spread

rewards = st.lists(st.floats(-10, 10, width=32), min_size=8, max_size=8).map(
    lambda values: torch.tensor(values, dtype=torch.float64).view(2, 4)
)


@given(rewards_PG=rewards, normalize_std=st.booleans())
def test_each_group_sums_to_zero(rewards_PG: torch.Tensor, normalize_std: bool) -> None:
    advantages_PG = group_advantages(rewards_PG, normalize_std=normalize_std)
    assert torch.allclose(advantages_PG.sum(1), torch.zeros(2, dtype=torch.float64), atol=1e-9)


@given(value=st.floats(-1e6, 1e6), normalize_std=st.booleans())
def test_equal_rewards_give_exactly_zero(value: float, normalize_std: bool) -> None:
    rewards_PG = torch.full((1, 7), value)
    assert not has_spread(rewards_PG).any()
    assert torch.equal(group_advantages(rewards_PG, normalize_std=normalize_std), torch.zeros(1, 7))


@given(rewards_PG=rewards, shift=st.integers(-64, 64))
def test_a_constant_added_to_every_reward_changes_nothing(rewards_PG: torch.Tensor, shift: int) -> None:
    shifted = group_advantages(rewards_PG + shift, normalize_std=False)
    assert torch.allclose(shifted, group_advantages(rewards_PG, normalize_std=False), atol=1e-9)


def test_division_is_by_the_unbiased_deviation_plus_the_floor() -> None:
    rewards_PG = torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    expected = (1 - 0.25) / (((0.75**2 + 3 * 0.25**2) / 3) ** 0.5 + STD_FLOOR)
    assert abs(float(group_advantages(rewards_PG, normalize_std=True)[0, 0]) - expected) < 1e-12


def test_gae_without_a_critic_is_the_terminal_reward_at_every_step_hence_grpo() -> None:
    terminal_R = torch.tensor([1.0, 0.0, 3.0, 0.5], dtype=torch.float64)
    rewards_RT = torch.zeros(4, 6, dtype=torch.float64)
    rewards_RT[:, -1] = terminal_R
    per_token_RT = gae(rewards_RT)
    assert torch.equal(per_token_RT, terminal_R[:, None].expand(-1, 6))
    grpo_R = group_advantages(terminal_R[None], normalize_std=True)[0]
    for step in range(6):
        assert torch.equal(group_advantages(per_token_RT[None, :, step], normalize_std=True)[0], grpo_R)


def test_gae_limits_are_monte_carlo_and_temporal_difference() -> None:
    generator = torch.Generator().manual_seed(1)
    rewards_BT = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    values_BT = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    returns_BT = rewards_BT.flip(1).cumsum(1).flip(1)
    assert torch.allclose(gae(rewards_BT, values_BT), returns_BT - values_BT)
    next_BT = torch.cat([values_BT[:, 1:], torch.zeros(3, 1, dtype=torch.float64)], 1)
    td_BT = gae(rewards_BT, values_BT, discount=0.9, trace_decay=0.0)
    assert torch.allclose(td_BT, rewards_BT + 0.9 * next_BT - values_BT)


def test_trace_decay_below_one_discounts_early_tokens() -> None:
    rewards_BT = torch.tensor([[0.0, 0.0, 0.0, 0.0, 3.0]])
    assert torch.allclose(gae(rewards_BT, trace_decay=0.95)[0], 3 * 0.95 ** torch.arange(4, -1, -1))
