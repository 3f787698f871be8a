"""Fill-in-the-middle can be undone exactly and depends on nothing but the seed and the document's number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data.processing.fim import fill_in_the_middle, restore, transform_documents
from better_ai.errors import UserError
from better_ai.tokenizer import SPECIAL_IDS as SPECIAL

CONTENT = st.lists(st.integers(20, 999), max_size=12)
BEFORE, AFTER, BETWEEN = (SPECIAL[f"fim_{name}"] for name in ("prefix", "suffix", "middle"))


@given(content=CONTENT, seed=st.integers(0, 999), spm=st.booleans())
def test_both_forms_are_undone_exactly(content: list[int], seed: int, spm: bool) -> None:
    turned = fill_in_the_middle(np.array(content, np.uint16), np.random.default_rng(seed), SPECIAL, spm=spm)
    assert turned.dtype == np.uint16 and len(turned) == len(content) + 3
    assert restore(turned, SPECIAL).tolist() == content


@given(content=CONTENT, seed=st.integers(0, 999))
def test_the_forms_are_those_of_the_paper(content: list[int], seed: int) -> None:
    tokens = np.array(content, np.int64)
    psm, spm = (
        fill_in_the_middle(tokens, np.random.default_rng(seed), SPECIAL, spm=form).tolist() for form in (False, True)
    )
    prefix, rest = psm[1 : psm.index(AFTER)], psm[psm.index(AFTER) + 1 :]
    suffix, middle = rest[: rest.index(BETWEEN)], rest[rest.index(BETWEEN) + 1 :]
    assert prefix + middle + suffix == content
    assert psm == [BEFORE, *prefix, AFTER, *suffix, BETWEEN, *middle]
    assert spm == [BEFORE, AFTER, *suffix, BETWEEN, *prefix, *middle]


@pytest.mark.parametrize("tokens", [[], [5, 6], [BEFORE, AFTER], [AFTER, BEFORE, BETWEEN], [5, BEFORE, AFTER, BETWEEN]])
def test_other_ids_are_refused(tokens: list[int]) -> None:
    with pytest.raises(UserError, match="fill-in-the-middle"):
        restore(np.array(tokens, np.int64), SPECIAL)


def documents(count: int) -> list[np.ndarray]:
    return [np.array([SPECIAL["bos"], *range(100 * n + 100, 100 * n + 140), SPECIAL["eos"]]) for n in range(count)]


def test_rate_zero_changes_nothing_and_one_changes_all() -> None:
    plain = documents(20)
    for before, after in zip(plain, transform_documents(plain, SPECIAL, rate=0, seed=0), strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(plain, transform_documents(plain, SPECIAL, rate=1, seed=0), strict=True):
        assert after[0] == before[0] and after[-1] == before[-1]
        np.testing.assert_array_equal(restore(after[1:-1], SPECIAL), before[1:-1])


def test_a_document_is_turned_alike_in_any_company() -> None:
    many = list(transform_documents(documents(400), SPECIAL, rate=0.5, seed=3))
    few = list(transform_documents(documents(7), SPECIAL, rate=0.5, seed=3))
    for a, b in zip(few, many, strict=False):
        np.testing.assert_array_equal(a, b)
    turned = [document for document in many if BEFORE in document]
    spm = [document for document in turned if document[1] == BEFORE and document[2] == AFTER]
    assert 160 < len(turned) < 240
    assert 0.4 < len(spm) / len(turned) < 0.6
