"""Questions meet their accepted answers wherever these stand; damage costs one row; parts change nothing."""

import contextlib
import random
import re
import tempfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from collected import collected
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data.dumps import StackExchangeSource
from better_ai.data.collectors import stackexchange
from better_ai.data.collectors.rows import Unreadable
from better_ai.data.collectors.stackexchange import license_of, parse_row, rows_between
from better_ai.data.transcript import read_transcript
from better_ai.errors import UserError


def row(**fields: Any) -> str:
    return "  <row " + " ".join(f"{name}={quoteattr(str(value))}" for name, value in fields.items()) + " />\n"


def question(number: int, answer: int | None = None, **more: Any) -> str:
    fields = {
        "Id": number,
        "PostTypeId": 1,
        "CreationDate": "2019-01-02T03:04:05.678",
        "Score": 5,
        "Title": f"T{number}",
    }
    accepted = {} if answer is None else {"AcceptedAnswerId": answer}
    body = "<p>Why <code>x</code>?</p>\n<pre><code>if a &lt; b:\n    c\n</code></pre>"
    return row(**{**fields, **accepted, "Body": body, "Tags": "<python><c++>", **more})


def answer(number: int, parent: int, **more: Any) -> str:
    fields = {"Id": number, "PostTypeId": 2, "ParentId": parent, "CreationDate": "2019-01-03T00:00:00.000", "Score": 3}
    return row(**{**fields, "Body": f"<p>Because {number}.</p>", "OwnerDisplayName": "Jane Doe", **more})


def dump(folder: Path, *rows: str) -> Path:
    path = folder / "Posts.xml"
    path.write_text('\ufeff<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + "".join(rows) + "</posts>", "utf-8")
    return path


def test_a_question_with_its_answer(tmp_path: Path) -> None:
    path = dump(tmp_path, question(4, 7), row(Id=5, PostTypeId=4, Body="wiki"), answer(7, 4), answer(8, 4))
    (document,), rejects = collected(StackExchangeSource(path=str(tmp_path)))
    assert rejects == []
    first, second = read_transcript(document["content"]).messages
    assert (first.role, first.content) == ("user", "T4\n\nWhy `x`?\n\n```\nif a < b:\n    c\n```")
    assert (second.role, second.content) == ("assistant", "Because 7.")
    assert document["license"] == "CC-BY-SA-4.0" and document["language"] == "markdown"
    meta = document["meta"]
    assert (meta["question_score"], meta["answer_score"], meta["tags"]) == (5, 3, ["python", "c++"])
    assert meta["url"] == "https://stackoverflow.com/q/4" and meta["fetched_at"] == "2019-01-03T00:00:00.000"
    assert "Jane Doe" not in document["metadata"]
    assert collected(StackExchangeSource(path=str(path)))[0] == [document]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ((question(4),), "no accepted answer"),
        ((question(4, 9), answer(7, 4)), "accepted answer 9 is not in the dump"),
        ((question(4, 7), answer(7, 5)), "accepted answer 7 is not in the dump"),
        ((question(4, 7, Score=0), answer(7, 4)), "question has score 0, below 1"),
        ((question(4, 7), answer(7, 4, Score=-2)), "accepted answer has score -2, below 1"),
        ((question(4, 7, Tags="<ada>"), answer(7, 4)), "none of the tags"),
        ((question(4, 7, Tags="|ada|"), answer(7, 4)), "none of the tags"),
        ((question(4, 7, Body=""), answer(7, 4)), "without text"),
        ((question(4, 7, CreationDate="soon"), answer(7, 4)), "malformed field"),
        ((question(4, 7, Score="many"), answer(7, 4)), "malformed field"),
        ((question(4, "7 OR 1"), answer(7, 4)), "no accepted answer"),
        ((question(4, 7).replace("Body=", "Body"), answer(7, 4)), "row that is no XML"),
        ((question(4, 7, Body="x" * 500_000), answer(7, 4)), "more than 400000"),
    ],
)
def test_what_is_turned_away(rows: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    dump(tmp_path, *rows, question(20, 21), answer(21, 20))
    documents, [(_, found)] = collected(StackExchangeSource(path=str(tmp_path), tags=("python",)))
    assert reason in found
    assert [document["meta"]["path"] for document in documents] == ["questions/20"]


@pytest.mark.parametrize(
    ("declared", "created", "license"),
    [
        (None, "2008-08-01", "CC-BY-SA-2.5"),
        (None, "2011-04-07", "CC-BY-SA-2.5"),
        (None, "2011-04-08", "CC-BY-SA-3.0"),
        (None, "2018-05-01", "CC-BY-SA-3.0"),
        (None, "2018-05-02", "CC-BY-SA-4.0"),
        ("CC BY-SA 3.0", "2020-01-01", "CC-BY-SA-3.0"),
        ("All rights reserved", "2020-01-01", "unknown"),
    ],
)
def test_the_licence_of_a_day(declared: str | None, created: str, license: str) -> None:
    assert license_of(declared, created)[0] == license


def test_two_licences_both_hold(tmp_path: Path) -> None:
    dump(tmp_path, question(4, 7, CreationDate="2018-05-01T23:59:59.999"), answer(7, 4))
    assert collected(StackExchangeSource(path=str(tmp_path)))[0][0]["license"] == "CC-BY-SA-3.0 AND CC-BY-SA-4.0"


@pytest.mark.parametrize("part_bytes", [137, 4_096, 1 << 30])
def test_far_answers_and_small_parts(part_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(3)
    numbers = sorted(draw.sample(range(1, 10_000), 600))
    asked, answers = numbers[:300], numbers[300:]
    draw.shuffle(answers)
    pairs = dict(zip(asked, answers, strict=True))
    rows = [question(number, pairs[number]) for number in asked] + [answer(n, q) for q, n in pairs.items()]
    rows.sort(key=lambda text: int(re.search(r'Id="(\d+)"', text)[1]))  # type: ignore[index]
    dump(tmp_path, *rows)
    monkeypatch.setattr(stackexchange, "PART_BYTES", part_bytes)
    monkeypatch.setattr(stackexchange, "BLOCK_BYTES", 700)
    documents, rejects = collected(StackExchangeSource(path=str(tmp_path)))
    assert rejects == []
    found = {
        int(document["meta"]["path"].split("/")[1]): read_transcript(document["content"]).messages[1].content
        for document in documents
    }
    assert found == {asked: f"Because {number}." for asked, number in pairs.items()}
    assert [document["meta"]["path"] for document in documents] == [f"questions/{number}" for number in asked]


@given(
    st.lists(st.sampled_from(["<row ", "<row/>", 'Id="1"', "/>", "</posts>", "<ro", "w ", "\n", "é", "<rows>"])),
    st.integers(1, 60),
    st.integers(3, 40),
)
def test_every_row_is_in_exactly_one_part(pieces: list[str], part: int, block: int) -> None:
    content = "".join(pieces).encode()
    expected = [match.start() for match in re.finditer(rb"<row[\s/]", content)]
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        patch.setattr(stackexchange, "BLOCK_BYTES", block)
        found = [pair for start in range(0, len(content), part) for pair in rows_between(file, start, start + part)]
    assert [start for start, _ in found] == expected
    ends = [*expected[1:], len(content)][: len(expected)]
    assert [raw for _, raw in found] == [content[start:end] for start, end in zip(expected, ends, strict=True)]


@given(st.binary(max_size=300))
def test_no_bytes_are_an_error(noise: bytes) -> None:
    with contextlib.suppress(Unreadable):
        parse_row(b'<row Id="1" ' + noise)


@pytest.mark.parametrize("cut", [100, 400, 700, 900])
def test_a_cut_or_overwritten_dump_is_read_up_to_there(cut: int, tmp_path: Path) -> None:
    path = dump(tmp_path, question(4, 7), answer(7, 4), question(10, 11), answer(11, 10))
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    documents, rejects = collected(StackExchangeSource(path=str(path)))
    assert len(documents) + len(rejects) == content[:cut].count(b'PostTypeId="1"')
    assert [reason for _, reason in rejects] == ["row that does not end"]
    path.write_bytes(content[:cut] + b"\xff\x00<!>" + content[cut + 5 :])
    documents, rejects = collected(StackExchangeSource(path=str(path)))
    assert 1 <= len(documents) + len(rejects) <= 4


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>'
    dump(tmp_path, question(4, 7).replace("Why", "&a;"), bomb, question(8, 9), answer(9, 8))
    documents, rejects = collected(StackExchangeSource(path=str(tmp_path)))
    assert len(documents) == 1 and [reason[:15] for _, reason in rejects] == ["row that is no "]
    with pytest.raises(Unreadable):
        parse_row(b'<!DOCTYPE x [<!ENTITY a "b">]><row Id="&a;"/>')


def test_a_row_without_end_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stackexchange, "MAX_ROW_BYTES", 100_000)
    endless = question(4, 7, Body="x" * 3_000_000)
    dump(tmp_path, endless, answer(7, 4), question(8, 9), answer(9, 8))
    documents, [(_, reason)] = collected(StackExchangeSource(path=str(tmp_path)))
    assert len(documents) == 1 and reason == "row above 100000 bytes"


def test_what_is_no_dump_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*Posts\.xml"):
        collected(StackExchangeSource(path=str(tmp_path)))
    (tmp_path / "Posts.xml").write_bytes(b"7z\xbc\xaf'\x1c")
    with pytest.raises(UserError, match="unpack the dump"):
        collected(StackExchangeSource(path=str(tmp_path)))
