"""Near-duplicates are found against brute force, and nothing goes that no kept document resembles."""

import ast
import inspect
import json.decoder
import random
import re
import textwrap
import tokenize
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data.deduplicate import exact_duplicates, near_duplicates
from better_ai.data.deduplicate.exact import normalized_hash
from better_ai.data.deduplicate.near import NGRAM, jaccard, minhash, shingle_hashes
from better_ai.data.schema import document_id
from better_ai.data.step import document_batch

THRESHOLD = 0.7


def batch(texts: list[str], scores: list[float] | None = None) -> pa.RecordBatch:
    return document_batch(
        [
            {
                "id": document_id(text.encode()),
                "content": text,
                "language": "python",
                "source": f"test:{number:04}.py",
                "license": "MIT",
                "quality_score": scores[number] if scores else 0.5,
                "metadata": "{}",
            }
            for number, text in enumerate(texts)
        ]
    )


def code_tokens(text: str) -> list[str]:
    return re.findall(r"[A-Za-z0-9_\x80-\U0010ffff]+|[^\sA-Za-z0-9_\x80-\U0010ffff]", text)


def shingle_set(text: str) -> set[tuple[str, ...]]:
    tokens = code_tokens(text)
    return {tuple(tokens[start : start + NGRAM]) for start in range(len(tokens) - NGRAM + 1)}


def similarity(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


def edited(text: str, share: float, seed: int) -> str:
    """A copy with some of the words replaced."""
    draw = random.Random(seed)
    return re.sub(r"\w+", lambda word: f"{word[0]}x" if draw.random() < share else word[0], text)


def families() -> list[str]:
    """Functions of the standard library, each with copies that are changed more and more."""
    sources = [
        textwrap.dedent(inspect.getsource(value))
        for module in (ast, inspect, json.decoder, tokenize, textwrap)
        for _, value in sorted(vars(module).items())
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    originals = [source for source in sources if len(source) > 200][:60]
    return [
        edited(source, share, seed)
        for seed, source in enumerate(originals)
        for share in (0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.2)
    ]


@given(texts=st.lists(st.text(st.sampled_from("ab_1 \n\té(+")), min_size=2, max_size=2))
def test_shingles_are_those_of_the_code_tokens(texts: list[str]) -> None:
    hashes, sets = [shingle_hashes(text.encode()) for text in texts], [shingle_set(text) for text in texts]
    assert [len(h) for h in hashes] == [len(s) for s in sets]
    assert jaccard(*hashes) == pytest.approx(similarity(*sets))
    assert all((np.diff(h.astype(object)) > 0).all() for h in hashes), "sorted and distinct"


def test_signatures_estimate_the_similarity() -> None:
    texts = families()[:140]
    hashes = [shingle_hashes(text.encode()) for text in texts]
    signatures = [minhash(h) for h in hashes]
    pairs = [(a, b) for a in range(0, 140, 7) for b in range(a + 1, a + 7)]
    errors = [(signatures[a] == signatures[b]).mean() - jaccard(hashes[a], hashes[b]) for a, b in pairs]
    assert np.sqrt(np.mean(np.square(errors))) < 0.045, "theory says at most 0.044 for 128 permutations"
    assert abs(np.mean(errors)) < 0.02


def test_against_all_pairs() -> None:
    """No kept pair reaches the threshold (recall), and each removed document resembles the kept one it names."""
    texts = families()
    sets = [shingle_set(text) for text in texts]
    stepped = near_duplicates(batch(texts), THRESHOLD)
    number = {f"test:{n:04}.py": n for n in range(len(texts))}
    kept = [number[source] for source in stepped.kept.column("source").to_pylist()]
    missed = [(a, b) for a in kept for b in kept if a < b and similarity(sets[a], sets[b]) >= THRESHOLD]
    assert missed == []
    assert len(texts) // 4 < len(kept) < len(texts)
    for row in stepped.rejected.to_pylist():
        value, twin = re.fullmatch(r"similarity ([\d.]+) to (\S+)", row["reason"]).groups()
        assert number[twin] in kept
        true = similarity(sets[number[row["source"]]], sets[number[twin]])
        assert true >= THRESHOLD and true == pytest.approx(float(value), abs=6e-4)


def test_a_chain_merges_no_strangers() -> None:
    """A ~ B ~ C, A and C differ: B goes when A is the best, and C stays."""
    words = [f"w{n}" for n in range(140)]
    a, b, c = (" ".join(words[start : start + 100]) for start in (0, 15, 30))
    assert similarity(shingle_set(a), shingle_set(b)) > THRESHOLD < similarity(shingle_set(b), shingle_set(c))
    assert similarity(shingle_set(a), shingle_set(c)) < THRESHOLD
    stepped = near_duplicates(batch([a, b, c], [0.9, 0.5, 0.4]), THRESHOLD)
    assert stepped.kept.column("source").to_pylist() == ["test:0000.py", "test:0002.py"]
    middle_first = near_duplicates(batch([a, b, c], [0.4, 0.9, 0.5]), THRESHOLD)
    assert middle_first.kept.column("source").to_pylist() == ["test:0001.py"]


def test_the_best_then_the_first_by_path_stays() -> None:
    text = families()[0]
    copies = [text, text + " ", text + "\n\n", text]
    for step in (exact_duplicates, partial(near_duplicates, threshold=THRESHOLD)):
        best = step(batch(copies, [0.1, 0.3, 0.9, 0.2])).kept
        assert best.column("source").to_pylist() == ["test:0002.py"]
        assert step(batch(copies)).kept.column("source").to_pylist() == ["test:0000.py"]


def test_documents_shorter_than_a_shingle_are_left_alone() -> None:
    texts = ["a = 1", "a = 2", "", "b", "a = 1 "]
    assert near_duplicates(batch(texts), THRESHOLD).kept.num_rows == 5
    assert exact_duplicates(batch(texts)).kept.num_rows == 4


def test_the_order_of_the_documents_does_not_matter() -> None:
    rows = batch(families())
    kept = set(near_duplicates(rows, THRESHOLD).kept.column("id").to_pylist())
    shuffled = rows.take(pa.array(np.random.default_rng(0).permutation(rows.num_rows)))
    assert set(near_duplicates(shuffled, THRESHOLD).kept.column("id").to_pylist()) == kept


def test_normalisation_sees_through_white_space_at_line_ends_only() -> None:
    assert normalized_hash("\n\na = 1  \r\n  b\t\r\n\n") == normalized_hash("a = 1\n  b")
    assert normalized_hash("a = 1\n  b") != normalized_hash("a = 1\n b")
    assert normalized_hash("a\n\nb") != normalized_hash("a\nb")
