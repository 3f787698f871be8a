"""Every token stands in the rows exactly once, and no target crosses a document."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data import Example, PackedRows, best_fit, concatenate
from better_ai.data.loading.packing import PADDING_SEGMENT
from better_ai.errors import UserError

PAD = 3
LENGTHS = st.lists(st.integers(0, 23), min_size=1, max_size=12).filter(any)


def numbered(lengths: list[int]) -> list[np.ndarray]:
    """Documents whose tokens are all different, so that each can be followed."""
    stops = np.cumsum(lengths)
    return [np.arange(stop - length, stop) + 100 for length, stop in zip(lengths, stops, strict=True)]


def check_rows(rows: PackedRows, documents: list[np.ndarray]) -> None:
    """What both ways of packing promise."""
    follower = {
        a: b for document in documents for a, b in zip(document[:-1].tolist(), document[1:].tolist(), strict=True)
    }
    real = rows.segment_ids != PADDING_SEGMENT
    assert sorted(rows.tokens[real]) == sorted(np.concatenate(documents))
    assert (rows.tokens[~real] == PAD).all() and not rows.loss_mask[~real].any()
    assert (rows.targets[~rows.loss_mask] == PAD).all()
    for token, target in zip(rows.tokens[rows.loss_mask].tolist(), rows.targets[rows.loss_mask].tolist(), strict=True):
        assert follower[token] == target
    owner = {token: number for number, document in enumerate(documents) for token in document.tolist()}
    for tokens, positions, segments in zip(rows.tokens, rows.positions, rows.segment_ids, strict=True):
        starts = np.flatnonzero(np.diff(segments, prepend=-1))
        assert len(set(segments[starts])) == len(starts), "a segment is one run"
        for start, stop in zip(starts, [*starts[1:], len(segments)], strict=True):
            assert positions[start:stop].tolist() == list(range(stop - start))
            if segments[start] != PADDING_SEGMENT:
                assert len({owner[token] for token in tokens[start:stop].tolist()}) == 1


@given(lengths=LENGTHS, seq_len=st.integers(1, 17))
def test_concatenated(lengths: list[int], seq_len: int) -> None:
    documents = numbered(lengths)
    source = concatenate(documents, seq_len, PAD)
    rows = source.take(np.arange(len(source)))
    check_rows(rows, documents)
    assert rows.tokens.shape == (-(-sum(lengths) // seq_len), seq_len)
    stream = rows.tokens[rows.segment_ids != PADDING_SEGMENT]
    assert stream.tolist() == np.concatenate(documents).tolist(), "the order of the tokens is kept"
    assert rows.loss_mask.sum() == sum(max(0, length - 1) for length in lengths), "no target is lost"


@given(lengths=LENGTHS, seq_len=st.integers(1, 17), data=st.data())
def test_rows_do_not_depend_on_what_is_taken_with_them(lengths: list[int], seq_len: int, data: st.DataObject) -> None:
    source = concatenate(numbered(lengths), seq_len, PAD)
    whole = source.take(np.arange(len(source)))
    picks = np.array(data.draw(st.lists(st.integers(0, len(source) - 1), min_size=1, max_size=5)))
    for name in ("tokens", "targets", "loss_mask", "positions", "segment_ids"):
        np.testing.assert_array_equal(getattr(source.take(picks), name), getattr(whole.take(picks), name))


@given(lengths=st.lists(st.integers(2, 16), min_size=1, max_size=20), data=st.data())
def test_best_fit(lengths: list[int], data: st.DataObject) -> None:
    documents = numbered(lengths)
    masks = [data.draw(st.lists(st.booleans(), min_size=n, max_size=n)) for n in lengths]
    masks[0][1] = True
    examples = [Example(document.tolist(), mask) for document, mask in zip(documents, masks, strict=True)]
    packed = best_fit(examples, 16, PAD)
    check_rows(packed.rows, documents)
    assert packed.too_long == []
    learned = sorted(
        token for example in examples for token, on in zip(example.tokens[1:], example.mask[1:], strict=True) if on
    )
    assert sorted(packed.rows.targets[packed.rows.loss_mask]) == learned
    text = [row.tolist() for row in packed.rows.tokens]
    for document in documents:
        assert any(row[i : i + len(document)] == document.tolist() for row in text for i in range(16)), "whole"
    fills = sorted((packed.rows.segment_ids != PADDING_SEGMENT).sum(1))
    assert len(fills) == 1 or fills[0] + fills[1] > 16, "no two rows would fit into one"


def test_best_fit_takes_the_fullest_row_with_room() -> None:
    """Longest first; 3 fits beside 6 and beside 7, and goes where it leaves least room."""
    examples = [Example(list(range(n)), [True] * n) for n in (6, 3, 7)]
    rows = best_fit(examples, 10, PAD).rows
    assert rows.segment_ids.tolist() == [[1] * 7 + [2] * 3, [1] * 6 + [0] * 4]


def test_too_long_examples_are_refused_or_reported() -> None:
    examples = [Example([5] * n, [True] * n) for n in (4, 9, 3, 12)]
    with pytest.raises(UserError, match="2 of 4 examples are longer than seq_len=8, the longest 12"):
        best_fit(examples, 8, PAD)
    packed = best_fit(examples, 8, PAD, too_long="drop")
    assert packed.too_long == [1, 3]
    assert (packed.rows.segment_ids != 0).sum() == 7


def test_nothing_to_learn_is_an_error() -> None:
    with pytest.raises(UserError, match="none of the 1 examples"):
        best_fit([Example([1, 2, 3], [True, False, False])], 8, PAD)
    with pytest.raises(UserError, match="no token to pack"):
        concatenate([np.array([], int)], 8, PAD)
