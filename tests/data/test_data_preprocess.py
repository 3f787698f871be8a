"""Data sets become shards: exact sizes, the same bytes after any interruption, every row accounted for."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data import preprocess as module
from better_ai.data.collectors import huggingface
from better_ai.data.html import fenced_blocks
from better_ai.data.preprocess import CURSOR, Preprocessed, PreprocessResult, Request, preprocess, tidy
from better_ai.data.schema import document_id
from better_ai.data.tables import read_documents, read_rejected
from better_ai.errors import ArtifactError, UserError

PROSE = "Intro \r\n\r\n\r\n\r\nText.\t\n\n```python\nx = 1  \n\n\n\ny\n```\n\n~~~\nz \n~~~\n\n"
TIDY = "Intro\n\nText.\n\n```python\nx = 1  \n\n\n\ny\n```\n\n~~~\nz \n~~~\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """105 rows in three files of many row groups; five are empty."""
    folder = tmp_path / "mine"
    folder.mkdir()
    texts = [f"{PROSE}{number}" if number % 21 else "" for number in range(105)]
    for file in range(3):
        table = pa.table({"text": texts[file * 35 : file * 35 + 35]})
        pq.write_table(table, folder / f"train-{file}.parquet", row_group_size=6)
    pq.write_table(pa.table({"text": ["held back"]}), folder / "test-0.parquet")
    return folder


def contents(out: Path) -> dict[str, bytes]:
    return {file.relative_to(out).as_posix(): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}


def one(result: PreprocessResult) -> Preprocessed:
    (entry,) = result.datasets
    return entry


def test_shards_and_counts(rows: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    request = f"{rows}:train:text"
    result = preprocess([request], tmp_path / "out", shard_size=30, on_progress=lambda *what: told.append(what))
    entry = one(result)
    assert (entry.documents, entry.rejected, entry.shards, entry.code_blocks, entry.problem) == (100, 5, 4, 200, None)
    folder = tmp_path / "out" / "mine" / "train"
    shards = [read_documents(folder / f"shard-{number:05d}.parquet") for number in range(4)]
    assert [shard.num_rows for shard in shards] == [30, 30, 30, 10]
    first = shards[0].to_pylist()[0]
    assert first["content"] == f"{TIDY}\n1\n" and first["id"] == document_id(first["content"].encode())
    metadata = json.loads(first["metadata"])
    assert (metadata["code_blocks"], metadata["characters"], metadata["license"]) == (
        2,
        len(first["content"]),
        "unknown",
    )
    assert sum(read_rejected(file).num_rows for file in folder.glob("rejected-*")) == 5
    assert [documents for _, documents, _ in told] == [30, 60, 90, 100]
    assert entry.characters == sum(len(text) for shard in shards for text in shard["content"].to_pylist())


@pytest.mark.parametrize("calls", [1, 2, 3, 5, 6, 8, 9])
def test_killed_anywhere_it_ends_with_the_same_bytes(
    calls: int, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    monkeypatch.setattr(huggingface, "PART_BYTES", 400)
    request = f"{rows}:train:text"
    preprocess([request], tmp_path / "undisturbed", shard_size=30)
    left = calls
    with pytest.MonkeyPatch.context() as patch:

        def killing(plain: Any) -> Any:
            def write(*arguments: Any) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed
                plain(*arguments)

            return write

        for name in ("write_parquet", "write_json"):
            patch.setattr(module, name, killing(getattr(module, name)))
        with pytest.raises(Killed):
            preprocess([request], tmp_path / "out", shard_size=30)
    assert one(preprocess([request], tmp_path / "out", shard_size=30)).documents == 100
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_a_finished_data_set_is_not_written_again(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = preprocess([f"{rows}:train:text"], tmp_path / "out", shard_size=30)
    monkeypatch.setattr(module, "write_parquet", None)
    monkeypatch.setattr(huggingface.HuggingFaceCollector, "rows", None)
    assert preprocess([f"{rows}:train:text"], tmp_path / "out", shard_size=30) == before


def test_other_settings_are_refused(rows: Path, tmp_path: Path) -> None:
    preprocess([f"{rows}:train:text"], tmp_path / "out", shard_size=30)
    with pytest.raises(UserError, match="begun with another shard size"):
        preprocess([f"{rows}:train:text"], tmp_path / "out", shard_size=31)
    pq.write_table(pa.table({"text": ["new"]}), rows / "train-9.parquet")
    with pytest.raises(UserError, match="state of the data set"):
        preprocess([f"{rows}:train:text"], tmp_path / "out", shard_size=30)


def test_a_foreign_cursor_is_refused(rows: Path, tmp_path: Path) -> None:
    (tmp_path / "out/mine/train").mkdir(parents=True)
    (tmp_path / "out/mine/train" / CURSOR).write_text('{"other": 1}')
    with pytest.raises(ArtifactError, match="no cursor of this version"):
        preprocess([f"{rows}:train:text"], tmp_path / "out")


def test_what_cannot_be_had_is_named_and_the_others_go_on(rows: Path, tmp_path: Path) -> None:
    requests = [
        "bigcode/the-stack-dedup:v1:train:content",
        f"{rows}:train:body",
        f"{rows}:dev:text",
        f"{rows}:test:text",
    ]
    result = preprocess(requests, tmp_path / "out")
    problems = [entry.problem or "" for entry in result.datasets]
    assert "bigcode/the-stack-dedup cannot be reached on the Hub" in problems[0]
    assert "has no column 'body'; found text" in problems[1]
    assert "holds no file of the split 'dev'" in problems[2]
    assert problems[3] == "" and result.datasets[3].documents == 1
    assert result.failed == result.datasets[:3]
    assert [path.parent.name for path in (tmp_path / "out").rglob(CURSOR)] == ["test"]


def test_a_stream_that_is_lost_goes_on_later(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = f"{rows}:train:text"
    preprocess([request], tmp_path / "undisturbed", shard_size=30)
    with pytest.MonkeyPatch.context() as patch:
        plain = huggingface.HuggingFaceCollector.rows

        def losing(self: Any, part: Any, **options: Any) -> Any:
            for number, row in enumerate(plain(self, part, **options)):
                if number == 12 and "00003" in part.name:
                    raise huggingface.StreamLost("breaks off after row 12")
                yield row

        patch.setattr(huggingface.HuggingFaceCollector, "rows", losing)
        entry = one(preprocess([request], tmp_path / "out", shard_size=30))
        assert entry.problem == "breaks off after row 12; run again to go on after 60 documents"
        assert (entry.documents, entry.shards) == (60, 2)
    assert one(preprocess([request], tmp_path / "out", shard_size=30)).problem is None
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_known_layouts_bring_licence_and_language(tmp_path: Path) -> None:
    code = "def f():\r\n\treturn 1  \r\n\r\n\r\n\r\n"
    row = {"max_stars_repo_name": "a/b", "max_stars_repo_path": "f.py", "max_stars_count": 1, "lang": "Python",
           "max_stars_repo_head_hexsha": "abc", "max_stars_repo_licenses": ["MIT"], "content": code}  # fmt: skip
    (tmp_path / "stack").mkdir()
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "stack" / "data.parquet")
    preprocess([f"{tmp_path / 'stack'}:train:content"], tmp_path / "out")
    (document,) = read_documents(tmp_path / "out/stack/train/shard-00000.parquet").to_pylist()
    assert (document["content"], document["license"], document["language"]) == (code, "MIT", "python")
    assert json.loads(document["metadata"])["license_evidence"] == "column max_stars_repo_licenses"


def test_white_space_of_unknown_content_stays(tmp_path: Path) -> None:
    (tmp_path / "code.jsonl").write_text(json.dumps({"content": PROSE}) + "\n")
    preprocess([f"{tmp_path / 'code.jsonl'}:train:content"], tmp_path / "out")
    (document,) = read_documents(tmp_path / "out/code.jsonl/train/shard-00000.parquet").to_pylist()
    assert document["content"] == PROSE


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("bigcode/the-stack-dedup:v1:train:content", Request("bigcode/the-stack-dedup", "v1", "train", "content")),
        ("openwebtext:train:text", Request("openwebtext", "", "train", "text")),
    ],
)
def test_requests(text: str, request_: Request) -> None:
    assert Request.parse(text) == request_


def test_folders_with_colons_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    request = Request.parse(f"{tmp_path}/a:b:train:text")
    assert request.path == tmp_path / "a:b" and request.folder == "a--b/train"
    assert Request.parse("a/b:c:train:text").folder == "a--b--c/train"


@pytest.mark.parametrize("text", ["", "x", "x:train", ":train:text", "x::text", ":a:train:text", "x:train:"])
def test_malformed_requests_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected ID"):
        preprocess([text], tmp_path)


def test_impossible_orders_are_refused(rows: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no data set"):
        preprocess([], tmp_path)
    with pytest.raises(UserError, match="at least one document"):
        preprocess([f"{rows}:train:text"], tmp_path, shard_size=0)
    with pytest.raises(UserError, match="two data sets would be written to mine/train"):
        preprocess([f"{rows}:train:text", f"{rows}:train:other"], tmp_path)


def test_a_benchmark_is_refused(tmp_path: Path) -> None:
    columns = ["repo", "instance_id", "base_commit", "patch", "problem_statement", "created_at", "version",
               "FAIL_TO_PASS", "PASS_TO_PASS"]  # fmt: skip
    (tmp_path / "swe").mkdir()
    pq.write_table(pa.Table.from_pylist([dict.fromkeys(columns, "x")]), tmp_path / "swe" / "test.parquet")
    assert "is a benchmark" in str(
        one(preprocess([f"{tmp_path / 'swe'}:test:problem_statement"], tmp_path / "o")).problem
    )


@given(st.lists(st.sampled_from(["text ", "", "```", "````py", "~~~", " x\t", "\r", "é\u00a0"])).map("\n".join))
def test_code_in_prose_is_exact_and_tidying_ends(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)
    assert [code for _, code in fenced_blocks(tidy(text))] == [
        code for _, code in fenced_blocks(text.replace("\r\n", "\n").replace("\r", "\n"))
    ]
