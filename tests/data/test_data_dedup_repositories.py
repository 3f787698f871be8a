"""Forks go whole, and only forks."""

from pathlib import Path

import numpy as np
from dedup_corpus import Document, document, find, functions, names
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data import DeduplicationConfig
from better_ai.data.deduplicate import index_kept
from better_ai.data.deduplicate.repositories import OVERLAPS, REPOSITORIES, find_forks
from better_ai.data.engine import Phases

FILES = functions(60)


def repository(name: str, texts: list[str], date: str = "2020-01-01", score: float = 0.5) -> list[Document]:
    return [document(text, f"{name}:{n:03}", score=score, origin=name, date=date) for n, text in enumerate(texts)]


def test_a_fork_goes_with_the_files_it_changed(tmp_path: Path) -> None:
    original = repository("original", FILES[:20])
    fork = repository("fork", [*FILES[:18], "def changed(): pass\n", *FILES[30:31]], date="2023-01-01")
    other = repository("other", [*FILES[:5], *FILES[40:55]], date="2021-01-01")
    rows = [*fork, *original, *other, document(FILES[25], "loose")]
    found = find(rows, tmp_path, shards=3, repository_threshold=0.8)
    assert {source for source, (step, _) in found.reasons.items() if step == "repositories"} == {
        row["source"] for row in fork
    }
    assert found.reasons["fork:018"][1] == "90% of the files of its repository are in that of original:000"
    assert {source.split(":")[0] for source in found.kept} == {"original", "other", "loose"}
    assert [source for source, (step, _) in found.reasons.items() if step == "exact_duplicates"] == [
        f"other:{n:03}" for n in range(5)
    ]
    off = find(rows, tmp_path / "off", shards=3)
    assert not any(step == "repositories" for step, _ in off.reasons.values())
    assert "fork:018" in off.kept


def test_cuts_do_not_show(tmp_path: Path) -> None:
    rows = [
        *repository("a", FILES[:20]),
        *repository("b", FILES[:15], date="2022-01-01"),
        *repository("c", FILES[3:25], date="2023-01-01", score=0.504),
        *repository("d", [*FILES[30:35], *FILES[:2]]),
    ]
    whole = find(rows, tmp_path / "whole", repository_threshold=0.7)
    parts = find(rows, tmp_path / "parts", shards=5, repository_threshold=0.7, partition_rows=9)
    assert (whole.kept, whole.reasons) == (parts.kept, parts.reasons)
    assert any(step == "repositories" for step, _ in whole.reasons.values())


def test_the_better_one_stays_when_quality_differs_visibly(tmp_path: Path) -> None:
    old, new = repository("old", FILES[:9], score=0.5), repository("new", FILES[:9], date="2023-01-01", score=0.502)
    found = find([*old, *new], tmp_path / "same", repository_threshold=0.8)
    assert all(source.startswith("old") for source in found.kept)
    better = repository("new", FILES[:9], date="2023-01-01", score=0.6)
    found = find([*old, *better], tmp_path / "better", repository_threshold=0.8)
    assert all(source.startswith("new") for source in found.kept)


def test_files_that_everyone_has_make_no_fork(tmp_path: Path) -> None:
    rows = [row for n in range(8) for row in repository(f"r{n}", [*FILES[:9], FILES[10 + n]])]
    common = find(rows, tmp_path / "common", repository_threshold=0.8, common_files=5)
    assert not any(step == "repositories" for step, _ in common.reasons.values())
    forks = find(rows, tmp_path / "forks", repository_threshold=0.8)
    assert sum(step == "repositories" for step, _ in forks.reasons.values()) == 70


def test_forks_of_repositories_of_earlier_builds(tmp_path: Path) -> None:
    first = find(repository("first", FILES[:10], date="2024-01-01"), tmp_path / "first")
    index = tmp_path / "first" / "index"
    phases = Phases(tmp_path / "first" / "phases")
    index_kept(first.shards, first.results, DeduplicationConfig(), phases, index, identities=names(first.shards))
    rows = [
        *repository("older_fork", [*FILES[:9], FILES[20]]),
        *repository("first", [*FILES[:9], FILES[21]], date="2025-01-01"),
    ]
    found = find(rows, tmp_path, repository_threshold=0.8, against=(str(index),))
    assert found.reasons["older_fork:009"] == (
        "repositories",
        "90% of the files of its repository are in that of first:000",
    )
    assert found.kept == ["first:009"], "the same repository later is no fork of itself"


@given(
    overlaps=st.dictionaries(st.tuples(st.integers(0, 9), st.integers(0, 9)), st.integers(1, 10), max_size=30),
    earlier=st.integers(0, 3),
)
def test_forks_are_of_what_stays(overlaps: dict[tuple[int, int], int], earlier: int) -> None:
    """Against the definition: from the one to keep first, one goes if enough of it is in one that stays."""
    repositories = np.zeros(10, REPOSITORIES)
    repositories["origin"] = repositories["first"] = np.arange(10)
    repositories["files"] = repositories["documents"] = 10
    repositories["date"] = [5, 3, 3, 9, 1, 0, 7, 7, 7, 2]
    shared = {(min(pair), max(pair)): files for pair, files in sorted(overlaps.items()) if pair[0] != pair[1]}
    rows = np.array([(a, b, files) for (a, b), files in sorted(shared.items())], OVERLAPS)
    forks = {int(fork["origin"]): fork for fork in find_forks(repositories, rows, 0.6, earlier)}
    kept: set[int] = set()
    for origin in sorted(range(10), key=lambda n: (n >= earlier, repositories["date"][n], n)):
        shares = {other: shared.get((min(origin, other), max(origin, other)), 0) / 10 for other in kept}
        best = max(shares.values(), default=0)
        if origin >= earlier and best >= 0.6:
            assert forks.pop(origin)["share"] == best
        else:
            kept.add(origin)
    assert not forks


def test_a_repository_without_a_name_is_none(tmp_path: Path) -> None:
    rows = [document(text, f"{copy}{n}") for copy in "ab" for n, text in enumerate(FILES[:10])]
    found = find(rows, tmp_path, repository_threshold=0.5)
    assert {step for step, _ in found.reasons.values()} == {"exact_duplicates"}
