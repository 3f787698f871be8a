"""Sources that somebody made to break a build: each with good documents among the horrors, and what must be said.

`write_sources` writes them below a folder and tells the sources of a recipe, the marks of the good documents, and for
every horror a piece of the name it must be found by and words of the reason.
"""

import ctypes
import gzip
import io
import json
import os
import sqlite3
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HUGE = 200_000_000
"""Bytes of the lines that have no end."""


@dataclass
class Horrors:
    """What was written, and what a build must make of it."""

    root: Path
    sources: list[dict[str, Any]] = field(default_factory=list)
    good: set[str] = field(default_factory=set)
    """Marks: each stands in exactly one document that must be kept."""
    named: list[tuple[str, str]] = field(default_factory=list)
    """(piece of the rejected row's source, piece of its reason)."""
    lost: list[str] = field(default_factory=list)
    """Pieces of the problems: what could not be used at all."""

    def source(self, **fields: Any) -> None:
        self.sources.append(fields)

    def expect(self, name: str, reason: str) -> None:
        self.named.append((name, reason))

    def lose(self, kind: str, reason: str) -> None:
        """Expect a rejected row and a problem of the build."""
        self.expect(kind, reason)
        self.lost.append(reason)

    def python(self) -> bytes:
        """A module that is like no other."""
        mark = self._mark()
        words = [f"{mark}_{number:x}" for number in range(12)]
        lines = [f"    {word} = {index} * scale" for index, word in enumerate(words)]
        text = (
            f'"""The figures of {mark}."""\n\n\ndef {mark}(scale):\n' + "\n".join(lines) + f"\n    return {words[-1]}\n"
        )
        return text.encode()

    def prose(self) -> str:
        """Text of some 400 characters that is like no other."""
        mark = self._mark()
        return " ".join(f"The {mark}{number:x} is a word of its own kind." for number in range(12))

    def _mark(self) -> str:
        mark = f"mark{len(self.good):03d}x"
        self.good.add(mark)
        return mark


def write_sources(root: Path) -> Horrors:
    """Write all of them below `root`."""
    horrors = Horrors(root)
    for write in (_tree, _archives, _warc, _tables, _records, _git, _stackexchange, _texts, _nowhere):
        write(horrors)
    return horrors


def _tree(horrors: Horrors) -> None:
    """Files of every kind that a file system can hold."""
    folder = horrors.root / "tree"
    folder.mkdir(parents=True)
    write = _writer(folder, horrors)
    write("good.py", horrors.python())
    write("a [red]name[bold]\na line break & <script>.py", horrors.python())
    write("n" * 252 + ".py", horrors.python())
    write(os.fsdecode(b"bytes-\xff\xfe.py"), horrors.python())
    write("utf8.py", b"x = '" + b"\xe9" * 100 + b"'\n", "not UTF-8 at byte 5")
    write("cookie.py", b"# coding: rot13\n" + b"k = 1\n" * 20, "cannot be decoded")
    write("empty.py", b"", "0 bytes")
    write("nul.py", b"x = 1\n\0" * 20, "NUL")
    write("syntax.py", b"def broken(:\n" + b"    # and nothing more\n" * 9, "line 1")
    write("deep.py", b"x = " + b"(\n" * 9000 + b")\n" * 9000, "nested")
    with (folder / "endless.py").open("wb") as file:
        file.truncate(HUGE)
    horrors.expect("endless.py", f"{HUGE} bytes, more than")
    with sqlite3.connect(folder / "database.py") as database:
        database.execute("create table t (x)")
    database.close()
    horrors.expect("database.py", "NUL")
    os.mkfifo(folder / "pipe.py")
    horrors.expect("pipe.py", "not a regular file")
    (folder / "ring.py").symlink_to("ring.py")
    horrors.expect("ring.py", "symbolic link")
    (folder / "self").symlink_to(folder)
    (folder / "away.py").symlink_to("/etc/passwd")
    horrors.expect("away.py", "a symbolic link, which is not followed")
    write("secret.py", horrors_text(b"locked"), "Permission denied")
    (folder / "secret.py").chmod(0)
    locked = folder / "locked"
    locked.mkdir()
    (locked / "inside.py").write_bytes(b"x = 1\n")
    locked.chmod(0)
    horrors.expect("locked", "cannot be listed: Permission denied")
    horrors.source(type="folder", path=str(folder), license="MIT")


def horrors_text(word: bytes) -> bytes:
    return b"# " + word * 20 + b"\n"


def _writer(folder: Path, horrors: Horrors) -> Callable[..., None]:
    def write(name: str, content: bytes, reason: str | None = None) -> None:
        (folder / name).write_bytes(content)
        if reason is not None:
            horrors.expect(name, reason)

    return write


def _archives(horrors: Horrors) -> None:
    """A zip bomb, names that lead out, a tar that ends early, one that is none."""
    folder = horrors.root / "archives"
    folder.mkdir()
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.py", horrors.python())
        archive.writestr("../../escaped.py", horrors_text(b"out"))
        archive.writestr("/root.py", horrors_text(b"out"))
        with archive.open("bomb.py", "w", force_zip64=True) as file:
            for _ in range(30):
                file.write(bytes(1_000_000))
        archive.writestr("late.py", horrors.python())
    horrors.expect("bomb.zip:../../escaped.py", "leads out")
    horrors.expect("bomb.zip:/root.py", "leads out")
    horrors.expect("bomb.zip:bomb.py", "30000000 bytes, more than")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        for name, content in (("good.py", horrors.python()), ("lost.py", os.urandom(100_000))):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (folder / "cut.tar.gz").write_bytes(tar.getvalue()[:60_000])
    horrors.expect("cut.tar.gz", "cannot be read beyond lost.py")
    (folder / "none.zip").write_bytes(b"PK\x03\x04 and no more")
    horrors.expect("none.zip", "cannot be read")
    paths = [str(folder / name) for name in ("bomb.zip", "cut.tar.gz", "none.zip", "missing.zip")]
    horrors.lose("archive", "missing.zip is no archive")
    horrors.source(type="archive", paths=paths, license="MIT", languages=["python"])


def _warc(horrors: Horrors) -> None:
    """Records that are wrong about their lengths, and what is between them."""
    folder = horrors.root / "crawl"
    folder.mkdir()
    good = lambda number: _page(f"http://good.org/{number}", horrors.prose())  # noqa: E731
    lies = [
        good(0),
        _page("http://long.org/", "Much is promised. " * 30, length=10_000_000),
        good(1),
        b"garbage \0\xff\x1f\x8b\x08 between records\r\n" * 40,
        good(2),
        _page("http://negative.org/", "Less than nothing. " * 30, length=-5),
        good(3),
        _page("http://short.org/", "Cut in the middle. " * 30, length=40),
        good(4),
        _page("http://words.org/", "Not a number. " * 30, length="many"),
        good(5),
    ]
    (folder / "lies.warc.gz").write_bytes(b"".join(gzip.compress(each, mtime=0) for each in lies))
    whole = gzip.compress(good(6), mtime=0) + gzip.compress(_page("http://cut.org/", os.urandom(4000).hex()), mtime=0)
    (folder / "cut.warc.gz").write_bytes(whole[:-900])
    (folder / "empty.warc.gz").write_bytes(b"")
    (folder / "none.warc").write_bytes(b"This is no archive of anything.\n" * 9)
    horrors.expect("cut.warc.gz:http://cut.org/", "cut off")
    horrors.expect("lies.warc.gz:http://long.org/", "of 10000000 bytes")
    horrors.expect("lies.warc.gz:", "damaged after byte")
    for name in ("negative", "short", "words"):
        horrors.expect(f"lies.warc.gz:http://{name}.org/", "expected")
    horrors.expect("empty.warc.gz", "holds no page")
    horrors.expect("none.warc", "holds no page")
    horrors.source(type="warc", paths=[str(folder)], license="CC0-1.0", main_content=False)


def _page(uri: str, text: str, *, length: object = None) -> bytes:
    body = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}".encode()
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{uri}>\r\nWARC-Date: 2024-01-02T03:04:05Z\r\n"
        f"WARC-Target-URI: {uri}\r\nContent-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n\r\n"


def _tables(horrors: Horrors) -> None:
    """Parquet of another data set, Parquet that is damaged, and none."""
    folder = horrors.root / "tables"
    for name in ("mixed", "wrong"):
        (folder / name).mkdir(parents=True)
    pq.write_table(pa.table({"text": [horrors.prose() for _ in range(3)]}), folder / "mixed" / "a.parquet")
    pq.write_table(pa.table({"number": [1, 2]}), folder / "mixed" / "b.parquet")
    good = (folder / "mixed" / "a.parquet").read_bytes()
    (folder / "mixed" / "c.parquet").write_bytes(good[: len(good) // 2])
    middle = bytearray(good)
    middle[4:200] = os.urandom(196)
    (folder / "mixed" / "d.parquet").write_bytes(bytes(middle))
    (folder / "mixed" / "e.parquet").write_bytes(b"")
    pq.write_table(pa.table({"text": [1.5]}), folder / "mixed" / "f.parquet")
    os.mkfifo(folder / "mixed" / "g.parquet")
    pq.write_table(pa.table({"number": [1, 2]}), folder / "wrong" / "a.parquet")
    for name in "bcdef":
        horrors.expect(f"{name}.parquet", "")
    horrors.expect("g.parquet", "not a regular file")
    horrors.lose("huggingface", "missing: text")
    fields = {"type": "huggingface", "id": "nobody/nothing", "text": "text", "license": "MIT", "language": "text"}
    horrors.source(**fields, path=str(folder / "mixed"))
    horrors.source(**fields, path=str(folder / "wrong"))
    horrors.source(**fields)
    horrors.lose("huggingface", "nobody/nothing cannot be reached")


def _records(horrors: Horrors) -> None:
    """JSON Lines that are anything but."""
    folder = horrors.root / "records"
    folder.mkdir()
    lines = [
        json.dumps({"text": horrors.prose()}).encode(),
        b"{",
        b'{"text": "' + b"\xff\xfe" * 40 + b'"}',
        b'{"text": "half \\ud800 of a pair, which no text may hold, whatever else it holds and says"}',
        b"[" * 100_000,
        b'{"text": 1e999}',
        b'{"text": ' + b"9" * 10_000 + b"}",
        b"null",
        b"\0" * 100,
        json.dumps({"text": horrors.prose()}).encode(),
    ]
    (folder / "lines.jsonl").write_bytes(b"\n".join(lines))
    for number in range(2, 10):
        horrors.expect(f"lines.jsonl line {number}", "")
    with gzip.open(folder / "endless.jsonl.gz", "wb", compresslevel=1) as file:
        file.write(json.dumps({"text": horrors.prose()}).encode() + b'\n{"text": "')
        for _ in range(HUGE // 1_000_000):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + json.dumps({"text": horrors.prose()}).encode())
    horrors.expect("endless.jsonl.gz line 2", "more than")
    packed = gzip.compress(json.dumps({"text": horrors.prose()}).encode() + b"\n" + os.urandom(50_000).hex().encode())
    (folder / "cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    horrors.expect("cut.jsonl.gz", "")
    os.mkfifo(folder / "pipe.jsonl")
    horrors.expect("pipe.jsonl", "not a regular file")
    (folder / "ring.jsonl").symlink_to("ring.jsonl")
    horrors.expect("ring.jsonl", "symbolic link")
    horrors.source(type="records", path=str(folder), kind="text", license="MIT")


def _git(horrors: Horrors) -> None:
    """A repository whose objects are damaged, an empty one, a folder that is none."""
    folder = horrors.root / "git"
    for name in ("good", "damaged", "headless", "empty"):
        files = {"LICENSE": MIT.encode(), "a.py": horrors.python() if name == "good" else b"x = 1\n" * 30}
        commit(folder / name, {} if name == "empty" else files)
    (folder / "none").mkdir()
    for path in (folder / "damaged" / ".git" / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"not an object")
    (folder / "headless" / ".git" / "HEAD").write_bytes(b"\xff\xfe\0")
    names = ("good", "damaged", "headless", "empty", "none", "missing")
    for name in names[1:]:
        horrors.lose("git", str(folder / name))
    horrors.source(type="git", repositories=[str(folder / name) for name in names], languages=["python"])


def commit(folder: Path, files: dict[str, bytes]) -> Path:
    """A repository with one commit of these files; without any, one with no commit."""
    folder.mkdir(parents=True)
    git = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@b.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if files:
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", "all"], check=True, env={**os.environ, **_DATES})
    return folder


def pack(path: Path, files: dict[str, bytes]) -> Path:
    """A zip archive of these files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


_DATES = {"GIT_AUTHOR_DATE": "2024-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2024-01-01T00:00:00Z"}
MIT = """MIT License

Copyright (c) 2024 A. Person

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def _stackexchange(horrors: Horrors) -> None:
    """XML that would unfold to gigabytes, and XML that ends early."""
    bomb = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + level)} "{f"&{chr(97 + level)};" * 10}">' for level in range(9)
    )
    for name, text in (("bomb", bomb + "]><posts><row Body='&j;'/></posts>"), ("cut", "<posts><row Id='1' Post")):
        folder = horrors.root / name
        folder.mkdir()
        (folder / "Posts.xml").write_text(text)
        horrors.source(type="stackexchange", path=str(folder))
    horrors.expect("stackoverflow.com:byte", "undefined entity")
    horrors.expect("stackoverflow.com:byte", "row that does not end")


def _texts(horrors: Horrors) -> None:
    """Documentation, books and templates."""
    folder = horrors.root / "texts"
    folder.mkdir()
    (folder / "good.md").write_text("# Title\n\n" + horrors.prose())
    (folder / "nested.html").write_text("<div>" * 50_000 + "text")
    (folder / "pipe.md").unlink(missing_ok=True)
    os.mkfifo(folder / "pipe.md")
    with (folder / "endless.txt").open("wb") as file:
        file.truncate(HUGE)
    horrors.expect("pipe.md", "not a regular file")
    horrors.expect("endless.txt", "more than")
    horrors.source(type="documentation", path=str(folder), license="MIT")
    books = horrors.root / "books"
    books.mkdir()
    (books / "good.txt").write_text(horrors.prose())
    os.mkfifo(books / "pipe.txt")
    horrors.expect("books:pipe.txt", "not a regular file")
    horrors.source(type="books", path=str(books), license="MIT")
    yaml = horrors.root / "bomb.yaml"
    levels = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    levels += [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(8)]
    yaml.write_text("\n".join(levels))
    horrors.source(type="templates", path=str(yaml))
    horrors.lose("templates", "bomb.yaml")


def _nowhere(horrors: Horrors) -> None:
    """What cannot be reached at all."""
    horrors.source(type="folder", path=str(horrors.root / "missing"))
    horrors.lose("folder", "is no folder")
    horrors.source(type="distributions", names=["no-such-distribution"])
    horrors.lose("distributions", "no-such-distribution")
    state = str(horrors.root / "web")
    for feed in ("http://127.0.0.1:9/feed.xml", "file:///etc/passwd"):
        horrors.source(type="web", feeds=[feed], state=state, attempts=1, license="CC0-1.0")
        horrors.lose("", feed)


_CAPSET, _VERSION = 126, 0x20080522
_POWERS = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextmanager
def bound_by_permissions() -> Iterator[None]:
    """Let the permissions of files bind this thread even where it runs as root (Linux capabilities)."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    before, without = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, before) == 0
    without[:] = before[:]
    without[0] &= ~_POWERS
    assert libc.capset(header, without) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0
