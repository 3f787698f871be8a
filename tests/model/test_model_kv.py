"""Decoding through the cache and training through a shared prompt equal the plain forward pass."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from better_ai.config import ModelConfig, MoEConfig
from better_ai.model import KVCache, RecordedKV, SharedPrefix, Transformer, kv, token_logprobs

DENSE = ModelConfig(
    vocab_size=40, hidden_dim=24, num_layers=2, num_attention_heads=4, num_key_value_heads=2, ffn_dim=32,
    max_seq_len=64, qk_norm=True, init_std=0.2,
)  # fmt: skip
MOE = DENSE.model_copy(update={"moe": MoEConfig(num_experts=4, expert_dim=16, dense_layers=(0,))})


@pytest.fixture(autouse=True)
def slow_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches grow every few tokens, and rows end within a step of growth and at its edge."""
    monkeypatch.setattr(kv, "SLOTS_PER_GROWTH", 4)


def random_tokens(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 40, shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def decode(model: Transformer, cache: KVCache, tokens_BT: Tensor, steps: int) -> Tensor:
    """Hidden states of the next `steps` tokens of every row, fed one at a time."""
    hidden = []
    for _ in range(steps):
        positions_B1 = cache.positions(1)
        output = model(
            tokens_BT.gather(1, positions_B1), positions_BT=positions_B1, kv=cache, mask_BTS=cache.mask(positions_B1)
        )
        cache.advance(1)
        hidden.append(output.hidden_BTD)
    return torch.cat(hidden, 1)


@pytest.mark.parametrize("config", [DENSE, MOE], ids=["dense", "moe"])
@settings(max_examples=10, deadline=None, derandomize=True)
@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4), steps=st.integers(1, 5))
def test_ragged_prefill_and_decode_equal_the_full_pass(config: ModelConfig, lengths: list[int], steps: int) -> None:
    model = Transformer(config, seed=1)
    tokens_BT = random_tokens(len(lengths), max(lengths) + steps)
    with torch.no_grad():
        full_BTD = model(tokens_BT).hidden_BTD
        cache = KVCache(config, rows=len(lengths), capacity=max(lengths) + steps)
        prefill_BTD = model(tokens_BT[:, : max(lengths)], kv=cache).hidden_BTD
    cache.advance(torch.tensor(lengths))
    torch.testing.assert_close(prefill_BTD, full_BTD[:, : max(lengths)])
    decoded_BTD = decode(model, cache, tokens_BT, steps)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(decoded_BTD[row], full_BTD[row, length : length + steps], rtol=1e-5, atol=1e-5)


def test_rows_leave_and_fan_out() -> None:
    model = Transformer(DENSE, seed=1)
    tokens_BT = random_tokens(3, 16)
    lengths = torch.tensor([4, 9, 6])
    with torch.no_grad():
        full_BTD = model(tokens_BT).hidden_BTD
        cache = KVCache(DENSE, rows=3, capacity=9)
        model(tokens_BT[:, :9], kv=cache)
    cache.advance(lengths)
    rows = torch.tensor([2, 0, 0])
    chosen = cache.select(rows, capacity=16)
    assert chosen.lengths_B.tolist() == [6, 4, 4] and chosen.longest == 6
    decoded_BTD = decode(model, chosen, tokens_BT[rows], 3)
    for index, row in enumerate(rows):
        start = int(lengths[row])
        torch.testing.assert_close(decoded_BTD[index], full_BTD[row, start : start + 3], rtol=1e-5, atol=1e-5)
    assert cache.lengths_B.tolist() == lengths.tolist(), "the source is untouched"


def test_several_tokens_at_once_into_rows_of_different_length() -> None:
    model = Transformer(DENSE, seed=1)
    tokens_BT = random_tokens(2, 12)
    with torch.no_grad():
        full_BTD = model(tokens_BT).hidden_BTD
        cache = KVCache(DENSE, rows=2, capacity=12)
        model(tokens_BT[:, :7], kv=cache)
        cache.advance(torch.tensor([3, 7]))
        positions_BT = cache.positions(4)
        chunk = model(
            tokens_BT.gather(1, positions_BT), positions_BT=positions_BT, kv=cache, mask_BTS=cache.mask(positions_BT)
        )
    for row in range(2):
        torch.testing.assert_close(chunk.hidden_BTD[row], full_BTD[row, positions_BT[row]], rtol=1e-5, atol=1e-5)


def test_a_full_cache_refuses_more() -> None:
    cache = KVCache(DENSE, rows=1, capacity=4)
    with pytest.raises(ValueError, match="capacity 4 cannot hold 5"):
        Transformer(DENSE)(random_tokens(1, 5), kv=cache)


@pytest.mark.parametrize("config", [DENSE, MOE], ids=["dense", "moe"])
@pytest.mark.parametrize("lengths", [[7, 7], [3, 7]], ids=["even", "ragged"])
def test_shared_prefix_equals_the_flat_form(config: ModelConfig, lengths: list[int]) -> None:
    """Completions' log-probabilities and all gradients: each prompt forwarded once, or once per completion."""
    P, T, G = 7, 5, 3
    model = Transformer(config, seed=2)
    prompts_BP, completions_RT = random_tokens(2, P, seed=3), random_tokens(2 * G, T, seed=4)
    upstream = torch.randn(2 * G * T, generator=torch.Generator().manual_seed(5))
    prompt_mask_BP = torch.arange(P) < torch.tensor(lengths)[:, None]

    recorded = RecordedKV()
    prompt_BPD = model(prompts_BP, kv=recorded).hidden_BTD
    prefix = SharedPrefix(recorded, G, None if min(lengths) == P else prompt_mask_BP)
    completion_RTD = model(
        completions_RT, positions_BT=prefix.positions(T), kv=prefix, mask_BTS=prefix.mask(T)
    ).hidden_BTD
    last_BD = prompt_BPD[torch.arange(2), torch.tensor(lengths) - 1]
    shared_RTD = torch.cat([last_BD.repeat_interleave(G, 0)[:, None], completion_RTD[:, :-1]], 1)

    flat_RTD = []
    for row in range(2 * G):
        length = lengths[row // G]
        text = torch.cat([prompts_BP[row // G, :length], completions_RT[row]])
        flat_RTD.append(model(text[None]).hidden_BTD[0, length - 1 : length - 1 + T])

    results = []
    for hidden_RTD in (shared_RTD, torch.stack(flat_RTD)):
        logprobs, entropies = token_logprobs(hidden_RTD.flatten(0, 1), model.head_weight_VD, completions_RT.flatten())
        results.append((logprobs, entropies, torch.autograd.grad(logprobs @ upstream, list(model.parameters()))))
    (shared, shared_entropy, shared_gradients), (flat, flat_entropy, flat_gradients) = results
    torch.testing.assert_close(shared, flat, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(shared_entropy, flat_entropy, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(shared_gradients, flat_gradients, strict=True):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm()
