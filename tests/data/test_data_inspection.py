"""Counts of a corpus against counts made by hand; samples are always the same."""

from pathlib import Path

import pyarrow as pa
import pytest
from documents import document

from better_ai.artifacts import write_json
from better_ai.data.inspection import TOP, CorpusView, Count, RejectCount
from better_ai.data.schema import DOCUMENT_SCHEMA, REJECTED_SCHEMA
from better_ai.data.step import document_batch, rejected_batch
from better_ai.data.tables import TableWriter
from better_ai.errors import ArtifactError, UserError


def write(path: Path, batch: pa.RecordBatch) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with TableWriter(path, batch.schema) as writer:
        writer.write(batch)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Twenty origins with one document each, one with ten, in two shards; an odd name among them."""
    pytest.importorskip("duckdb")
    rows = [
        document("x" * 2**number, metadata=f'{{"origin": "o{number:02d}"}}', quality_score=number / 20)
        for number in range(20)
    ]
    many = [document(f"é{number}", language="c++", license="it's", metadata="{}") for number in range(10)]
    folder = tmp_path / "it's a corpus"
    write(folder / "train" / "00000.parquet", document_batch(rows[:12]))
    write(folder / "train" / "00001.parquet", document_batch(many))
    write(folder / "validation" / "00000.parquet", document_batch(rows[12:]))
    rejects = [(None, f"s{number}", ("size", "license")[number % 2], "because") for number in range(9)]
    write(folder / "rejected.parquet", rejected_batch(rejects))
    write_json(folder / "corpus.json", {"rejected": {"size": {"because": 5}, "license": {"b": 1, "a": 3}}})
    return folder


def test_counts_are_those_made_by_hand(corpus: Path) -> None:
    with CorpusView(corpus) as view:
        inspection = view.inspect()
    assert inspection.distinct == {"origins": 20, "languages": 2, "licenses": 2}
    assert inspection.splits == (
        Count("train", 22, 2**12 - 1 + 10 * 3),
        Count("validation", 8, 2**20 - 2**12),
    )
    assert inspection.languages == (Count("python", 20, 2**20 - 1), Count("c++", 10, 30))
    assert inspection.origins[0] == Count("unknown", 10, 30)
    assert inspection.origins[-1].name == f"{21 - TOP} others" and len(inspection.origins) == TOP + 1
    assert sum(count.documents for count in inspection.origins) == 30
    assert inspection.rejected == (
        RejectCount("size", "because", 5),
        RejectCount("license", "a", 3),
        RejectCount("license", "b", 1),
    )
    assert inspection.quality.counts == (1,) * 20
    assert inspection.sizes.edges[0] == 1 and sum(inspection.sizes.counts) == 30
    assert inspection.sizes.counts[1] == 11, "2 bytes once, 3 bytes ten times"


def test_samples_do_not_change_and_cover_every_step(corpus: Path) -> None:
    with CorpusView(corpus) as view:
        first, again = view.sample(3), view.sample(3)
        rejected = view.sample_rejected(2)
    assert first == again and len(first) == 3 and set(first[0]) == set(DOCUMENT_SCHEMA.names)
    assert [row["id"] for row in first] == sorted(row["id"] for row in first)
    assert [row["step"] for row in rejected] == ["license"] * 2 + ["size"] * 2
    assert set(rejected[0]) == set(REJECTED_SCHEMA.names)


def test_a_folder_may_have_the_signs_of_a_pattern_in_its_name(corpus: Path, tmp_path: Path) -> None:
    odd = corpus.rename(tmp_path / "[x] *?'")
    with CorpusView(odd) as view:
        assert sum(count.documents for count in view.inspect().splits) > 0
        assert view.sample(1) and view.sample_rejected(1)


def test_what_is_no_corpus_or_a_damaged_one_is_said(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no corpus"):
        CorpusView(tmp_path)
    (corpus / "train" / "00001.parquet").write_bytes(b"PAR1 nothing PAR1")
    with CorpusView(corpus) as view, pytest.raises(ArtifactError, match="cannot read the corpus"):
        view.inspect()
