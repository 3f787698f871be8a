"""Steps: functions from a batch of documents to the batch that stays and the rows turned away."""

from better_ai.data.steps.duplicates import exact_duplicates
from better_ai.data.steps.gates import license_gate, python_syntax, quality_gate, size_limits
from better_ai.data.steps.near_duplicates import near_duplicates
from better_ai.data.steps.quality import Quality, score_python, score_quality

__all__ = [
    "Quality",
    "exact_duplicates",
    "license_gate",
    "near_duplicates",
    "python_syntax",
    "quality_gate",
    "score_python",
    "score_quality",
    "size_limits",
]
