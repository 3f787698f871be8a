"""The main job: stages in order, resumable, with a summary and a report at the end."""

from better_ai.pipeline.data_job import run_data_recipe
from better_ai.pipeline.main_job import STAGES, run_main_job
from better_ai.pipeline.run import run_stages
from better_ai.pipeline.stage import Progress, Silent, Stage, StageContext, StageResult
from better_ai.pipeline.summary import summarize

__all__ = [
    "STAGES",
    "Progress",
    "Silent",
    "Stage",
    "StageContext",
    "StageResult",
    "run_data_recipe",
    "run_main_job",
    "run_stages",
    "summarize",
]
