"""Rows come in the order the seed decides, each once an epoch, and a state goes on exactly where it was taken."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data import ConcatenatedRows, RowLoader, concatenate
from better_ai.errors import ArtifactError, UserError


def rows(count: int) -> ConcatenatedRows:
    return concatenate([np.arange(count * 4)], 4, 0)


@given(count=st.integers(1, 9), batch_size=st.integers(1, 20), seed=st.integers(0, 5))
def test_every_row_comes_once_an_epoch(count: int, batch_size: int, seed: int) -> None:
    loader = RowLoader(rows(count), batch_size, seed=seed)
    first = np.concatenate([loader.next_batch().tokens[:, 0] for _ in range(-(-3 * count // batch_size))]) // 4
    for epoch in range(3):
        assert sorted(first[epoch * count : (epoch + 1) * count]) == list(range(count))


@given(batch_size=st.integers(1, 20), before=st.integers(0, 7), after=st.integers(1, 7))
def test_a_state_goes_on_exactly(batch_size: int, before: int, after: int) -> None:
    loader, other = RowLoader(rows(9), batch_size, seed=1), RowLoader(rows(9), batch_size, seed=1)
    for _ in range(before):
        loader.next_batch()
    state = loader.state_dict()
    expected = [loader.next_batch().tokens.tolist() for _ in range(after)]
    other.load_state_dict(state)
    assert other.epoch == pytest.approx(before * batch_size / 9)
    assert [other.next_batch().tokens.tolist() for _ in range(after)] == expected


def test_epochs_and_seeds_differ_in_order() -> None:
    loader = RowLoader(rows(50), 50, seed=0)
    orders = [loader.next_batch().tokens[:, 0].tolist() for _ in range(3)]
    orders.append(RowLoader(rows(50), 50, seed=1).next_batch().tokens[:, 0].tolist())
    assert len({tuple(order) for order in orders}) == 4


def test_a_state_of_other_data_is_refused() -> None:
    state = RowLoader(rows(9), 2, seed=0).state_dict()
    for loader, key in (
        (RowLoader(rows(8), 2, seed=0), "num_rows"),
        (RowLoader(rows(9), 2, seed=1), "seed"),
        (RowLoader(concatenate([np.arange(36) + 1], 4, 0), 2, seed=0), "tokens_sha256"),
    ):
        with pytest.raises(ArtifactError, match=key):
            loader.load_state_dict(state)


def test_empty_batches_are_refused() -> None:
    with pytest.raises(UserError, match="batches of 0 rows"):
        RowLoader(rows(3), 0, seed=0)
