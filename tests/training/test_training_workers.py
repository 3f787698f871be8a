"""Several processes on the micro-batches of a step: the same gradients as one process, always the same bits."""

from collections.abc import Iterator

import pytest
import torch
from byte_batches import ByteBatches, tiny_model

from better_ai.errors import BetterAIError
from better_ai.model import Transformer
from better_ai.training import CausalLMObjective
from better_ai.training.gradient_workers import GradientWorkers, gradient_workers
from better_ai.training.step import accumulate_gradients


class FailingObjective(CausalLMObjective):
    """Works on whole batches of four rows, fails on others."""

    def __call__(self, model, batch):  # type: ignore[no-untyped-def]
        if batch.num_tokens < 90:
            raise ValueError("a batch too small for this objective")
        return super().__call__(model, batch)


@pytest.fixture(scope="module")
def model() -> Transformer:
    return tiny_model(zero_init_residual=False)


@pytest.fixture(scope="module")
def workers(model: Transformer) -> Iterator[GradientWorkers]:
    with gradient_workers(model, CausalLMObjective(), num_processes=2, num_threads=1) as workers:
        yield workers


def gradients_of(model: Transformer) -> list[torch.Tensor]:
    gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad(set_to_none=True)
    return gradients


@pytest.mark.parametrize("micro_rows", [1, 2, 4])
def test_two_processes_find_the_gradient_of_one(model: Transformer, workers: GradientWorkers, micro_rows: int) -> None:
    batches = ByteBatches(rows=4, length=24, micro_rows=micro_rows).next_step()
    means = workers.accumulate(batches, 96.0)
    shared = gradients_of(model)
    alone = accumulate_gradients(model, CausalLMObjective(), batches, 96.0)
    for one, other in zip(shared, gradients_of(model), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(means, alone)
    again = workers.accumulate(batches, 96.0)
    assert again == means
    assert all(torch.equal(one, other) for one, other in zip(shared, gradients_of(model), strict=True))


def test_workers_see_the_weights_change(model: Transformer, workers: GradientWorkers) -> None:
    batches = ByteBatches(rows=2, length=24, micro_rows=1).next_step()
    before = workers.accumulate(batches, 48.0)["loss"]
    gradients_of(model)
    with torch.no_grad():
        model.embedding.mul_(3)
    after = workers.accumulate(batches, 48.0)["loss"]
    gradients_of(model)
    torch.testing.assert_close(after, accumulate_gradients(model, CausalLMObjective(), batches, 48.0)["loss"])
    gradients_of(model)
    assert after != before


def test_a_failure_and_a_death_are_told() -> None:
    with gradient_workers(tiny_model(), FailingObjective(), num_processes=2, num_threads=1) as workers:
        whole = ByteBatches(rows=4, length=24, micro_rows=4).next_step()
        small = ByteBatches(rows=2, length=24, micro_rows=2).next_step()
        with pytest.raises(BetterAIError, match="ValueError: a batch too small for this objective"):
            workers.accumulate([*whole, *small], 96.0)
        workers._processes[0].kill()
        with pytest.raises(BetterAIError, match="has died"):
            workers.accumulate([*whole, *whole], 192.0)
