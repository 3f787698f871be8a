"""Each known data set is read by its columns; each form of file is read to where it is damaged; the Hub may be gone."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from collected import collected
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data.dumps import HuggingFaceSource
from better_ai.data.collectors import huggingface, tabular
from better_ai.data.collectors.dataset_maps import DATASET_MAPS, closest_map, map_of
from better_ai.data.collectors.dataset_rows import extract, missing_columns, trees
from better_ai.data.collectors.rows import Unreadable
from better_ai.data.collectors.tabular import read_rows
from better_ai.data.transcript import read_transcript
from better_ai.errors import UserError

CODE = "def f(x):\n\treturn x  \n\n\n"
STACK = {"max_stars_repo_name": "a/b", "max_stars_repo_path": "src/f.py", "max_stars_count": 3}

ROWS: dict[str, dict[str, Any]] = {
    "the-stack-v1": {
        **STACK, "hexsha": "0", "size": 9, "ext": "py", "lang": "Python", "content": CODE,
        "max_stars_repo_head_hexsha": "abc", "max_stars_repo_licenses": ["MIT", "Apache-2.0"],
        "avg_line_length": 1.0, "max_line_length": 2, "alphanum_fraction": 0.5,
    },
    "the-stack-v2": {
        "blob_id": "b1", "directory_id": "d", "path": "/src/f.cpp", "content_id": "c", "detected_licenses": ["MIT"],
        "license_type": "permissive", "repo_name": "a/b", "snapshot_id": "s", "revision_id": "abc",
        "branch_name": "refs/heads/main", "visit_date": "2023-01-02T03:04:05", "star_events_count": 3,
        "src_encoding": "UTF-8", "language": "C++", "is_vendor": False, "is_generated": False, "length_bytes": 5,
        "extension": "cpp", "content": CODE,
    },
    "starcoderdata": {**STACK, "id": "7", "content": CODE},
    "the-pile": {"text": "Words.", "meta": {"pile_set_name": "Pile-CC"}},
    "slimpajama": {"text": "Words.", "meta": {"redpajama_set_name": "RedPajamaC4"}},
    "openwebtext": {"text": "Words."},
    "magicoder-oss-instruct": {
        "lang": "python", "raw_index": 1, "index": 2, "seed": "s", "openai_fingerprint": None,
        "problem": "Do it.", "solution": "Done.",
    },
    "magicoder-evol-instruct": {"instruction": "Do it.", "response": "Done."},
    "code-feedback": {
        "id": 5,
        "messages": [{"role": "user", "content": "Do it."}, {"role": "assistant", "content": "Done."}],
    },
    "code-ultra-feedback": {
        "id": 1, "instruction": "Do it.", "preference": "readability",
        "responses": [{"model": "a", "response": "Bad."}, {"model": "b", "response": "Done."}],
        "annotations": [{"model": "b", "rating": "5", "rationale": "r"},
                        {"model": "a", "rating": "1", "rationale": "r"}],
    },
    "rlvr-code": {
        "messages": [{"role": "user", "content": "Do it."}], "ground_truth": ["assert f(1) == 1"], "dataset": "code",
    },
    "code-alpaca": {"instruction": "Do", "input": "it.", "output": "Done."},
    "dolly-15k": {"instruction": "Do it.", "context": "", "response": "Done.", "category": "open_qa"},
    "oasst1": {
        "message_id": "m", "parent_id": None, "user_id": "u", "created_date": "2023-02-05T14:23:50.983374+00:00",
        "text": "Do it.", "role": "prompter", "lang": "en", "review_result": True, "deleted": False, "rank": None,
        "message_tree_id": "t", "tree_state": "ready_for_export",
    },
    "swe-bench": {
        "repo": "a/b", "instance_id": "a__b-1", "base_commit": "abc", "patch": "--- a\n+++ b\n", "test_patch": "t",
        "problem_statement": "Do it.", "hints_text": "", "created_at": "2020-01-02T03:04:05Z", "version": "1.0",
        "FAIL_TO_PASS": "[]", "PASS_TO_PASS": "[]", "environment_setup_commit": "abc",
    },
}  # fmt: skip
EXPECTED: dict[str, dict[str, Any]] = {
    "the-stack-v1": {"content": CODE, "language": "python", "license": "Apache-2.0 AND MIT", "path": "a/b/src/f.py",
                     "revision": "abc", "score": 3},
    "the-stack-v2": {"content": CODE, "language": "c++", "license": "MIT", "path": "a/b//src/f.cpp", "revision": "abc",
                     "fetched_at": "2023-01-02T03:04:05", "score": 3, "blob_id": "b1"},
    "starcoderdata": {"content": CODE, "language": "python", "license": "unknown", "path": "a/b/src/f.py", "score": 3},
    "the-pile": {"content": "Words.", "language": "text", "license": "unknown", "pile_set_name": "Pile-CC"},
    "slimpajama": {"content": "Words.", "language": "text", "redpajama_set_name": "RedPajamaC4"},
    "openwebtext": {"content": "Words.", "language": "text", "license": "unknown"},
    "magicoder-oss-instruct": {"license": "MIT", "lang": "python"},
    "magicoder-evol-instruct": {"license": "Apache-2.0"},
    "code-feedback": {"license": "Apache-2.0", "path": "5"},
    "code-ultra-feedback": {"license": "MIT", "preference": "readability"},
    "rlvr-code": {"messages": ["Do it."], "ground_truth": ["assert f(1) == 1"]},
    "code-alpaca": {"license": "CC-BY-4.0", "messages": ["Do\n\nit.", "Done."]},
    "dolly-15k": {"license": "CC-BY-SA-3.0", "category": "open_qa"},
    "oasst1": {"license": "Apache-2.0", "messages": ["Do it.", "Done."],
               "fetched_at": "2023-02-05T14:23:50.983374+00:00"},
    "swe-bench": {"path": "a/b/a__b-1", "revision": "abc", "messages": ["Do it.", "```diff\n--- a\n+++ b\n```"]},
}  # fmt: skip


def rows_of(name: str) -> list[dict[str, Any]]:
    row = ROWS[name]
    if name != "oasst1":
        return [row]
    reply = {**row, "message_id": "r0", "parent_id": "m", "role": "assistant", "rank": 1, "text": "Worse."}
    return [row, reply, {**reply, "message_id": "r1", "rank": 0, "text": "Done."},
            {**reply, "message_id": "r2", "rank": -1, "text": "Gone.", "deleted": True}]  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, **options)
    elif path.suffix == ".arrow":
        table = pa.Table.from_pylist(rows)
        with pa.OSFile(str(path), "wb") as file, options.get("new", pa.ipc.new_stream)(file, table.schema) as writer:
            writer.write_table(table)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=2), "utf-8")
    elif path.suffix in (".gz", ".zst"):
        with pa.output_stream(str(path), compression="detect") as stream:
            stream.write(lines.encode())
    else:
        path.write_text(lines, "utf-8")
    return path


def test_every_map_has_its_row() -> None:
    assert set(ROWS) == set(EXPECTED) == {entry.name for entry in DATASET_MAPS}


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@pytest.mark.parametrize("name", list(ROWS))
def test_each_data_set_by_its_columns(name: str, suffix: str, tmp_path: Path) -> None:
    known = next(entry for entry in DATASET_MAPS if entry.name == name)
    write(tmp_path / f"train{suffix}", rows_of(name))
    (document,), rejects = collected(HuggingFaceSource(id=known.ids[0], path=str(tmp_path)))
    assert rejects == []
    expected = dict(EXPECTED[name])
    if document["meta"].get("kind") == "conversation":
        messages = expected.pop("messages", ["Do it.", "Done."])
        assert [message.content for message in read_transcript(document["content"]).messages] == messages
        assert document["language"] == "markdown"
    found = {**document["meta"], **{key: document[key] for key in ("content", "language", "license")}}
    assert {key: found[key] for key in expected} == expected
    assert document["source"].startswith(f"{known.ids[0]}:")


@pytest.mark.parametrize("name", list(ROWS))
def test_a_wrong_layout_names_what_was_found_and_expected(name: str, tmp_path: Path) -> None:
    known = next(entry for entry in DATASET_MAPS if entry.name == name)
    lost = known.columns[0].split(".")[0] if known.columns else "path"
    lacking = [{("other" if key == lost else key): value for key, value in row.items()} for row in rows_of(name)]
    write(tmp_path / "a.parquet", lacking)
    with pytest.raises(UserError) as raised:
        collected(HuggingFaceSource(id=known.ids[0], path=str(tmp_path)))
    assert "found the columns" in str(raised.value) and f"missing: {known.columns[0]}" in str(raised.value)
    write(tmp_path / "a.parquet", rows_of(name))
    write(tmp_path / "b.parquet", lacking)
    documents, rejects = collected(HuggingFaceSource(id=known.ids[0], path=str(tmp_path)))
    assert len(documents) == 1 and all("the layout" in reason or "tree" in reason for _, reason in rejects) and rejects


def test_stack_v2_ids_without_contents(tmp_path: Path) -> None:
    row = {key: value for key, value in ROWS["the-stack-v2"].items() if key != "content"}
    write(tmp_path / "a.parquet", [row])
    documents, [(_, reason)] = collected(HuggingFaceSource(id="bigcode/the-stack-v2", path=str(tmp_path)))
    assert (
        documents == []
        and reason == "content b1 is not in the data set; it has to be downloaded from Software Heritage"
    )


def test_a_benchmark_is_no_training_data(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", rows_of("swe-bench"))
    source = HuggingFaceSource(id="princeton-nlp/SWE-bench", path=str(tmp_path), split="test")
    with pytest.raises(UserError, match="is a benchmark"):
        collected(source)
    assert len(collected(source.model_copy(update={"evaluation": True}))[0]) == 1


def test_what_the_configuration_says_stands_above_the_map(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", rows_of("the-stack-v1"))
    source = HuggingFaceSource(id="x/y", columns="the-stack-v1", path=str(tmp_path), license="ISC")
    assert collected(source)[0][0]["license"] == "ISC"
    plain = HuggingFaceSource(id="x/y", text="content", path=str(tmp_path), language="python")
    (document,) = collected(plain)[0]
    assert (document["content"], document["language"], document["license"]) == (CODE, "python", "unknown")
    with pytest.raises(UserError, match="no column map for x/y; set columns to one of the-stack-v1"):
        collected(HuggingFaceSource(id="x/y", path=str(tmp_path)))


def test_which_map() -> None:
    assert map_of("BigCode/The-Stack-Dedup").name == "the-stack-v1"  # type: ignore[union-attr]
    assert closest_map(ROWS["the-stack-v1"], "content").name == "the-stack-v1"  # type: ignore[union-attr]
    assert closest_map(["content"], "content") is None


TEXTS = [{"text": f"Text {number}: " + "é" * number} for number in range(300)]
FORMS = ["a.parquet", "a.arrow", "a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.json", "deep/er/a.jsonl"]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_file(form: str, tmp_path: Path) -> None:
    write(tmp_path / form, TEXTS)
    documents, rejects = collected(HuggingFaceSource(id="x/y", text="text", path=str(tmp_path)))
    assert [document["content"] for document in documents] == [row["text"] for row in TEXTS] and rejects == []


def test_arrow_files_and_many_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.arrow", TEXTS[:10], new=pa.ipc.new_file)
    write(tmp_path / "b.parquet", TEXTS[10:], row_group_size=7)
    monkeypatch.setattr(huggingface, "PART_BYTES", 5_000)
    source = HuggingFaceSource(id="x/y", text="text", path=str(tmp_path))
    assert len(huggingface.HuggingFaceCollector(source).parts()) > 5
    assert [document["content"] for document in collected(source)[0]] == [row["text"] for row in TEXTS]


def test_a_row_group_that_would_not_fit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "MAX_GROUP_BYTES", 10_000)
    table = pa.table({"text": ["z" * 20_000, "y"]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1, use_dictionary=False)
    documents, [(_, reason)] = collected(HuggingFaceSource(id="x/y", text="text", path=str(tmp_path)))
    assert [document["content"] for document in documents] == ["y"] and "more than 10000" in reason


@pytest.mark.parametrize("form", FORMS[:-1])
def test_cut_and_damaged_files_end_in_one_row(form: str, tmp_path: Path) -> None:
    draw = random.Random(5)
    file = write(tmp_path / form, TEXTS)
    write(tmp_path / "z.jsonl", TEXTS[:5])
    content = file.read_bytes()
    for trial in range(12):
        damaged = bytearray(content[: draw.randrange(len(content))] if trial % 2 else content)
        for _ in range(0 if trial % 2 else 3):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        file.write_bytes(damaged)
        try:
            documents, rejects = collected(HuggingFaceSource(id="x/y", text="text", path=str(tmp_path)))
        except UserError as error:
            assert "found the columns" in str(error)
            continue
        assert [document["content"] for document in documents][-5:] == [row["text"] for row in TEXTS[:5]]
        assert trial % 2 == 0 or len(documents) <= 305
        assert len(documents) + len(rejects) >= 5


@given(st.binary(max_size=300), st.sampled_from(["a.parquet", "a.arrow", "a.jsonl", "a.json", "a.jsonl.gz"]))
def test_no_bytes_are_an_error(tmp_path_factory: pytest.TempPathFactory, noise: bytes, name: str) -> None:
    file = tmp_path_factory.getbasetemp() / name
    file.write_bytes(noise)
    assert all(isinstance(row, Unreadable | dict) for _, row in read_rows(file, max_bytes=100))


@given(
    st.sampled_from(list(ROWS)),
    st.lists(st.tuples(st.integers(0, 30), st.none() | st.text(max_size=3) | st.integers() | st.lists(st.none()))),
)
def test_no_row_is_an_error(name: str, changes: list[tuple[int, Any]]) -> None:
    known = next(entry for entry in DATASET_MAPS if entry.name == name)
    rows = [dict(row) for row in rows_of(name)]
    for number, value in changes:
        row = rows[number % len(rows)]
        row[sorted(row)[number % len(row)]] = value
    named = [(str(number), row) for number, row in enumerate(rows)]
    for _, row in trees(named, known) if known.form == "tree" else named:
        try:
            assert not isinstance(row, Unreadable) and isinstance(extract(row, known).text, str)
        except (Unreadable, AssertionError):
            continue


def test_trees_take_the_best_path_and_end() -> None:
    known = map_of("OpenAssistant/oasst1")
    assert known is not None
    row = {**ROWS["oasst1"], "review_result": None}
    loop = [row, {**row, "message_id": "x", "parent_id": "m", "rank": 0, "role": "assistant"},
            {**row, "message_id": "m", "parent_id": "x", "rank": 0}]  # fmt: skip
    orphan = {**row, "message_tree_id": "u", "message_id": "o", "parent_id": "gone"}
    found = list(trees([(str(number), one) for number, one in enumerate([*loop, orphan])], known))
    assert [len(tree["messages"]) for _, tree in found[:1]] == [2]  # type: ignore[index]
    assert isinstance(found[1][1], Unreadable)


def test_every_column_of_a_map_is_asked_for() -> None:
    for entry in DATASET_MAPS:
        row = rows_of(entry.name)[0]
        assert missing_columns(row, entry) == []
        assert all(missing_columns([key for key in row if key != name.split(".")[0]], entry) for name in entry.columns)


class TestHub:
    """The Hub as the collector sees it: a commit and a streaming data set, here made of files on disk."""

    @pytest.fixture
    def source(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HuggingFaceSource:
        files = [str(write(tmp_path / f"{number}.jsonl", TEXTS[number * 10 : number * 10 + 10])) for number in range(3)]

        def load(id: str, config: str | None, *, split: str, revision: str, streaming: bool) -> Any:
            assert (id, config, split, revision, streaming) == ("x/y", None, "train", "c0ffee", True)
            return datasets.load_dataset("json", data_files=files, split=split, streaming=True)

        info = type("Info", (), {"sha": "c0ffee"})
        stub = type("datasets", (), {"load_dataset": staticmethod(load)})
        hub = type("hub", (), {"HfApi": lambda: type("Api", (), {"dataset_info": lambda self, *_, **__: info})()})
        monkeypatch.setattr(
            huggingface, "import_extra", lambda name, extra: {"datasets": stub, "huggingface_hub": hub}[name]
        )
        return HuggingFaceSource(id="x/y", text="text")

    def test_shards_and_commit(self, source: HuggingFaceSource) -> None:
        documents, rejects = collected(source)
        assert rejects == [] and [document["content"] for document in documents] == [row["text"] for row in TEXTS[:30]]
        assert {document["meta"]["revision"] for document in documents} == {"c0ffee"}
        assert len(huggingface.HuggingFaceCollector(source).parts()) == 3

    def test_a_lost_stream_is_a_row(self, source: HuggingFaceSource, tmp_path: Path) -> None:
        parts = huggingface.HuggingFaceCollector(source).parts()
        (tmp_path / "1.jsonl").write_text('{"text": "fine"}\n{"text": ')
        batches = [
            batch
            for part in parts
            for batch in huggingface.HuggingFaceCollector(source).read(part, max_document_bytes=999)
        ]
        reasons = [reason for batch in batches for reason in batch.rejected.column("reason").to_pylist()]
        assert len(reasons) == 1 and "breaks off" in reasons[0]
        assert sum(batch.kept.num_rows for batch in batches) >= 20


def test_a_data_set_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(UserError, match="data set bigcode/the-stack-dedup cannot be reached on the Hub"):
        collected(HuggingFaceSource(id="bigcode/the-stack-dedup"))


def test_gzip_module_agrees(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "one"}\n') + gzip.compress(b'{"text": "two"}\n'))
    assert [row for _, row in read_rows(tmp_path / "a.jsonl.gz", max_bytes=99)] == [{"text": "one"}, {"text": "two"}]
