"""Routing and dispatch against dense loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from better_ai.config import ModelConfig, MoEConfig
from better_ai.errors import ConfigError
from better_ai.model import Transformer, linear_cross_entropy
from better_ai.model.moe import Experts, Routing, route


def dense_loop(experts: Experts, x_ND: Tensor, routing: Routing) -> Tensor:
    """Every expert on every token, weighted by zero where it was not chosen."""
    out_ND = torch.zeros_like(x_ND)
    for index, (gate_up, down) in enumerate(zip(experts.gate_up.unbind(), experts.down.unbind(), strict=True)):
        gate, up = F.linear(x_ND, gate_up).chunk(2, -1)
        weight_N = (routing.weights_Nk * (routing.experts_Nk == index)).sum(-1).to(x_ND.dtype)
        out_ND = out_ND + weight_N[:, None] * F.linear(F.silu(gate) * up, down)
    return out_ND


def random_experts(num_experts: int, dtype: torch.dtype, seed: int) -> Experts:
    experts = Experts(num_experts, 16, 24).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    for parameter in experts.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3)
    return experts


@pytest.mark.parametrize("normalize", [True, False])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    N=st.integers(1, 40),
    E=st.integers(1, 9),
    k=st.integers(1, 3),
    skew=st.sampled_from([0, 30]),
    seed=st.integers(0, 99),
)
def test_no_token_is_dropped(normalize: bool, N: int, E: int, k: int, skew: int, seed: int) -> None:
    """The grouped dispatch equals the dense loop, in values and gradients, also where experts get no token at all."""
    k = min(k, E)
    generator = torch.Generator().manual_seed(seed)
    x_ND = torch.randn(N, 16, generator=generator).requires_grad_()
    logits_NE = (torch.randn(N, E, generator=generator) + skew * (torch.arange(E) == 0)).requires_grad_()
    experts = random_experts(E, torch.float32, seed)
    routing = route(logits_NE, k, normalize=normalize)
    upstream_ND = torch.randn(N, 16, generator=generator)
    results = []
    for out_ND in experts(x_ND, routing), dense_loop(experts, x_ND, routing):
        inputs = (x_ND, logits_NE, *experts.parameters())
        results.append([out_ND, *torch.autograd.grad(out_ND, inputs, upstream_ND, retain_graph=True)])
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


def test_bf16_dispatch_stays_in_bf16() -> None:
    x_ND = torch.randn(30, 16, generator=torch.Generator().manual_seed(0))
    experts = random_experts(4, torch.float32, 0)
    routing = route(x_ND[:, :4], 2, normalize=True)
    out_ND = experts(x_ND.bfloat16(), routing)
    assert out_ND.dtype == torch.bfloat16
    exact_ND = experts(x_ND, routing)
    assert (out_ND.float() - exact_ND).norm() < 1e-2 * exact_ND.norm()


def test_routing_weights() -> None:
    logits_NE = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    plain, normalized = route(logits_NE, 2, normalize=False), route(logits_NE, 2, normalize=True)
    probabilities = logits_NE.softmax(-1)[:, [3, 2]]
    assert plain.experts_Nk.tolist() == [[3, 2]]
    torch.testing.assert_close(plain.weights_Nk, probabilities)
    torch.testing.assert_close(normalized.weights_Nk, probabilities / probabilities.sum())


def test_balancing_loss_is_one_when_balanced_and_counts_experts_at_worst() -> None:
    balanced = route(20 * torch.eye(4).repeat(3, 1), 1, normalize=True)
    collapsed = route(20 * torch.eye(4)[:1].repeat(12, 1), 1, normalize=True)
    torch.testing.assert_close(balanced.load_balance_loss(), torch.tensor(1.0))
    torch.testing.assert_close(collapsed.load_balance_loss(), torch.tensor(4.0), rtol=1e-5, atol=0)
    assert balanced.load().tolist() == [3, 3, 3, 3] and collapsed.load().tolist() == [12, 0, 0, 0]


def test_z_loss_is_the_squared_log_partition() -> None:
    logits_NE = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    expected = logits_NE.exp().sum(-1).log().square().mean()
    torch.testing.assert_close(route(logits_NE, 1, normalize=True).z_loss(), expected)


CONFIG = ModelConfig(
    vocab_size=30, hidden_dim=16, num_layers=3, num_attention_heads=2, ffn_dim=24,
    moe=MoEConfig(num_experts=4, shared_expert_dim=16, z_loss_weight=0.5, dense_layers=(0,)),
)  # fmt: skip


def test_auxiliary_losses_reach_the_routers() -> None:
    model = Transformer(CONFIG)
    tokens_BT = torch.randint(0, 30, (2, 9), generator=torch.Generator().manual_seed(0))
    output = model(tokens_BT)
    assert output.metrics["moe/expert_load_tokens"].sum(-1).tolist() == [2 * 9 * 2] * 2
    expected = 0.01 * output.aux_losses["load_balance"] + 0.5 * output.aux_losses["router_z"]
    torch.testing.assert_close(output.total_aux_loss, expected)
    output.total_aux_loss.backward()
    routers = {name: p.grad for name, p in model.named_parameters() if ".router." in name}
    assert len(routers) == 2 and all(grad is not None and bool(grad.any()) for grad in routers.values())
    with torch.no_grad():
        assert model(tokens_BT).aux_losses == {}


def test_padding_does_not_count() -> None:
    model = Transformer(CONFIG)
    tokens_BT = torch.randint(0, 30, (1, 9), generator=torch.Generator().manual_seed(0))
    alone = model(tokens_BT)
    padded = model(
        F.pad(tokens_BT, (0, 4)),
        positions_BT=torch.cat([torch.arange(9), torch.zeros(4, dtype=torch.int64)])[None],
        segment_ids_BT=torch.tensor([[1] * 9 + [0] * 4]),
    )
    torch.testing.assert_close(padded.aux_losses, alone.aux_losses)
    assert torch.equal(padded.metrics["moe/expert_load_tokens"], alone.metrics["moe/expert_load_tokens"])


def test_training_steps_balance_the_experts() -> None:
    """From a router that sends nearly all tokens to one expert, the balancing loss alone spreads them."""
    model = Transformer(CONFIG)
    tokens_BT = torch.randint(0, 30, (4, 32), generator=torch.Generator().manual_seed(0))
    router = model.blocks[1].feedforward.router
    direction = model(tokens_BT).hidden_BTD.detach().flatten(0, 1).mean(0)
    router.weight.data[0] += direction / direction.norm()
    optimizer = torch.optim.Adam([router.weight], lr=0.02)
    shares = []
    for _ in range(30):
        output = model(tokens_BT)
        load = output.metrics["moe/expert_load_tokens"][0]
        shares.append((load.max() / load.mean()).item())
        optimizer.zero_grad()
        output.aux_losses["load_balance"].backward()
        optimizer.step()
    assert shares[-1] < 1.3 < shares[0]


def test_dense_transformer_reports_no_auxiliary_loss() -> None:
    model = Transformer(CONFIG.model_copy(update={"moe": None}))
    output = model(torch.zeros(1, 3, dtype=torch.int64))
    loss = linear_cross_entropy(output.hidden_BTD[0], model.head_weight_VD, torch.zeros(3, dtype=torch.int64))
    assert output.total_aux_loss == 0 and loss + output.total_aux_loss == loss


def test_widths_the_grouped_product_cannot_take_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiples of 8: found hidden_dim=12"):
        Transformer(ModelConfig(hidden_dim=12, num_attention_heads=2, ffn_dim=16, moe=MoEConfig()))
