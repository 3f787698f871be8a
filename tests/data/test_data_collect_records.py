"""Every line of annotations is checked alone; a bad one is a row with its number."""

import contextlib
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from collected import collected
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data.dumps import RecordsSource
from better_ai.data.collectors.records import RecordsCollector
from better_ai.data.collectors.rows import Origin, Unreadable
from better_ai.data.transcript import read_transcript
from better_ai.errors import UserError

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
THREAD = {"title": "How?", "body": "Details", "score": 9,
          "comments": [{"body": "So.", "score": 2}, {"body": "Better.", "score": 7},
                       {"body": "[deleted]", "score": 99}]}  # fmt: skip
GOOD: dict[str, tuple[dict[str, Any], str]] = {
    "conversation": ({"messages": TURNS}, "Hello"),
    "preference": ({"prompt": "Hi", "chosen": "Hello", "rejected": "Go"}, "Hello"),
    "rating": ({"prompt": "Hi", "response": "Hello", "rating": 4, "scale": 5}, "Hello"),
    "thread": (THREAD, "Better."),
}


def read(path: Path, *records: object, **fields: Any) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    return collected(RecordsSource(path=str(path), **fields))


@pytest.mark.parametrize("kind", list(GOOD))
def test_each_kind(kind: str, tmp_path: Path) -> None:
    record, answer = GOOD[kind]
    (document,), rejects = read(tmp_path / "a.jsonl", record, kind=kind, license="CC0-1.0")
    messages = read_transcript(document["content"]).messages
    assert rejects == [] and document["license"] == "CC0-1.0"
    assert [message.role for message in messages] == ["user", "assistant"] and messages[1].content == answer


def test_text_and_what_a_record_says_of_itself(tmp_path: Path) -> None:
    record = {"text": "Words", "license": "MIT", "created": "2024-05-06", "id": 7, "author": "Jane Doe"}
    (document,), _ = read(tmp_path / "a.jsonl", record, kind="text")
    assert (document["content"], document["license"], document["language"]) == ("Words", "MIT", "text")
    assert document["meta"]["fetched_at"] == "2024-05-06T00:00:00" and document["meta"]["record_id"] == 7
    assert "Jane" not in document["metadata"]


@pytest.mark.parametrize(
    ("kind", "record", "reason"),
    [
        ("conversation", "{", "no JSON"),
        ("conversation", "[" * 100_000, "no JSON"),
        ("conversation", "[1]", "no JSON object but list"),
        ("conversation", {"messages": []}, "no list of turns"),
        ("conversation", {"messages": [{"role": "boss", "content": "x"}]}, "unknown role 'boss'"),
        ("conversation", {"messages": [{"role": "user", "content": 3}]}, "turn 1 has no text"),
        ("conversation", {"messages": ["x"]}, "turn 1 is no object"),
        ("conversation", '{"messages": [{"role": "user", "content": "\\ud800"}]}', "half of a surrogate pair"),
        ("conversation", {"messages": TURNS, "license": 3}, "field license holds no text"),
        ("conversation", {"messages": TURNS, "created": "soon"}, "no ISO 8601 date"),
        ("preference", {"prompt": "Hi", "chosen": "A"}, "field rejected holds no text"),
        ("preference", {"prompt": "Hi", "chosen": "A", "rejected": "A"}, "the same"),
        ("rating", {"prompt": "Hi", "response": "A", "rating": 6, "scale": 5}, "not on the scale from 0 to 5"),
        ("rating", {"prompt": "Hi", "response": "A", "rating": True}, "holds no number"),
        ("rating", '{"prompt": "Hi", "response": "A", "rating": NaN}', "holds no number"),
        ("rating", {"prompt": "Hi", "response": "A", "rating": 1, "scale": 5}, "rating 0.2, below 0.5"),
        ("thread", {**THREAD, "score": 0}, "expected 1 each"),
        ("thread", {**THREAD, "comments": THREAD["comments"][2:]}, "thread without replies"),
        ("thread", {**THREAD, "comments": "none"}, "no list of objects"),
        ("thread", {**THREAD, "title": ""}, "field title holds no text"),
        ("text", {"text": " "}, "field text holds no text"),
        ("text", {"text": "x" * 500_000}, "more than 400000"),
    ],
)
def test_bad_lines_are_named(kind: str, record: object, reason: str, tmp_path: Path) -> None:
    good = GOOD[kind][0] if kind in GOOD else {"text": "fine"}
    documents, [(place, found)] = read(tmp_path / "a.jsonl", good, "", record, good, kind=kind, min_rating=0.5)
    assert len(documents) == 2 and place == "a.jsonl line 3" and reason in found


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["user", "assistant", "Hi"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["messages", "role", "content", "prompt", "chosen", "rejected", "response", "rating", "scale",
                         "title", "score", "comments", "body", "text", "license", "created", "id"]), inner, max_size=6),
    max_leaves=12), st.sampled_from([*GOOD, "text"]))  # fmt: skip
def test_no_record_is_an_error(value: object, kind: Any) -> None:
    collector = RecordsCollector(RecordsSource(path="x", kind=kind))
    record = value if isinstance(value, dict) else {"messages": value, "comments": value, "text": value}
    with contextlib.suppress(Unreadable):
        collector._document(record, "line 1", Origin("x", "MIT", "y"), 10_000)


def test_a_cut_gzip_is_read_up_to_there(tmp_path: Path) -> None:
    lines = b"".join(json.dumps({"text": f"{number} " * 50}).encode() + b"\n" for number in range(2_000))
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(lines)[:-2_000])
    documents, rejects = collected(RecordsSource(path=str(path), kind="text"))
    assert len(documents) > 100 and 1 <= len(rejects) <= 2
    assert "breaks off" in rejects[-1][1]


def test_a_line_of_200_megabytes_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "before"}\n{"text": "')
        for _ in range(200):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n{"text": "after"}\n')
    program = (
        "import resource, sys\n"
        "from better_ai.config.data.dumps import RecordsSource\n"
        "from better_ai.data.collectors import make_collector\n"
        "collector = make_collector(RecordsSource(path=sys.argv[1], kind='text'))\n"
        "parts = collector.parts()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for part in parts:\n"
        "    for batch in collector.read(part, max_document_bytes=400_000):\n"
        "        print(batch.kept.num_rows, *batch.rejected.column('reason').to_pylist(), sep='|')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    rows, grown = ran.stdout.splitlines()
    assert rows == "2|more than 16000000 bytes"
    assert int(grown) * (1 if sys.platform == "darwin" else 1024) < 100_000_000, "kilobytes on Linux"


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no records"):
        collected(RecordsSource(path=str(tmp_path)))
