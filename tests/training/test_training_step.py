import pytest
import torch
from byte_batches import ByteBatches, tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from better_ai.config import MoEConfig
from better_ai.errors import BetterAIError, UserError
from better_ai.model import Transformer
from better_ai.training import CausalLMObjective, TokenBatch
from better_ai.training.step import accumulate_gradients, finish_gradients, step_weight


def ragged_batch(lengths: list[int], length: int = 24) -> TokenBatch:
    (batch,) = ByteBatches(rows=len(lengths), length=length, micro_rows=len(lengths)).next_step()
    mask = torch.arange(length) < torch.tensor(lengths)[:, None]
    return TokenBatch(batch.tokens_BT, batch.targets_BT, mask, batch.positions_BT, batch.segment_ids_BT)


def gradients(model: Transformer, batches: list[TokenBatch]) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    model.zero_grad(set_to_none=True)
    objective = CausalLMObjective()
    means = accumulate_gradients(model, objective, batches, step_weight(objective, batches, step=1))
    return [parameter.grad for parameter in model.parameters()], means


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 24), min_size=8, max_size=8).filter(any))
def test_the_gradient_does_not_depend_on_the_split(lengths: list[int]) -> None:
    model = tiny_model(zero_init_residual=False)
    batch = ragged_batch(lengths)
    whole, whole_means = gradients(model, [batch])
    for rows in (4, 3, 1):
        split, split_means = gradients(model, batch.split(rows))
        for one, other in zip(whole, split, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(whole_means, split_means, atol=1e-5, rtol=1e-5)


def test_the_loss_is_the_mean_over_the_marked_targets_of_plain_cross_entropy() -> None:
    model = tiny_model(zero_init_residual=False)
    batch = ragged_batch([24, 3, 0, 11])
    _, means = gradients(model, batch.split(1))
    logits = model(batch.tokens_BT, positions_BT=batch.positions_BT, segment_ids_BT=batch.segment_ids_BT).logits
    mask = batch.loss_mask_BT
    torch.testing.assert_close(means["loss"], torch.nn.functional.cross_entropy(logits[mask], batch.targets_BT[mask]))
    assert means["train/cross_entropy_nats"] == means["loss"]


def test_auxiliary_losses_join_as_the_weighted_mean_over_micro_batches() -> None:
    def moe_model(weight: float) -> Transformer:
        return tiny_model(
            moe=MoEConfig(num_experts=4, aux_loss_weight=weight, z_loss_weight=weight), zero_init_residual=False
        )

    batch = ragged_batch([24, 24, 7, 2])
    _, means = gradients(moe_model(0.5), batch.split(2))
    auxiliary = 0.5 * (means["moe/load_balance_loss"] + means["moe/router_z_loss"])
    torch.testing.assert_close(means["loss"], means["train/cross_entropy_nats"] + auxiliary)
    halves = [gradients(moe_model(0.5), [half])[1]["moe/router_z_loss"] for half in batch.split(2)]
    torch.testing.assert_close(means["moe/router_z_loss"], (48 * halves[0] + 9 * halves[1]) / 57)

    whole, _ = gradients(moe_model(0.0), [batch])
    split, _ = gradients(moe_model(0.0), batch.split(1))
    for one, other in zip(whole, split, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_a_step_without_marked_targets_is_refused_by_its_number() -> None:
    with pytest.raises(UserError, match=r"step 7 has nothing to learn from.* 2 micro-batches is empty"):
        step_weight(CausalLMObjective(), ragged_batch([0, 0]).split(1), step=7)


@pytest.mark.parametrize("clip", [0.0, 0.01, 1e6])
def test_clipping_scales_the_whole_gradient_and_reports_its_norm_before(clip: float) -> None:
    model = tiny_model(zero_init_residual=False)
    before, means = gradients(model, [ragged_batch([24, 24])])
    flat = torch.cat([gradient.flatten() for gradient in before]).clone()
    values = finish_gradients(model, means, grad_clip=clip, step=1)
    after = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    assert values.grad_norm == pytest.approx(flat.norm().item(), rel=1e-5)
    expected = flat * (clip / flat.norm()) if 0 < clip < values.grad_norm else flat
    torch.testing.assert_close(after, expected, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_a_loss_or_gradient_that_is_not_finite_is_refused_by_its_step(broken: str) -> None:
    model = tiny_model()
    grads, means = gradients(model, [ragged_batch([24])])
    if broken == "loss":
        means["loss"] = torch.tensor(float("nan"))
    else:
        grads[3].view(-1)[0] = float("inf")
    with pytest.raises(BetterAIError, match="training diverged at step 41"):
        finish_gradients(model, means, grad_clip=1.0, step=41)
