"""Rewards: one protocol, and the reward that nothing but running the tests decides."""

from better_ai.rewards.execution import ExecutionReward, Judge
from better_ai.rewards.extract import extract_code, program_of
from better_ai.rewards.reward import Reward, RewardResult, Sample

__all__ = ["ExecutionReward", "Judge", "Reward", "RewardResult", "Sample", "extract_code", "program_of"]
