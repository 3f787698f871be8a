"""Duplicates are found against brute force; nothing goes that no kept document resembles; cuts do not show."""

import hashlib
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dedup_corpus import (
    THRESHOLD,
    Document,
    Found,
    document,
    documents,
    edited,
    find,
    functions,
    names,
    planted,
    shingles,
    similar_pairs,
    similarity,
    write_shards,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from better_ai.config.data import DeduplicationConfig
from better_ai.data.deduplicate import candidates, deduplicate, verification
from better_ai.data.deduplicate.candidates import bucket_pairs
from better_ai.data.deduplicate.verification import EDGES, EDGES_FILE, DecideTask
from better_ai.data.engine import InlineExecutor, LocalExecutor, Phases
from better_ai.errors import ArtifactError, ConfigError


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return planted(120)


@pytest.fixture(scope="module")
def truth(texts: list[str]) -> dict[tuple[int, int], float]:
    return similar_pairs(texts)


def files(found: Found) -> list[str]:
    """The bytes of the results."""
    return [hashlib.sha256((result.folder / "removed.parquet").read_bytes()).hexdigest() for result in found.results]


@pytest.mark.parametrize(("bands", "recall"), [(32, 1.0), (16, 0.97)])
def test_recall_and_precision_against_all_pairs(
    texts: list[str], truth: dict[tuple[int, int], float], tmp_path: Path, bands: int, recall: float
) -> None:
    """Of all pairs at 0.7 or more, next to none stays together; each removed document resembles the one it names."""
    assert len(truth) > 1200
    found = find(documents(texts), tmp_path, shards=3, bands=bands)
    kept = {int(source) for source in found.kept}
    missed = [pair for pair in truth if kept.issuperset(pair)]
    assert len(missed) <= (1 - recall) * len(truth)
    assert len(texts) // 5 < len(kept) < len(texts) // 2
    for source, (step, reason) in found.reasons.items():
        twin = re.search(r"(\d{5})$", reason)
        assert twin and int(twin[1]) in kept
        true = similarity(shingles(texts[int(source)]), shingles(texts[int(twin[1])]))
        assert true >= THRESHOLD
        if step == "near_duplicates":
            assert reason == f"similarity {true:.3f} to {twin[1]}"


def test_a_chain_merges_no_strangers(tmp_path: Path) -> None:
    """A ~ B ~ C, A and C differ: B goes when A is the best, and C stays."""
    words = [f"w{n}" for n in range(140)]
    a, b, c = (" ".join(words[start : start + 100]) for start in (0, 15, 30))
    assert similarity(shingles(a), shingles(b)) > THRESHOLD < similarity(shingles(b), shingles(c))
    assert similarity(shingles(a), shingles(c)) < THRESHOLD
    assert find(documents([a, b, c], [0.9, 0.5, 0.4]), tmp_path / "ends").kept == ["00000", "00002"]
    assert find(documents([a, b, c], [0.4, 0.9, 0.5]), tmp_path / "middle").kept == ["00001"]


def test_a_long_chain(tmp_path: Path) -> None:
    """Each resembles its neighbours only: every removed one resembles what it is removed for, and far ones stay."""
    words = [f"w{n}" for n in range(1000)]
    texts = [" ".join(words[start : start + 100]) for start in range(0, 900, 12)]
    found = find(documents(texts), tmp_path)
    for source, (_, reason) in found.reasons.items():
        assert similarity(shingles(texts[int(source)]), shingles(texts[int(reason[-5:])])) >= THRESHOLD
    assert found.kept == [f"{n:05}" for n in range(0, len(texts), 2)]


def test_best_then_oldest_then_source(tmp_path: Path) -> None:
    text = functions(1)[0]
    near = text.replace("return", "return  1 +", 1)
    assert similarity(shingles(text), shingles(near)) >= THRESHOLD

    def kept(*rows: Document) -> list[str]:
        step = tmp_path / str(len(list(tmp_path.iterdir())))
        return find(list(rows), step).kept

    for copy in (text, text + "\n\n", near):
        assert kept(document(text, "a", score=0.1), document(copy, "b", score=0.9)) == ["b"]
        assert kept(document(text, "a", score=None), document(copy, "b", score=0.1)) == ["b"]
        old, young = {"fetched_at": "2019-01-01"}, {"fetched_at": "2024-01-01T00:00:00Z"}
        assert kept(document(text, "a", **young), document(copy, "b", **old)) == ["b"]
        assert kept(document(text, "a"), document(copy, "b", **young)) == ["b"], "a known date is older than none"
        assert kept(document(text, "b"), document(copy, "a")) == ["a"]
        assert kept(document(text, "b"), document(copy, "a", score=float("nan"))) == ["b"]


def test_an_exact_copy_of_a_near_duplicate_names_what_stays(tmp_path: Path) -> None:
    text = functions(1)[0]
    near = text.replace("return", "return  1 +", 1)
    rows = [document(text, "best", score=0.9), document(near, "near"), document(near + "\n", "near_copy", score=0.4)]
    found = find(rows, tmp_path)
    assert found.kept == ["best"]
    assert found.reasons["near"][1].endswith("to best")
    assert found.reasons["near_copy"] == ("exact_duplicates", f"same as near, {found.reasons['near'][1]}")


def test_short_and_empty_documents_are_duplicates_only_of_equal_ones(tmp_path: Path) -> None:
    found = find(documents(["a = 1", "a = 2", "", "b", "a = 1 ", "\n\n"]), tmp_path)
    assert found.kept == ["00000", "00001", "00002", "00003"]
    assert {step for step, _ in found.reasons.values()} == {"exact_duplicates"}


@pytest.mark.parametrize("method", ["minhash", "simhash", "exact"])
def test_no_documents_and_empty_shards(tmp_path: Path, method: str) -> None:
    assert find([], tmp_path / "none", shards=2, method=method).kept == []
    assert find(documents([""]), tmp_path / "one", shards=2, method=method).kept == ["00000"]
    assert find(documents(["", ""]), tmp_path / "two", shards=3, method=method).kept == ["00000"]


def test_cuts_do_not_show(texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the cut into shards nor those into partitions and parts, nor the order of the documents."""
    texts = texts[:400]
    draw = np.random.default_rng(1)
    scores = draw.random(len(texts)).round(1).tolist()
    dates = [{"date": f"20{n % 9 + 10}-01-01"} if n % 3 else {} for n in range(len(texts))]
    rows = [document(text, f"{n:05}", score=scores[n], **dates[n]) for n, text in enumerate(texts)]
    whole = find(rows, tmp_path / "whole")
    for name, settings_ in {"shards": {"shards": 7}, "partitions": {"shards": 3, "partition_rows": 37}}.items():
        other = find(rows, tmp_path / name, **settings_)
        assert (other.kept, other.reasons) == (whole.kept, whole.reasons)
    monkeypatch.setattr(candidates, "MAX_PAIRS", 64)
    monkeypatch.setattr(verification, "MAX_PAIRS", 64)
    other = find(rows, tmp_path / "parts", shards=3)
    assert (other.kept, other.reasons) == (whole.kept, whole.reasons)
    assert len(list((tmp_path / "parts").rglob("candidates-*/00000/*.npy"))) > 3
    shuffled = find([rows[n] for n in draw.permutation(len(rows))], tmp_path / "shuffled", shards=2)
    assert (sorted(shuffled.kept), shuffled.reasons) == (whole.kept, whole.reasons)


def test_the_same_bytes_from_any_executor_and_again(texts: list[str], tmp_path: Path) -> None:
    rows = documents(texts[:200])
    inline = find(rows, tmp_path / "inline", 3, Phases(tmp_path / "a", InlineExecutor()), partition_rows=50)
    with LocalExecutor(2) as executor:
        pool = find(rows, tmp_path / "pool", 3, Phases(tmp_path / "b", executor), partition_rows=50)
    again = find(rows, tmp_path / "pool", 3, Phases(tmp_path / "b", InlineExecutor()), partition_rows=50)
    assert files(inline) == files(pool) == files(again)


def test_a_changed_threshold_reads_no_document_again(texts: list[str], tmp_path: Path) -> None:
    rows = documents(texts[:100])
    ran: list[str] = []

    def on_progress(name: str, done: int, total: int, counts: Mapping[str, Any]) -> None:
        ran.extend([name] if counts else [])

    phases = Phases(tmp_path / "phases", on_progress=on_progress)
    strict = find(rows, tmp_path, phases=phases, threshold=0.95)
    assert "signatures" in ran
    ran.clear()
    loose = find(rows, tmp_path, phases=phases, threshold=0.6)
    assert "signatures" not in ran and "pairs" in ran
    assert len(loose.kept) < len(strict.kept)


def test_known_shards_are_not_read_again(texts: list[str], tmp_path: Path) -> None:
    """Signatures by identity: a build with one more shard computes that one's, and finds the same as without."""
    shards = write_shards(documents(texts[:300]), tmp_path, 3)
    seen: list[tuple[str, int, int]] = []
    phases = Phases(tmp_path / "phases", on_progress=lambda name, done, total, counts: seen.append((name, done, total)))
    deduplicate(shards[:2], DeduplicationConfig(), phases, identities=names(shards[:2]))
    seen.clear()
    more = deduplicate(shards, DeduplicationConfig(), phases, identities=names(shards))
    assert [(done, total) for name, done, total in seen if name == "signatures"] == [(2, 3), (3, 3)]
    plain = deduplicate(shards, DeduplicationConfig(), Phases(tmp_path / "plain"), identities=names(shards))
    assert [result.files for result in more] == [result.files for result in plain]


def test_ten_thousand_equal_documents(tmp_path: Path) -> None:
    text = functions(1)[0]
    found = find(documents([text] * 10_000), tmp_path, shards=4)
    assert found.kept == ["00000"]
    assert {reason for _, reason in found.reasons.values()} == {"same as 00000"}


def test_a_huge_family_costs_linear_time(tmp_path: Path) -> None:
    """Two thousand documents that share half of their shingles meet in many buckets; pairs are bounded."""
    draw = random.Random(2)
    shared = " ".join(f"s{n}" for n in range(90))
    texts = [shared + " " + " ".join(f"v{draw.randrange(10**6)}" for _ in range(60)) for _ in range(2000)]
    found = find(documents(texts), tmp_path, bucket_pairs=8)
    assert len(found.kept) == 2000
    counts = list((tmp_path / "phases" / "deduplicate").glob("candidates-*/*/*.npy"))
    assert 2000 < sum(len(np.load(path)) for path in counts) <= 2000 * 32 * 8


def test_huge_documents(tmp_path: Path) -> None:
    """One line of 4 MB, one word of 4 MB, and a document of many lines that all end in white space."""
    line = " ".join(f"name{n} = {n};" for n in range(250_000))
    texts = [line, line + " end", "x" * 4_000_000, "x" * 3_999_999 + "y", "a  \n" * 1_000_000, "a\n" * 1_000_000]
    found = find(documents(texts), tmp_path)
    assert found.kept == ["00000", "00002", "00003", "00004"]
    assert found.reasons["00001"] == ("near_duplicates", "similarity 1.000 to 00000")
    assert found.reasons["00005"] == ("exact_duplicates", "same as 00004")


def test_simhash_finds_close_copies_and_removes_nothing_else(
    texts: list[str], truth: dict[tuple[int, int], float], tmp_path: Path
) -> None:
    close = [pair for pair, value in truth.items() if value >= 0.97]
    found = find(documents(texts), tmp_path, method="simhash")
    kept = {int(source) for source in found.kept}
    assert len(close) > 50
    assert sum(kept.issuperset(pair) for pair in close) < 0.1 * len(close)
    for source, (_, reason) in found.reasons.items():
        a, b = sorted((int(source), int(reason[-5:])))
        assert b in kept or a in kept
        assert similarity(shingles(texts[a]), shingles(texts[b])) >= THRESHOLD


def test_without_near_duplicates(texts: list[str], tmp_path: Path) -> None:
    found = find(documents(texts[:200]), tmp_path, method="exact")
    assert {step for step, _ in found.reasons.values()} <= {"exact_duplicates"}
    assert len(found.kept) == len({text.strip() for text in texts[:200]})


def test_a_header_hides_no_copy_if_asked(tmp_path: Path) -> None:
    header = "".join(f"# line {n} of a licence that says many words and means few of them\n" for n in range(20))
    text = functions(1)[0]
    rows = documents([text, header + text])
    assert similarity(shingles(text), shingles(header + text)) < THRESHOLD
    assert find(rows, tmp_path / "seen").kept == ["00000", "00001"]
    assert find(rows, tmp_path / "ignored", ignore_header=True).kept == ["00000"]


@given(
    keys=st.lists(st.integers(0, 5), max_size=40),
    limit=st.integers(2, 9),
    seed=st.integers(0, 99),
    max_pairs=st.integers(1, 99),
)
def test_pairs_of_a_bucket(keys: list[int], limit: int, seed: int, max_pairs: int) -> None:
    """Each with the first of its bucket and the nearest before it: never more than `limit`, all if there are fewer."""
    ranks = np.random.default_rng(seed).permutation(len(keys))
    parts = list(bucket_pairs(np.array(keys, np.uint64), ranks, limit, max_pairs))
    assert all(len(part) <= max(max_pairs, limit) for part in parts)
    found = sorted({(later, earlier) for part in parts for later, earlier in part.tolist()})
    expected = []
    for later in range(len(keys)):
        key = keys[ranks.tolist().index(later)]
        before = [rank for rank in range(later) if keys[ranks.tolist().index(rank)] == key]
        near, first = before[::-1][: limit // 2], before[: limit // 2]
        expected += [(later, earlier) for earlier in sorted({*near, *first})]
    assert found == expected


@settings(max_examples=50)
@given(edges=st.dictionaries(st.tuples(st.integers(0, 30), st.integers(0, 30)), st.integers(70, 100), max_size=60))
def test_decisions_are_greedy(tmp_path_factory: pytest.TempPathFactory, edges: dict[tuple[int, int], int]) -> None:
    """Against the definition: from the best down, one goes if it has an edge to one that stays."""
    rows = sorted((max(pair), min(pair), value / 100) for pair, value in edges.items() if pair[0] != pair[1])
    folder = tmp_path_factory.mktemp("decide")
    parts = []
    for low, high in ((0, 9), (9, 20), (20, 31)):
        parts.append(folder / str(low))
        parts[-1].mkdir()
        np.array([row for row in rows if low <= row[0] < high], EDGES).tofile(parts[-1] / EDGES_FILE)
    out = folder / "out"
    out.mkdir()
    DecideTask(31)(parts, out)
    removed = {int(edge["later"]): edge for n in range(3) for edge in np.load(out / f"{n:05d}.npy")}
    gone: set[int] = set()
    for rank in range(31):
        kept = [(value, -earlier) for later, earlier, value in rows if later == rank and earlier not in gone]
        if kept:
            gone.add(rank)
            assert (removed[rank]["similarity"], -removed[rank]["earlier"]) == max(kept)
    assert set(removed) == gone


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    find(documents(["a b c d e"]), tmp_path)
    shards = [tmp_path / "shards" / "0.parquet"]
    shards[0].write_bytes(b"PAR1 not really")
    with pytest.raises(ArtifactError, match=r"0\.parquet"):
        deduplicate(shards, DeduplicationConfig(), Phases(tmp_path / "other"), identities=names(shards))


def test_odd_metadata_harms_nobody(tmp_path: Path) -> None:
    odd = [
        "[" * 100_000,
        '{"origin": "\\ud800", "date": "0001-01-01"}',
        "null",
        '{"date": {}, "origin": 7}',
        "not JSON",
    ]
    rows = [{**document(f"text number {n}", f"{n}"), "metadata": metadata} for n, metadata in enumerate(odd)]
    assert find(rows, tmp_path, repository_threshold=0.5).kept == ["0", "1", "2", "3", "4"]


def test_impossible_settings_are_refused() -> None:
    for values, message in (
        ({"permutations": 100}, "100 permutations do not divide into 32 bands and 8 bins"),
        ({"simhash_blocks": 3}, "a distance of 3 leaves none of 3 blocks equal"),
        ({"treshold": 0.5}, "did you mean 'threshold'"),
    ):
        with pytest.raises(ConfigError, match=message):
            DeduplicationConfig.parse(values, where="deduplicate")
    assert DeduplicationConfig(bands=16).rows == 8


def test_copies_of_each_kind(tmp_path: Path) -> None:
    """Copies that differ in white space only are exact for the near search; those with other words are not."""
    source = functions(3)[2]
    texts = [source, source.replace("    ", "\t"), edited(source, 0.5, 1)]
    found = find(documents(texts), tmp_path)
    assert found.kept == ["00000", "00002"]
    assert found.reasons["00001"] == ("near_duplicates", "similarity 1.000 to 00000")
