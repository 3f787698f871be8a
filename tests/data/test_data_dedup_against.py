"""A build is checked against the indexes of earlier ones, whose documents always win."""

import json
import shutil
from pathlib import Path

import pytest
from dedup_corpus import Found, documents, find, functions, names, planted

from better_ai.config.data import DeduplicationConfig
from better_ai.data.deduplicate import INDEX_FOLDER, index_kept
from better_ai.data.engine import Phases
from better_ai.errors import ArtifactError, UserError


def write_index(found: Found, folder: Path, **settings: object) -> Path:
    config = DeduplicationConfig.model_validate(settings)
    out, phases = folder / INDEX_FOLDER, Phases(folder / "phases")
    index_kept(found.shards, found.results, config, phases, out, identities=names(found.shards))
    return out


@pytest.mark.parametrize("method", ["minhash", "simhash", "exact"])
def test_a_new_crawl_against_two_earlier_ones(tmp_path: Path, method: str) -> None:
    """What stays is what would stay of all documents at once, had the earlier ones the better scores."""
    texts = planted(60)
    third = len(texts) // 3
    parts = [range(third), range(third, 2 * third), range(2 * third, len(texts))]
    rows = documents(texts, [0.5] * len(texts))
    built: list[Found] = []
    indexes: list[str] = []
    for number, part in enumerate(parts):
        folder = tmp_path / str(number)
        built.append(find([rows[n] for n in part], folder, shards=2, method=method, against=tuple(indexes)))
        indexes.append(str(write_index(built[-1], folder, method=method, against=tuple(indexes))))
    together = find(
        documents(texts, [0.9 if n in parts[0] else 0.6 if n in parts[1] else 0.3 for n in range(len(texts))]),
        tmp_path / "together",
        method=method,
    )
    assert built[0].kept + built[1].kept + built[2].kept == together.kept
    kept = set(together.kept)
    assert all(reason.split()[-1] in kept for found in built for _, reason in found.reasons.values())
    assert built[2].reasons and any(reason.split()[-1] in built[0].kept for _, reason in built[2].reasons.values())


def test_the_index_holds_what_was_kept_and_nothing_else(tmp_path: Path) -> None:
    texts = planted(30)
    found = find(documents(texts), tmp_path, shards=2)
    index = write_index(found, tmp_path)
    record = json.loads((index / "index.json").read_text())
    assert record["documents"] == len(found.kept) < len(texts)
    again = find(documents(texts), tmp_path / "again", against=(str(index),))
    assert again.kept == []
    removed = [rows for rows in documents(texts) if rows["source"] not in found.kept]
    assert find(removed, tmp_path / "removed", against=(str(index),)).kept == []


def test_earlier_documents_win_whatever_their_quality(tmp_path: Path) -> None:
    text = functions(1)[0]
    first = find(documents([text], [0.1]), tmp_path / "first")
    index = write_index(first, tmp_path / "first")
    found = find(documents(["something else", text, text + " "], [0.9, 0.9, 0.9]), tmp_path, against=(str(index),))
    assert found.kept == ["00000"]
    assert {reason for _, reason in found.reasons.values()} == {"same as 00000"}


def test_an_index_of_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    index = write_index(find(documents(["a b c d e f"]), tmp_path), tmp_path)
    with pytest.raises(UserError, match=r"index was made with bands: 32; this build has bands: 16"):
        find(documents(["b"]), tmp_path / "new", against=(str(index),), bands=16)
    with pytest.raises(UserError, match=r"ngram: 5.*ngram: 4"):
        find(documents(["b"]), tmp_path / "new", against=(str(index),), ngram=4)
    assert find(documents(["b"]), tmp_path / "new", against=(str(index),), threshold=0.9).kept == ["00000"]


def test_a_missing_or_incomplete_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nowhere/index\.json"):
        find(documents(["b"]), tmp_path / "new", against=("nowhere",))
    index = write_index(find(documents(["a b c d e f"]), tmp_path), tmp_path)
    (index / "00000" / "band_keys.npy").unlink()
    with pytest.raises(ArtifactError, match=r"lacks 00000/band_keys\.npy"):
        find(documents(["b"]), tmp_path / "new", against=(str(index),))
    (index / "index.json").write_text("{}")
    with pytest.raises(ArtifactError, match="is not an index"):
        find(documents(["b"]), tmp_path / "new", against=(str(index),))


def test_an_index_stands_alone(tmp_path: Path) -> None:
    """It outlives the build that wrote it, and equal builds write equal indexes."""
    texts = planted(10)
    indexes = [write_index(find(documents(texts), tmp_path / name, shards=2), tmp_path / name) for name in "ab"]
    files = [sorted(path for path in index.rglob("*") if path.is_file()) for index in indexes]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    shutil.rmtree(tmp_path / "a" / "phases")
    assert find(documents(texts), tmp_path / "new", against=(str(indexes[0]),)).kept == []
