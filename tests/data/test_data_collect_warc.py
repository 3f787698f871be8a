"""Pages come out of archives that are cut off, damaged, packed to burst or wrong about themselves."""

import contextlib
import gzip
import random
import zlib
from pathlib import Path

import pytest
from collected import collected
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data.dumps import WarcSource
from better_ai.data.collectors.page import decode_page, media_type, page_text, unpack
from better_ai.data.collectors.rows import Unreadable
from better_ai.data.html import fenced_blocks
from better_ai.errors import UserError

WORDS = "The words of this page are many, and all of them are plain. " * 5
PAGE = f"<html><head><title>Title</title></head><body><nav>menu</nav><main><p>{WORDS}</p>".encode()
PAGE += b"<pre>x = 1\n    y</pre></main></body></html>"


def record(
    uri: str,
    body: bytes = PAGE,
    *,
    kind: str = "response",
    media: str = "text/html; charset=utf-8",
    status: int = 200,
    headers: str = "",
    length: object = None,
) -> bytes:
    if kind == "response":
        body = f"HTTP/1.1 {status} OK\r\nContent-Type: {media}\r\n{headers}\r\n".encode() + body
        media = "application/http; msgtype=response"
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{uri}>\r\nWARC-Date: 2024-01-02T03:04:05Z\r\n"
        f"WARC-Target-URI: {uri}\r\nContent-Type: {media}\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n\r\n"


def packed(*records: bytes) -> bytes:
    return b"".join(gzip.compress(one, mtime=0) for one in records)


def read(folder: Path, name: str, content: bytes, **fields: object) -> tuple[list[str], list[tuple[str, str]]]:
    (folder / name).write_bytes(content)
    documents, rejects = collected(WarcSource(paths=(str(folder / name),), **fields))  # type: ignore[arg-type]
    return [document["meta"]["path"] for document in documents], rejects


FIVE = [record(f"http://a.org/{number}") for number in range(5)]
URIS = [f"http://a.org/{number}" for number in range(5)]


def test_a_page_and_where_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "a.warc.gz").write_bytes(packed(*FIVE))
    documents, rejects = collected(WarcSource(paths=(str(tmp_path),), license="CC-BY-4.0"))
    assert rejects == [] and [document["meta"]["path"] for document in documents] == URIS
    first = documents[0]
    assert first["content"].startswith("The words") and "menu" not in first["content"]
    assert list(fenced_blocks(first["content"])) == [("", "x = 1\n    y")]
    assert (first["license"], first["meta"]["fetched_at"]) == ("CC-BY-4.0", "2024-01-02T03:04:05Z")
    assert (first["meta"]["title"], first["source"]) == ("Title", "a.warc.gz:http://a.org/0")


def test_wet(tmp_path: Path) -> None:
    content = record("http://a.org", WORDS.encode(), kind="conversion", media="text/plain")
    assert read(tmp_path, "a.wet", content) == (["http://a.org"], [])


@pytest.mark.parametrize("form", ["plain", "packed", "packed as one"])
def test_a_cut_archive_is_read_up_to_there(form: str, tmp_path: Path) -> None:
    name = "a.warc" if form == "plain" else "a.warc.gz"
    content = {"plain": b"".join(FIVE), "packed": packed(*FIVE), "packed as one": gzip.compress(b"".join(FIVE))}[form]
    for cut in (len(content) // 3, len(content) // 2, len(content) - 30):
        found, rejects = read(tmp_path, name, content[:cut])
        assert found == URIS[: len(found)] and len(found) < 5
        assert 1 <= len(rejects) <= 2
    if form != "packed as one":
        assert len(found) == 4


@pytest.mark.parametrize("length", [10**9, 10**18, 50, 0, -5, "many", ""])
@pytest.mark.parametrize("form", ["plain", "packed"])
def test_lies_about_lengths_cost_one_record(length: object, form: str, tmp_path: Path) -> None:
    records = [FIVE[0], record("http://lie.org", length=length), *FIVE[1:]]
    content = b"".join(records) if form == "plain" else packed(*records)
    found, rejects = read(tmp_path, "a.warc", content, max_record_bytes=1_000_000)
    assert found == URIS
    assert 1 <= len(rejects) <= 2


def test_damage_in_the_middle_costs_one_record(tmp_path: Path) -> None:
    content = bytearray(packed(*FIVE))
    content[len(packed(*FIVE[:2])) + 150] ^= 0xFF
    found, rejects = read(tmp_path, "a.warc.gz", bytes(content))
    assert found == [uri for uri in URIS if uri != URIS[2]] and len(rejects) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (record("x", status=404), "expected status 200"),
        (record("x", b"%PDF", media="application/pdf"), "media type 'application/pdf'"),
        (record("x", b"\x89PNG\0\0"), "binary content"),
        (record("x", b"<p>short"), "5 characters of text"),
        (record("x", gzip.compress(b"a" * 9_000_000), headers="Content-Encoding: gzip\r\n"), "unpacks to more than"),
        (record("x", gzip.compress(PAGE)[:-20], headers="Content-Encoding: gzip\r\n"), "cut off"),
        (record("x", PAGE, headers="Content-Encoding: gzip\r\n"), "damaged gzip"),
        (record("x", PAGE, headers="Content-Encoding: br\r\n"), "expected gzip or deflate"),
        (record("x", b"a" * 9_000_000), "more than 8000000 bytes"),
        (record("x", b"word " * 200_000, media="text/plain"), "more than 400000"),
        (record("x").replace(b"HTTP/1.1 200 OK", b"nonsense nonsen"), "expected status 200"),
    ],
)
def test_what_is_turned_away(content: bytes, reason: str, tmp_path: Path) -> None:
    found, [(path, said)] = read(tmp_path, "a.warc", content + FIVE[0])
    assert found == URIS[:1] and path == "x" and reason in said


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Content-Encoding: gzip\r\n", gzip.compress(PAGE)),
        ("Content-Encoding: deflate\r\n", zlib.compress(PAGE)),
        ("Content-Encoding: deflate\r\n", zlib.compress(PAGE)[2:-4]),
        ("Transfer-Encoding: chunked\r\n", b"%x\r\n" % len(PAGE) + PAGE + b"\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", PAGE),
    ],
)
def test_packed_and_chunked_pages(headers: str, body: bytes, tmp_path: Path) -> None:
    assert read(tmp_path, "a.warc", record("x", body, headers=headers)) == (["x"], [])


def test_the_language_gate(tmp_path: Path) -> None:
    german = "Dies ist ein deutscher Text, der lang genug ist, damit man ihn als solchen erkennen kann. " * 5
    content = record("en") + record("de", german.encode(), media="text/plain; charset=utf-8")
    found, [(path, reason)] = read(tmp_path, "a.warc", content, languages=("en",))
    assert (found, path) == (["en"], "de") and "'de', expected one of en" in reason


@pytest.mark.parametrize("content", [b"", b"WARC/1.0\r\n", bytes(range(256)) * 9, b"\x1f\x8b\x08" * 50])
def test_no_archive_is_a_row(content: bytes, tmp_path: Path) -> None:
    found, rejects = read(tmp_path, "a.warc.gz", content)
    assert found == [] and 1 <= len(rejects) <= 2


@pytest.mark.parametrize("seed", range(40))
def test_fuzzed_archives(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    content = bytearray(b"".join(FIVE) if seed % 2 else packed(*FIVE))
    damages = draw.randrange(1, 4)
    for _ in range(damages):
        place = draw.randrange(len(content))
        content[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(4))
    found, _ = read(tmp_path, "a.warc.gz", bytes(content))
    assert len(set(found) & set(URIS)) >= 5 - 2 * damages, "damage costs the record it hits and the next at most"


def test_missing_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a file nor a folder"):
        collected(WarcSource(paths=(str(tmp_path / "gone"),)))
    with pytest.raises(UserError, match=r"no \.warc"):
        collected(WarcSource(paths=(str(tmp_path),)))


@given(st.binary(max_size=400), st.text(max_size=40), st.sampled_from(["text/html", "text/plain", "", "x"]))
def test_no_page_is_an_error(payload: bytes, content_type: str, media: str) -> None:
    with contextlib.suppress(Unreadable):
        page_text(payload, media, media_type(content_type)[1], main_content=True)
        unpack(payload, "gzip", 100)


def test_character_sets() -> None:
    assert decode_page("é".encode("latin-1") * 50, "ISO-8859-1") == "é" * 50
    assert decode_page("日本語".encode("shift_jis"), "shift_jis") == "日本語"
    assert decode_page("\ufeffé".encode(), None) == "é"
    assert media_type('Text/HTML; Charset="UTF-8"') == ("text/html", "UTF-8")
