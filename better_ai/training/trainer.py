"""The training loop, for every stage and every algorithm.

The trainer knows steps, gradients, schedules and checkpoints. What is learned is the objective's business, what it is
learned from the batch source's; neither is named here. One machine and one device, whose cores `num_processes` may
share: sharded training is refused.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from better_ai.config import TrainingConfig
from better_ai.errors import ConfigError
from better_ai.model import Transformer
from better_ai.training.checkpoint import Checkpoint, CheckpointFolder
from better_ai.training.gradient_workers import GradientWorkers, gradient_workers
from better_ai.training.interrupt import deferred_interrupt
from better_ai.training.memory import PeakMemory, freed_memory_kept
from better_ai.training.metrics import MetricsLog
from better_ai.training.objective import Objective
from better_ai.training.optim import Optimizers
from better_ai.training.precision import compute_dtype
from better_ai.training.randomness import kept_rng, rng_state, seed_rng, set_rng_state
from better_ai.training.result import StepReport, TrainingResult
from better_ai.training.schedule import lr_multiplier
from better_ai.training.sources import BatchSource, ReportingSource
from better_ai.training.step import finish_gradients, finite, step_weight
from better_ai.training.threads import torch_threads

log = logging.getLogger(__name__)

_FREE_SETTINGS = {
    "bf16", "num_threads", "checkpoint_every_steps", "keep_checkpoints", "validate_every_steps", "log_every_steps",
    "distributed_backend",
}  # fmt: skip
"""May change when a run is resumed. None alters what is computed, except `bf16`, whose outcome is compared
instead, and `num_threads`, whose change is logged."""


class Trainer:
    """Train `model` in place for `config.max_steps` optimizer steps.

    With a `folder`, the run writes `checkpoints/` and `metrics.jsonl` there and, when it finds checkpoints, continues
    from the newest: killed at any moment and run again, it ends with the same bits as a run left alone, on the same
    machine with the same number of threads. `validate` is called on the model every `validate_every_steps` and after
    the last step, without gradients and without effect on the random state; `on_step` after every step; `stop` before
    every step, and when it returns true the run ends as by Ctrl-C.
    """

    def __init__(
        self,
        model: Transformer,
        objective: Objective[Any],
        batches: BatchSource[Any],
        config: TrainingConfig,
        *,
        folder: Path | None = None,
        validate: Callable[[Transformer], dict[str, float]] | None = None,
        on_step: Callable[[StepReport], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        if config.distributed_backend != "none":
            raise ConfigError(
                f"distributed_backend={config.distributed_backend!r}, but this version trains on one machine; "
                "set distributed_backend='none', and num_processes to use more of its cores"
            )
        self.model, self.objective, self.batches, self.config = model, objective, batches, config
        self.validate, self.on_step, self.stop = validate, on_step, stop
        self._device = next(model.parameters()).device
        self._dtype = compute_dtype(config.bf16, self._device)
        self._so_far = TrainingResult()
        self._metrics = MetricsLog(folder / "metrics.jsonl") if folder else None
        self._checkpoints = (
            CheckpointFolder(folder / "checkpoints", identity=self._identity(), keep=config.keep_checkpoints)
            if folder
            else None
        )

    def run(self) -> TrainingResult:
        """Train to the last step; a run that is already there returns its result.

        Raises KeyboardInterrupt when stopped, after the step under way and its checkpoint; UserError for a step with
        nothing to learn from; BetterAIError when the loss or gradient stops being finite; ArtifactError for a damaged
        or foreign checkpoint and for a full disk.
        """
        with (
            freed_memory_kept(),
            torch_threads(self.config.num_threads, self.config.num_processes) as threads,
            _computing_in(self.model, self._dtype),
            deferred_interrupt() as interrupt,
            PeakMemory() as peak,
            self._gradient_workers(threads) as workers,
        ):
            self._begin(threads)
            meter = _Meter(self._so_far, peak)
            while self._so_far.steps < self.config.max_steps:
                if interrupt.pressed or (self.stop and self.stop()):
                    meter.read()
                    self._save(threads)
                    raise KeyboardInterrupt
                self._take_step(workers)
                if self._due(self.config.validate_every_steps):
                    self._run_validation()
                meter.read()
                if self._due(self.config.checkpoint_every_steps):
                    self._save(threads)
        return self._so_far

    def _gradient_workers(self, threads: int) -> AbstractContextManager[GradientWorkers]:
        processes = self.config.num_processes
        return gradient_workers(self.model, self.objective, num_processes=processes, num_threads=threads)

    def _take_step(self, workers: GradientWorkers) -> None:
        so_far, config = self._so_far, self.config
        began = time.perf_counter()
        step = so_far.steps + 1
        batches = self.batches.next_step()
        means = workers.accumulate(batches, step_weight(self.objective, batches, step=step))
        values = finish_gradients(self.model, means, grad_clip=config.grad_clip, step=step)
        multiplier = lr_multiplier(step, config)
        self._optimizers.step(multiplier)
        tokens = sum(batch.num_tokens for batch in batches)
        so_far.steps, so_far.tokens = step, so_far.tokens + tokens
        metrics = values.metrics
        if isinstance(self.batches, ReportingSource):
            metrics |= finite(self.batches.step_metrics())
        report = StepReport(
            step=step,
            max_steps=config.max_steps,
            loss=values.loss,
            learning_rate=config.learning_rate * multiplier,
            grad_norm=values.grad_norm,
            tokens=so_far.tokens,
            tokens_per_second=tokens / (time.perf_counter() - began),
            metrics=metrics,
        )
        so_far.metrics = report.record()
        if self._metrics and self._due(config.log_every_steps):
            self._metrics.write(step, so_far.metrics)
        if self.on_step:
            self.on_step(report)

    def _due(self, every_steps: int) -> bool:
        """Whether something that happens every so many steps (0: never) and after the last one happens now."""
        step = self._so_far.steps
        return step == self.config.max_steps or (every_steps > 0 and step % every_steps == 0)

    def _run_validation(self) -> None:
        if self.validate is None:
            return
        with torch.no_grad(), kept_rng():
            values = finite(self.validate(self.model))
        self._so_far.validation.append({"step": self._so_far.steps, **values})
        if self._metrics:
            self._metrics.write(self._so_far.steps, values)

    def _begin(self, threads: int) -> None:
        """Resume from the newest checkpoint, or start from the seed."""
        self._so_far = TrainingResult()
        newton_schulz_dtype = compute_dtype("auto", self._device)
        self._optimizers = Optimizers(self.model, self.config, newton_schulz_dtype=newton_schulz_dtype)
        self.model.zero_grad(set_to_none=True)
        checkpoint = self._checkpoints.load_newest() if self._checkpoints else None
        if checkpoint is None:
            seed_rng(self.config.seed)
        else:
            self._restore(checkpoint)
            log.info("continuing after step %d of %d", self._so_far.steps, self.config.max_steps)
            if checkpoint.num_threads != threads:
                log.warning("begun with %d threads and continued with %d: the last bits may differ from those of a run "
                            "left alone", checkpoint.num_threads, threads)  # fmt: skip
        if self._metrics:
            self._metrics.drop_after(self._so_far.steps)

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.model.load_state_dict(checkpoint.model)
        self._optimizers.load_state_dict(checkpoint.optimizers)
        self.batches.load_state_dict(checkpoint.batches)
        set_rng_state(checkpoint.rng)
        self._so_far = checkpoint.so_far

    def _save(self, threads: int) -> None:
        if self._checkpoints is None or self._metrics is None:
            return
        self._metrics.flush()
        self._checkpoints.save(
            Checkpoint(
                so_far=self._so_far,
                model=self.model.state_dict(),
                optimizers=self._optimizers.state_dict(),
                batches=self.batches.state_dict(),
                rng=rng_state(),
                num_threads=threads,
            )
        )

    def _identity(self) -> dict[str, Any]:
        """What must be the same when a run is resumed."""
        return {
            "train": self.config.model_dump(mode="json", exclude=_FREE_SETTINGS),
            "model": self.model.config.model_dump(mode="json"),
            "objective": type(self.objective).__name__,
            "compute_dtype": str(self._dtype).removeprefix("torch."),
        }


class _Meter:
    """Adds the time passed since its last reading, and the peak of memory, to a result."""

    def __init__(self, result: TrainingResult, peak: PeakMemory) -> None:
        self._result, self._peak = result, peak
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self._result.seconds += wall - self._wall
        self._result.cpu_seconds += cpu - self._cpu
        self._result.peak_memory_bytes = max(self._result.peak_memory_bytes, self._peak.bytes)
        self._wall, self._cpu = wall, cpu


@contextmanager
def _computing_in(model: Transformer, dtype: torch.dtype) -> Iterator[None]:
    """Let the model's activations have that dtype inside the block."""
    before = model.compute_dtype
    model.compute_dtype = dtype
    try:
        yield
    finally:
        model.compute_dtype = before
