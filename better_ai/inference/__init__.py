"""The generation engine: from a model and prompts to sampled tokens and text."""

from better_ai.inference.engine import Engine
from better_ai.inference.types import Completion, FinishReason, Request, SamplingParams, TextDelta

__all__ = ["Completion", "Engine", "FinishReason", "Request", "SamplingParams", "TextDelta"]
