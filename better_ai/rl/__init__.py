"""Reinforcement learning: rollouts, credit, and policy objectives for the one training loop."""

from better_ai.rl.advantages import gae, group_advantages, has_spread
from better_ai.rl.batch import PolicyBatch
from better_ai.rl.objective import GRPOObjective
from better_ai.rl.policy_loss import clipped_surrogate, kl_estimate, normalizer, token_weights
from better_ai.rl.rollout_log import RolloutLog
from better_ai.rl.rollouts import RolloutSource
from better_ai.rl.trajectory import Trajectory

__all__ = [
    "GRPOObjective",
    "PolicyBatch",
    "RolloutLog",
    "RolloutSource",
    "Trajectory",
    "clipped_surrogate",
    "gae",
    "group_advantages",
    "has_spread",
    "kl_estimate",
    "normalizer",
    "token_weights",
]
