"""Processes that share the micro-batches of a step: data parallelism on one machine's cores.

The weights lie in memory that all processes share, so a worker computes with the trainer's own; each worker leaves its
gradients in shared memory, and the trainer adds them to its own in a fixed order. There is one optimizer, one batch
source and one checkpoint, exactly as with one process, and the sum is the same up to rounding. On small models this
beats threads, which wait for each other at every operation: a process computes its part undisturbed.

Left out: more than one machine, and devices other than the CPU.
"""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor

from better_ai.errors import BetterAIError, ConfigError
from better_ai.model import Transformer
from better_ai.training.memory import freed_memory_kept
from better_ai.training.objective import Objective
from better_ai.training.step import accumulate_gradients

_JOIN_SECONDS = 10.0

Parcel = tuple[type, list[Any]]
"""A batch on its way to a worker: its class and its tensors as arrays."""


class GradientWorkers:
    """Use through `gradient_workers`. With no worker at all, it is the plain loop over micro-batches."""

    def __init__(self, model: Transformer, objective: Objective, count: int, num_threads: int) -> None:
        self._model, self._objective = model, objective
        self._connections: list[Connection] = []
        self._processes: list[Any] = []
        self._gradients: list[list[Tensor]] = []
        if count == 0:
            return
        context = multiprocessing.get_context("spawn")
        model.share_memory()
        for _ in range(count):
            gradients = [torch.zeros_like(parameter).share_memory_() for parameter in model.parameters()]
            mine, theirs = context.Pipe()
            arguments = (theirs, model, objective, gradients, num_threads)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._connections.append(mine)
            self._processes.append(process)
            self._gradients.append(gradients)

    def accumulate(self, batches: Sequence[Any], total: float) -> dict[str, Tensor]:
        """Leave the gradient of the step in the model's parameters; returns means as `accumulate_gradients` does.

        Raises BetterAIError when a worker fails or dies.
        """
        shares = len(self._connections) + 1
        try:
            for worker, connection in enumerate(self._connections, 1):
                connection.send(([_pack(batch) for batch in batches[worker::shares]], total))
            means = accumulate_gradients(self._model, self._objective, batches[::shares], total)
            answers = [connection.recv() for connection in self._connections]
        except (EOFError, ConnectionError):
            raise BetterAIError(
                "a process that computed gradients has died, most likely for want of memory; lower batch_size or "
                "num_processes and run the same command again"
            ) from None
        for answer, gradients in zip(answers, self._gradients, strict=True):
            if isinstance(answer, str):
                raise BetterAIError(
                    f"a process that computed gradients failed: {answer}; set num_processes=1 to see where"
                )
            for name, value in answer.items():
                means[name] = means.get(name, 0) + torch.tensor(value)
            self._add(gradients)
        return means

    def _add(self, gradients: list[Tensor]) -> None:
        for parameter, gradient in zip(self._model.parameters(), gradients, strict=True):
            if parameter.grad is None:
                parameter.grad = gradient.clone()
            else:
                parameter.grad += gradient

    def close(self) -> None:
        """End the workers; one that does not listen is killed."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join(_JOIN_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


@contextmanager
def gradient_workers(
    model: Transformer, objective: Objective, *, num_processes: int, num_threads: int
) -> Iterator[GradientWorkers]:
    """Workers for the block: `num_processes` in all, this one included, each computing with `num_threads`.

    Raises ConfigError for more than one process with a model that is not on the CPU.
    """
    if num_processes > 1 and not next(model.parameters()).is_cpu:
        raise ConfigError(f"num_processes={num_processes} shares a CPU's cores; set num_processes=1 on other devices")
    workers = GradientWorkers(model, objective, num_processes - 1, num_threads)
    try:
        yield workers
    finally:
        workers.close()


@freed_memory_kept()
def _serve(
    connection: Connection, model: Transformer, objective: Objective, gradients: list[Tensor], num_threads: int
) -> None:
    """A worker's life: take micro-batches, leave gradients, until the trainer hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the trainer's to handle; its end is ours
    torch.set_num_threads(num_threads)
    while True:
        try:
            parcels, total = connection.recv()
        except (EOFError, ConnectionError):
            return
        try:
            means = accumulate_gradients(model, objective, [_unpack(parcel) for parcel in parcels], total)
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                gradient.zero_() if parameter.grad is None else gradient.copy_(parameter.grad)
            model.zero_grad(set_to_none=True)
            answer: Any = {name: value.item() for name, value in means.items()}
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        connection.send(answer)


def _pack(batch: Any) -> Parcel:
    """Arrays are copied through the pipe; tensors would each take a shared-memory file."""
    return type(batch), [getattr(batch, field.name).numpy() for field in fields(batch)]


def _unpack(parcel: Parcel) -> Any:
    kind, arrays = parcel
    return kind(*(torch.from_numpy(array) for array in arrays))
