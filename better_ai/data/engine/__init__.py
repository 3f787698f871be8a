"""The engine of a build: phases over shards, and who runs them."""

from better_ai.data.engine.executor import Executor, InlineExecutor
from better_ai.data.engine.phase import DONE, OnProgress, Phases, ShardResult, ShardTask

__all__ = ["DONE", "Executor", "InlineExecutor", "OnProgress", "Phases", "ShardResult", "ShardTask"]
