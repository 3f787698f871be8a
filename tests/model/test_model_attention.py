"""The block-causal kernel against the naive formula; packed rows against each document alone."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from better_ai.config import ModelConfig
from better_ai.errors import UserError
from better_ai.model import Transformer, linear_cross_entropy
from better_ai.model.attention import Visibility, attend, fused_attention


def naive_attention(q_BHTC: Tensor, k_BKSC: Tensor, v_BKSC: Tensor, mask_BTS: Tensor | None) -> Tensor:
    """Every score at once, in the dtype of the arguments."""
    B, H, T, C = q_BHTC.shape
    K, S = k_BKSC.shape[1:3]
    k_BHSC, v_BHSC = k_BKSC.repeat_interleave(H // K, 1), v_BKSC.repeat_interleave(H // K, 1)
    seen = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    seen_BTS = seen.expand(B, T, S) if mask_BTS is None else seen & mask_BTS
    scores_BHTS = (q_BHTC @ k_BHSC.transpose(-1, -2) / math.sqrt(C)).masked_fill(~seen_BTS[:, None], float("-inf"))
    return (scores_BHTS.softmax(-1) @ v_BHSC).transpose(1, 2)


def qkv(B: int, H: int, K: int, T: int, S: int, C: int, dtype: torch.dtype, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = (B, H, T, C), (B, K, S, C), (B, K, S, C)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes]


def values_and_gradients(attention: object, inputs: list[Tensor], grad_BTHC: Tensor) -> list[Tensor]:
    out = attention(*inputs)  # type: ignore[operator]
    return [out.detach(), *torch.autograd.grad(out, inputs, grad_BTHC)]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    B=st.integers(1, 2),
    K=st.integers(1, 2),
    G=st.integers(1, 3),
    T=st.sampled_from([1, 2, 127, 128, 129, 200, 300]),
    prefix=st.sampled_from([0, 1, 7, 130]),
    masked=st.booleans(),
    seed=st.integers(0, 99),
)
def test_equals_the_naive_formula(B: int, K: int, G: int, T: int, prefix: int, masked: bool, seed: int) -> None:
    H, S, C = K * G, T + prefix, 4
    inputs = qkv(B, H, K, T, S, C, torch.float64, seed)
    mask_BTS = None
    if masked:
        mask_BTS = torch.rand(B, T, S, generator=torch.Generator().manual_seed(seed)) < 0.3
        mask_BTS |= torch.eye(S, dtype=torch.bool)[prefix:]  # every query sees itself
        mask_BTS &= torch.ones(T, S, dtype=torch.bool).tril(prefix)
    grad = torch.randn(B, T, H, C, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + 1))
    visibility = Visibility(mask_BTS, torch.float64)
    ours = values_and_gradients(lambda q, k, v: attend(q, k, v, visibility), inputs, grad)
    naive = values_and_gradients(lambda q, k, v: naive_attention(q, k, v, mask_BTS), inputs, grad)
    torch.testing.assert_close(ours, naive, rtol=1e-10, atol=1e-11)
    if masked or not prefix:
        fused = values_and_gradients(lambda q, k, v: fused_attention(q, k, v, mask_BTS), inputs, grad)
        torch.testing.assert_close(fused, naive, rtol=1e-10, atol=1e-11)


def test_bf16_error_is_that_of_pytorchs_kernel() -> None:
    """Against fp64 on the same bf16 inputs: values and gradients at most 1.5 times as far off as SDPA's in bf16."""
    inputs = qkv(2, 4, 2, 300, 300, 64, torch.bfloat16)
    grad = torch.randn(2, 300, 4, 64, generator=torch.Generator().manual_seed(1)).bfloat16()
    visibility = Visibility(None, torch.bfloat16)

    def sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(
            1, 2
        )

    exact = values_and_gradients(
        lambda q, k, v: naive_attention(q, k, v, None),
        [x.detach().double().requires_grad_() for x in inputs],
        grad.double(),
    )
    ours = values_and_gradients(lambda q, k, v: attend(q, k, v, visibility), inputs, grad)
    peer = values_and_gradients(sdpa, inputs, grad)
    for name, mine, theirs, truth in zip(["out", "dq", "dk", "dv"], ours, peer, exact, strict=True):
        my_error, their_error = ((x.double() - truth).norm() / truth.norm() for x in (mine, theirs))
        assert my_error < max(1.5 * their_error, 6e-3), f"{name}: {my_error:.2e} against {their_error:.2e}"


def test_a_query_that_sees_nothing_stays_finite() -> None:
    q, k, v = qkv(1, 2, 2, 5, 5, 4, torch.float32)
    mask = torch.ones(1, 5, 5, dtype=torch.bool).tril()
    mask[0, 2] = False
    out = attend(q, k, v, Visibility(mask, torch.float32))
    out.sum().backward()
    assert all(bool(torch.isfinite(x).all()) for x in (out, q.grad, k.grad, v.grad))


CONFIG = ModelConfig(
    vocab_size=50, hidden_dim=24, num_layers=2, num_attention_heads=4, num_key_value_heads=2, ffn_dim=32,
    max_seq_len=400, init_std=0.2, tie_embeddings=False,
)  # fmt: skip


def pack(lengths: list[int], generator: torch.Generator) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """Documents and the one row that packs them: tokens, positions, segment ids."""
    documents = [torch.randint(0, 50, (length,), generator=generator) for length in lengths]
    segments = torch.cat([torch.full((length,), index) for index, length in enumerate(lengths)])
    positions = torch.cat([torch.arange(length) for length in lengths])
    return documents, torch.cat(documents), positions, segments


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 130), min_size=1, max_size=3), st.integers(0, 99))
def test_packed_rows_equal_each_document_alone(lengths: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = [pack([*lengths, 5], generator), pack([5, *lengths[::-1]], generator)]
    tokens_BT, positions_BT, segments_BT = (torch.stack([row[part] for row in rows]) for part in (1, 2, 3))
    model = Transformer(CONFIG, seed=seed)
    packed_BTD = model(tokens_BT, positions_BT=positions_BT, segment_ids_BT=segments_BT).hidden_BTD
    packed_loss = linear_cross_entropy(packed_BTD.flatten(0, 1), model.head_weight_VD, tokens_BT.flatten())
    packed_gradients = torch.autograd.grad(packed_loss, list(model.parameters()))

    alone_loss = torch.zeros(())
    for row_index, (documents, *_) in enumerate(rows):
        start = 0
        for document in documents:
            alone_1TD = model(document[None]).hidden_BTD
            torch.testing.assert_close(
                packed_BTD[row_index, start : start + len(document)], alone_1TD[0], rtol=1e-5, atol=1e-5
            )
            alone_loss = alone_loss + linear_cross_entropy(alone_1TD[0], model.head_weight_VD, document)
            start += len(document)
    alone_gradients = torch.autograd.grad(alone_loss, list(model.parameters()))
    for packed, alone in zip(packed_gradients, alone_gradients, strict=True):
        assert (packed - alone).norm() <= 1e-5 * alone.norm()


def test_rows_of_one_segment_need_no_mask() -> None:
    segments_BT = torch.tensor([[3, 3, 3], [5, 5, 5]])
    assert Visibility.of(None, segments_BT, torch.float32).mask_BTS is None


def test_blocks_skip_keys_of_finished_documents() -> None:
    segments_BT = torch.cat([torch.zeros(2, 130), torch.ones(2, 126)], 1).long()
    blocks = Visibility.of(None, segments_BT, torch.float32).blocks(256, 256)
    assert [(block.first, block.last) for block in blocks] == [(0, 128), (0, 256)]
    segments_BT[:, :128] = 7
    segments_BT[:, 128:] = 8
    blocks = Visibility.of(None, segments_BT, torch.float32).blocks(256, 256)
    assert [(block.first, block.last) for block in blocks] == [(0, 128), (128, 256)]


@pytest.mark.parametrize("positions", [None, torch.tensor([[400]])])
def test_a_row_beyond_max_seq_len_is_refused(positions: Tensor | None) -> None:
    tokens = torch.zeros(1, 1 if positions is not None else 401, dtype=torch.int64)
    with pytest.raises(UserError, match=r"401 tokens .* max_seq_len=400"):
        Transformer(CONFIG)(tokens, positions_BT=positions)
