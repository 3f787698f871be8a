"""Secrets and personal data: where they stand, and what is done about them."""

from better_ai.data.steps.privacy.spans import Span, mask, placeholder
from better_ai.data.steps.privacy.step import SECRET_KINDS, find_private, privacy

__all__ = ["SECRET_KINDS", "Span", "find_private", "mask", "placeholder", "privacy"]
