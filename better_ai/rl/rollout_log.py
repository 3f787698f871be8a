"""Samples on disk, for people to read."""

import json
from collections.abc import Iterable
from pathlib import Path

from better_ai.artifacts import atomic_write
from better_ai.rl.trajectory import Trajectory


class RolloutLog:
    """One file per rollout, `00000012.jsonl`, one line per sample; the first rollout and the newest ones are kept.

    A resumed run that samples a rollout again writes the same file again.
    """

    def __init__(self, folder: Path, *, keep: int = 50) -> None:
        self.folder = folder
        self._keep = keep

    def write(self, rollout: int, trajectories: Iterable[Trajectory]) -> None:
        """Raises ArtifactError when the disk refuses."""
        lines = [json.dumps(_record(trajectory), ensure_ascii=False) + "\n" for trajectory in trajectories]
        with atomic_write(self.folder / f"{rollout:08d}.jsonl") as temporary:
            temporary.write_text("".join(lines), "utf-8")
        for old in sorted(self.folder.glob("*.jsonl"))[1 : -self._keep]:
            old.unlink()


def _record(trajectory: Trajectory) -> dict[str, object]:
    return {
        "task": trajectory.task_id,
        "sample": trajectory.sample_index,
        "reward": trajectory.reward,
        "parts": trajectory.reward_parts,
        "why": trajectory.reward_why,
        "advantage": trajectory.advantage,
        "tokens": len(trajectory.tokens),
        "finish_reason": trajectory.finish_reason,
        "text": trajectory.text,
    }
