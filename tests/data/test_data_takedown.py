"""What is named goes, what is not stays as it was, and requests are not forgotten."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from better_ai.data.schema import DOCUMENT_SCHEMA, document_id
from better_ai.data.step import document_batch
from better_ai.data.takedown import (
    Pattern,
    Takedown,
    count_kept,
    read_ids,
    read_requests,
    remember_request,
    replaced_corpora,
    rewrite_shards,
)
from better_ai.errors import ArtifactError, UserError


def documents(*sources: str) -> pa.RecordBatch:
    return document_batch(
        [
            {
                "id": document_id(source.encode()),
                "content": source,
                "language": "python",
                "source": source,
                "license": "MIT",
                "quality_score": 0.5,
                "metadata": json.dumps({"origin": source[0], "sha256": document_id(b"raw " + source.encode())}),
            }
            for source in sources
        ]
    )


def write(batch: pa.RecordBatch, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_batches([batch], DOCUMENT_SCHEMA), path)
    return path


@pytest.mark.parametrize(
    ("takedown", "gone"),
    [
        (Takedown((Pattern("source", "a:*"),)), {"a:1", "a:2"}),
        (Takedown((Pattern("origin", "b"),)), {"b:1"}),
        (Takedown((Pattern("source", "?:1"),)), {"a:1", "b:1"}),
        (Takedown((Pattern("license", "mit"), Pattern("no_such_key", "x"))), set()),
        (Takedown(ids=frozenset({document_id(b"a:2")})), {"a:2"}),
        (Takedown(ids=frozenset({document_id(b"raw b:1")})), {"b:1"}),
    ],
)
def test_columns_metadata_and_ids_name_documents(takedown: Takedown, gone: set[str]) -> None:
    batch = documents("a:1", "a:2", "b:1")
    stepped = takedown.apply(batch)
    assert set(stepped.rejected.column("source").to_pylist()) == gone
    assert set(stepped.kept.column("source").to_pylist()) == {"a:1", "a:2", "b:1"} - gone
    assert stepped.kept.schema == DOCUMENT_SCHEMA


def test_shards_without_hits_are_the_same_file_and_the_others_lose_only_what_is_named(tmp_path: Path) -> None:
    first = write(documents("a:1", "b:1", "a:2"), tmp_path / "old" / "00000.parquet")
    second = write(documents("b:2"), tmp_path / "old" / "00001.parquet")
    before = first.read_bytes()
    rejected = rewrite_shards([first, second], tmp_path / "new", Takedown((Pattern("source", "a:*"),)))
    assert sum(batch.num_rows for batch in rejected) == 2
    assert count_kept({"train": sorted((tmp_path / "new").iterdir())}) == {"train": {"documents": 2, "bytes": 6}}
    assert first.read_bytes() == before
    assert pq.read_table(tmp_path / "new" / "00000.parquet").to_batches()[0].equals(documents("b:1"))
    assert (tmp_path / "new" / "00001.parquet").samefile(second)


@pytest.mark.parametrize("text", ["source", "=x", "source=", "source=*", "source= ** "])
def test_patterns_that_say_nothing_or_everything_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"column=pattern|every document"):
        Pattern.parse(text)


def test_ids_come_one_a_line(tmp_path: Path) -> None:
    id = document_id(b"x")
    path = tmp_path / "ids"
    path.write_text(f"# why it has to go\n{id.upper()}\n\n {id}\n")
    assert read_ids(path) == {id}
    path.write_text(f"{id[:-1]}\n")
    with pytest.raises(UserError, match="no document id"):
        read_ids(path)
    path.write_text("\n")
    with pytest.raises(UserError, match="no ids"):
        read_ids(path)
    with pytest.raises(UserError, match="cannot read"):
        read_ids(tmp_path / "missing")


def test_requests_add_up_and_a_damaged_list_stops_everything(tmp_path: Path) -> None:
    assert not read_requests(tmp_path)
    one, two = Takedown((Pattern("source", "a:*"),)), Takedown(ids=frozenset({document_id(b"x")}))
    for corpus, request in (("x", one), ("y", two), ("z", one)):
        remember_request(tmp_path, request, requested_at="2026-01-01", corpus=corpus)
    together = read_requests(tmp_path)
    assert together == one.joined(two) == Takedown(one.patterns, two.ids)
    assert together.identity() != one.identity() and Takedown().identity() == {}
    assert replaced_corpora(tmp_path) == ["x", "y", "z"]
    (tmp_path / "takedowns.jsonl").write_text('{"patterns": 3}\n')
    with pytest.raises(ArtifactError, match="damaged"):
        read_requests(tmp_path)
