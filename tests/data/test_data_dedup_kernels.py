"""Shingles against a plain reference; signatures and fingerprints against theory."""

import random
from itertools import combinations

import numpy as np
import pytest
from dedup_corpus import NGRAM, code_tokens, planted, shingles, similarity
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data.deduplicate import shingles as shingles_module
from better_ai.data.deduplicate.minhash import band_keys, estimate, minhash, sketch
from better_ai.data.deduplicate.normalize import normalized
from better_ai.data.deduplicate.shingles import ShingleSets, jaccard, shingle_set, shingle_sets
from better_ai.data.deduplicate.signatures import UNDATED, document_date
from better_ai.data.deduplicate.simhash import block_keys, hamming, simhash

TEXTS = st.text(st.sampled_from("ab_1 \n\té(+\x00"), max_size=60)


def bundle(texts: list[bytes]) -> tuple[bytes, np.ndarray]:
    return b"".join(texts), np.cumsum([0, *map(len, texts)])


def sets_of(arrays: list[np.ndarray]) -> ShingleSets:
    return ShingleSets(np.concatenate(arrays).astype(np.uint32), np.cumsum([0, *map(len, arrays)]))


def random_pair(draw: np.random.Generator, size: int, share: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Two sets of hashes of about this Jaccard similarity, and the true one."""
    both = np.unique(draw.integers(0, 1 << 32, size, dtype=np.uint32))
    shared = draw.random(len(both)) < share
    side = draw.random(len(both)) < 0.5
    a, b = both[shared | side], both[shared | ~side]
    return a, b, shared.sum() / len(both)


@given(texts=st.lists(TEXTS, min_size=1, max_size=6), ngram=st.integers(1, 6))
def test_shingles_are_those_of_the_code_tokens(texts: list[str], ngram: int) -> None:
    """Of all documents at once as of each alone."""
    found = shingle_sets(*bundle([text.encode() for text in texts]), ngram)
    sets = [shingles(text, ngram) for text in texts]
    for number, text in enumerate(texts):
        assert found[number].tolist() == shingle_set(text.encode(), ngram).tolist()
        assert len(found[number]) == len(sets[number])
        assert (np.diff(found[number].astype(np.int64)) > 0).all(), "ascending and distinct"
        assert jaccard(found[0], found[number]) == pytest.approx(similarity(sets[0], sets[number]))


def test_blocks_do_not_show() -> None:
    """Texts longer than a block of bytes, with tokens across its end, have the shingles of their tokens."""
    draw = random.Random(3)
    words = [draw.choice(["x", "name", "a_long_identifier_of_many_letters", "(", "+", "é"]) for _ in range(40_000)]
    text = " ".join(words)
    assert len(text) > 4 * shingles_module.BLOCK_BYTES
    shifted = [shingle_set((" " * shift + text).encode(), NGRAM) for shift in (0, 1, 7)]
    assert len(shifted[0]) == len(shingles(text))
    assert all((other == shifted[0]).all() for other in shifted)


def test_a_word_longer_than_a_block_is_cut() -> None:
    block = shingles_module.BLOCK_BYTES
    long = b"a b c d " + b"x" * (block + 1000) + b" e f g"
    assert len(shingle_set(long, NGRAM)) == 4
    other_end = b"a b c d " + b"x" * block + b"y" * 1000 + b" e f g"
    assert jaccard(shingle_set(long, NGRAM), shingle_set(other_end, NGRAM)) == 1.0
    other_start = b"a b c d y" + b"x" * (block + 999) + b" e f g"
    assert jaccard(shingle_set(long, NGRAM), shingle_set(other_start, NGRAM)) == 0.0


def test_token_hashes_do_not_collide_on_real_identifiers() -> None:
    """As many hashes as there are tokens, in any order of letters."""
    words = {token for text in planted(200) for token in code_tokens(text)}
    words |= {"".join(letters) for letters in combinations("abcdefgh", 4)} | {"ab", "ba", "aab", "aba", "baa"}
    assert len(shingle_set("\n".join(sorted(words)).encode(), 1)) == len(words)


@pytest.mark.parametrize("size", [64, 400, 5000])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
def test_signatures_estimate_the_similarity(size: int, share: float) -> None:
    """Unbiased, with the error of 128 independent permutations; the 8-bit sketch as well."""
    draw = np.random.default_rng(size)
    pairs = [random_pair(draw, size, share) for _ in range(400)]
    signatures = [minhash(sets_of([pair[side] for pair in pairs]), 128) for side in (0, 1)]
    truth = np.array([pair[2] for pair in pairs])
    theory = np.sqrt(np.mean(truth * (1 - truth)) / 128)
    slack = 1.25 if size == 64 else 1.1
    for found in ((signatures[0] == signatures[1]).mean(1), estimate(sketch(signatures[0]), sketch(signatures[1]))):
        errors = found - truth
        assert np.sqrt(np.mean(errors**2)) < slack * theory
        assert abs(np.mean(errors)) < 3.5 * theory / np.sqrt(len(pairs))


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_bands_find_small_sets(size: int) -> None:
    """Where most bins are empty or hold one hash, estimates are poor, but pairs meet in some band."""
    draw = np.random.default_rng(size)
    pairs = [pair for pair in (random_pair(draw, size, 0.75) for _ in range(800)) if pair[2] >= 0.7]
    keys = [band_keys(minhash(sets_of([pair[side] for pair in pairs]), 128), 32) for side in (0, 1)]
    assert len(pairs) > 400
    assert (keys[0] == keys[1]).any(1).mean() > 0.995


def test_signatures_of_many_documents_are_those_of_each() -> None:
    """Chunks and bins do not show, whatever the sizes; empty sets in between."""
    draw = np.random.default_rng(5)
    arrays = [np.unique(draw.integers(0, 1 << 32, size, dtype=np.uint32)) for size in (0, 1, 7, 9000, 0, 20_000, 3, 0)]
    together = minhash(sets_of(arrays), 128)
    for row, array in enumerate(arrays):
        assert (together[row] == minhash(sets_of([array]), 128)[0]).all()
    assert (together[0] == np.iinfo(np.uint32).max).all()


def test_bands_find_pairs_as_often_as_theory_says() -> None:
    draw = np.random.default_rng(9)
    for share in (0.3, 0.5, 0.7):
        pairs = [random_pair(draw, 1500, share) for _ in range(500)]
        keys = [band_keys(minhash(sets_of([pair[side] for pair in pairs]), 128), 32) for side in (0, 1)]
        found = (keys[0] == keys[1]).any(1).mean()
        assert found == pytest.approx(np.mean([1 - (1 - pair[2] ** 4) ** 32 for pair in pairs]), abs=0.06)
    assert found > 0.998


def test_keys_of_different_bands_differ() -> None:
    keys = band_keys(np.zeros((1, 128), np.uint32), 32)
    assert len(np.unique(keys)) == 32


def test_simhash_is_the_majority_of_the_bits() -> None:
    """Against Charikar's definition, element by element; chunks do not show."""
    draw = np.random.default_rng(1)
    arrays = [np.unique(draw.integers(0, 1 << 32, size, dtype=np.uint32)) for size in (5, 0, 300, 9001, 1)]
    found = simhash(sets_of(arrays))
    for array, fingerprint in zip(arrays, found.tolist(), strict=True):
        features = [int(simhash(sets_of([np.array([value])]))[0]) for value in array.tolist()[:300]]
        if len(array) <= 300:
            votes = [sum(1 if feature >> bit & 1 else -1 for feature in features) for bit in range(64)]
            assert fingerprint == sum(1 << bit for bit, vote in enumerate(votes) if vote > 0)
        assert fingerprint == int(simhash(sets_of([array]))[0])


def test_simhash_distance_is_the_angle() -> None:
    """The expected share of unequal bits is arccos(cosine) / pi."""
    draw = np.random.default_rng(2)
    for share in (0.5, 0.8, 0.95):
        pairs = [random_pair(draw, 2000, share) for _ in range(200)]
        prints = [simhash(sets_of([pair[side] for pair in pairs])).view(np.uint8).reshape(-1, 8) for side in (0, 1)]
        cosines = [len(np.intersect1d(a, b)) / np.sqrt(len(a) * len(b)) for a, b, _ in pairs]
        expected = np.mean(np.arccos(cosines)) / np.pi * 64
        assert hamming(*prints).mean() == pytest.approx(expected, abs=0.6)


@given(fingerprint=st.integers(0, 2**64 - 1), flips=st.sets(st.integers(0, 63), max_size=3))
def test_fingerprints_that_differ_in_three_bits_meet(fingerprint: int, flips: set[int]) -> None:
    other = fingerprint ^ sum(1 << flip for flip in flips)
    keys = block_keys(np.array([fingerprint, other], np.uint64), 6, 3)
    assert keys.shape == (2, 20)
    assert (keys[0] == keys[1]).any()


@given(text=st.text(st.sampled_from("a \n\r\t\f\v"), max_size=30))
def test_normalisation_is_line_by_line(text: str) -> None:
    lines = [line.rstrip(" \t\f\v") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    assert normalized(text.encode()) == "\n".join(lines).strip("\n").encode()


def test_normalisation_keeps_what_readers_see() -> None:
    assert normalized(b"\n\na = 1  \r\n  b\t\r\n\n") == b"a = 1\n  b"
    assert normalized(b"a\n  b") != normalized(b"a\n b") and normalized(b"a\n\nb") != normalized(b"a\nb")


def test_dates_are_compared_across_zones_and_unknown_ones_are_last() -> None:
    noon = document_date({"fetched_at": "2020-06-01T12:00:00+00:00"})
    assert (
        document_date({"fetched_at": "2020-06-01T14:00:00+02:00"})
        == noon
        == document_date({"date": "2020-06-01T12:00"})
    )
    assert document_date({"date": "2019-01-01", "fetched_at": "2024-01-01"}) < noon
    for unknown in ({}, {"fetched_at": None}, {"fetched_at": "yesterday"}, {"fetched_at": 5}):
        assert document_date(unknown) == UNDATED
