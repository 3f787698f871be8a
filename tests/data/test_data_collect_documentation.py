"""Documentation and books become text whose code is exact; what cannot be read is a row with the reason."""

import ast
import gzip
import inspect
import json
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data.sources import BooksSource, DocumentationSource
from better_ai.data.collectors import make_collector
from better_ai.data.collectors.books import cut_text, split_chapters, strip_gutenberg
from better_ai.data.collectors.markup.docstrings import docstrings
from better_ai.data.collectors.markup.man import arguments, man_to_text, unescape
from better_ai.data.collectors.markup.rest import rest_to_text

CODE = "def f(x):\n\n    if x:\n        return {'a': 1}  # <b>&amp;\n\treturn 2"

MAN = r""".\" A comment
.TH TOOL 1 "2024-01-01" "Tools" "User Commands"
.SH NAME
tool \- does "things"
.SH SYNOPSIS
.B tool
[\fB\-v\fR] \fIfile\fR ...
.SH DESCRIPTION
It reads
.IR file .
.PP
A second paragraph
with two lines.
.SS "A part"
.TP
\fB\-v\fR, \fB\-\-verbose\fR
Says more.
.IP \(bu 2
A point.
.nf
$ tool \-v \\
    a.txt

.B done
.fi
.TS
a	b
.TE
The end\(em\[u00E4].
"""


def collect(config: object, max_document_bytes: int = 400_000) -> tuple[dict[str, dict], dict[str, str]]:
    collector = make_collector(config)  # type: ignore[arg-type]
    documents, rejected = {}, {}
    for part in collector.parts():
        for stepped in collector.read(part, max_document_bytes=max_document_bytes):
            for row in stepped.kept.to_pylist():
                row["metadata"] = json.loads(row["metadata"])
                documents[row["metadata"]["path"]] = row
            rejected |= {row["source"].split(":", 1)[1]: row["reason"] for row in stepped.rejected.to_pylist()}
    return documents, rejected


def indented(code: str) -> str:
    return textwrap.indent(code, "   ", lambda line: True)


def test_rest_keeps_code_and_knows_sphinx_and_reads_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("do not tell")
    code = CODE.replace("\t", "        ")
    source = (
        "Title\n=====\n\n.. py:function:: f(x, *, y=1)\n   :noindex:\n\n"
        "   Gives :func:`~a.b.g` of ``x``; see :ref:`there <x>`.\n\n"
        f".. code-block:: python3\n   :linenos:\n\n{indented(code)}\n\n"
        f".. include:: {secret}\n\n.. literalinclude:: {secret}\n\n.. csv-table::\n   :file: {secret}\n\n"
        ".. raw:: html\n\n   <script>alert(1)</script>\n\n.. toctree::\n   other\n\n"
        "Example::\n\n   $ ls\n\n.. note:: Mind.\n"
    )
    text = rest_to_text(source)
    assert f"```python\n{code}\n```" in text
    assert "## Title" in text and "f(x, *, y=1)" in text and "Gives `g` of `x`; see there." in text
    assert "```\n$ ls\n```" in text and "Mind." in text
    assert not [word for word in ("do not tell", "alert", "other", "linenos", "noindex") if word in text]


@given(st.text(alphabet=st.sampled_from("ab \n.:`*_|\\=-<>[]#\t"), max_size=200))
def test_any_rest_becomes_text_or_a_reason(source: str) -> None:
    try:
        assert isinstance(rest_to_text(source), str)
    except ValueError as error:
        assert "docutils" in str(error)


def test_a_manual_page_reads_as_it_should() -> None:
    assert man_to_text(MAN) == (
        '# TOOL(1)\n\n## NAME\n\ntool - does "things"\n\n## SYNOPSIS\n\ntool [-v] file ...\n\n## DESCRIPTION\n\n'
        "It reads file.\n\nA second paragraph with two lines.\n\n### A part\n\n`-v, --verbose`\n\nSays more.\n\n"
        "- A point.\n\n```\n$ tool -v \\\n    a.txt\n\ndone\n```\n\nThe end--\u00e4."
    )
    with pytest.raises(ValueError, match="names another page"):
        man_to_text(".so man1/other.1\n")
    with pytest.raises(ValueError, match="no section"):
        man_to_text("words\n")
    own_macros = ".if x \\{\\\n.  am URL\n.    ad l\n.  .\n.\\}\n.de X\n.SH Y\n..\n.SH A\n.X\nwords\n"
    assert man_to_text(own_macros) == "## A\n\nwords"


def test_mdoc_pages_read_too() -> None:
    page = (
        ".Dt LS 1\n.Sh NAME\n.Nm ls\n.Nd list files\n"
        ".Sh SYNOPSIS\n.Nm\n.Op Fl al\n.Op Ar file\n.Sh TEXT\n.Bd -literal\n  x = 1\n.Ed\n"
    )
    assert man_to_text(page) == (
        "# LS(1)\n\n## NAME\n\nls - list files\n\n## SYNOPSIS\n\nls [-al] [file]\n\n## TEXT\n\n```\n  x = 1\n```"
    )


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_words_of_a_page_are_those_that_groff_shows() -> None:
    source = MAN[: MAN.index(".TS")]
    command = ["groff", "-man", "-Tascii", "-P-cbou", "-rHY=0"]
    shown = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    body = " ".join(line for line in shown.splitlines() if "TOOL(1)" not in line)
    ours = man_to_text(source).split("\n", 1)[1]
    marks = str.maketrans("", "", "#`-*")
    assert ours.translate(marks).split() == [word for word in body.translate(marks).split() if word != "o"]


@given(st.text(alphabet=st.sampled_from(".\\fBRI \"'\n(]s+-0uSHTPnfi[*e"), max_size=200))
def test_any_roff_becomes_text_or_a_reason(source: str) -> None:
    try:
        man_to_text(f".SH A\n{source}")
    except ValueError as error:
        assert "another page" in str(error)


@given(st.lists(st.text(alphabet=st.sampled_from("ab'#-"), min_size=1, max_size=8), max_size=5))
def test_plain_arguments_are_split_like_words_of_a_shell(words: list[str]) -> None:
    line = " ".join(f'"{word}"' for word in words)
    assert arguments(line) == words == shlex.split(line)


def test_escapes() -> None:
    assert unescape(r"\fBa\fP \-\(em \(lqx\(rq \s-1Y\s0 \e \& z\|w\*(Tm \"gone") == 'a --- "x" Y \\  zw '
    assert unescape(r"\[u20AC]\[ha]\N'64'") == "\u20ac^"


def test_docstrings_are_those_that_python_sees() -> None:
    found = {each.name: each.text for each in docstrings(inspect.getsource(textwrap) + inspect.getsource(ast))}
    assert found["TextWrapper.wrap"].endswith(inspect.getdoc(textwrap.TextWrapper.wrap) + "\n")
    assert found["dedent"].startswith("```python\ndef dedent(text)\n```\n\nRemove any common")
    assert "class NodeVisitor(object)" in found["NodeVisitor"]
    for name in ("fill", "shorten", "TextWrapper.fill"):
        owner = textwrap
        for part in name.split("."):
            owner = getattr(owner, part)
        assert inspect.getdoc(owner) in found[name]
    with pytest.raises(ValueError, match="no Python"):
        list(docstrings("def f(:\n"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    code = CODE.replace("&", "&amp;").replace("<", "&lt;")
    page = (
        "<html><head><title>T</title></head><body><nav>menu</nav><main><h1>Head</h1><p>Words.</p>"
        f"<pre><code class='language-python'>{code}</code></pre></main></body></html>"
    )
    files = {
        "LICENSE": b"CC0 1.0 Universal\n",
        "a.html": page.encode(),
        "latin.html": b"<html><head><meta charset=iso-8859-1></head><body><p>caf\xe9 \x93quoted\x94</p></body></html>",
        "martian.html": b"<meta charset=martian><p>x</p>",
        "empty.html": b"<html><body><script>x</script></body></html>",
        "b.md": f"# B\n\n```python\n{CODE}\n```\n".encode(),
        "bad.md": b"caf\xe9\n",
        "c.rst": b"C\n=\n\nText.\n",
        "tool.1": MAN.encode(),
        "bsd.8": b".Dd today\n.Dt BSD 8\n.Sh NAME\n.Nm bsd\n",
        "tool.3.gz": gzip.compress(MAN.encode(), mtime=0),
        "alias.1": b".so man1/tool.1\n",
        "libx.so.1": b"\x7fELF\0",
        "torn.1.gz": gzip.compress(MAN.encode(), mtime=0)[:-12],
        "bomb.txt.gz": gzip.compress(b"\0" * 10_000_000, mtime=0),
        "notes.txt": b"Notes.\n",
        "module.py": b'"""About."""\ndef f(a: int = 1) -> int:\n    """Gives."""\n',
        "picture.png": b"\x89PNG\0",
    }
    root.mkdir()
    for path, content in files.items():
        (root / path).write_bytes(content)
    return root


def test_a_folder_of_documentation(folder: Path) -> None:
    documents, rejected = collect(DocumentationSource(path=str(folder), license="detect"))
    assert set(documents) == {"a.html", "latin.html", "b.md", "c.rst", "tool.1", "bsd.8", "tool.3.gz", "notes.txt"}
    assert documents["a.html"]["content"] == f"# Head\n\nWords.\n\n```python\n{CODE}\n```"
    assert documents["latin.html"]["content"] == "caf\u00e9 \u201cquoted\u201d"
    assert documents["b.md"]["content"].encode() == (folder / "b.md").read_bytes()
    assert documents["tool.3.gz"]["content"] == documents["tool.1"]["content"] == man_to_text(MAN)
    assert {row["license"] for row in documents.values()} == {"CC0-1.0"}
    assert {path: row["language"] for path, row in documents.items() if path in ("a.html", "notes.txt")} == {
        "a.html": "markdown", "notes.txt": "text"}  # fmt: skip
    reasons = {
        "martian.html": "unknown charset martian",
        "empty.html": "nothing is left",
        "bad.md": "not UTF-8 at byte 3",
        "alias.1": "names another page",
        "libx.so.1": "not what its name says",
        "torn.1.gz": "gzip ends early",
        "bomb.txt.gz": "unpacks to more than",
    }
    assert set(rejected) == set(reasons)
    for path, words in reasons.items():
        assert words in rejected[path]


def test_docstrings_as_documents(folder: Path) -> None:
    documents, rejected = collect(DocumentationSource(path=str(folder), formats=("docstrings",)))
    assert {path: row["content"] for path, row in documents.items()} == {
        "module.py#": "About.\n",
        "module.py#f": "```python\ndef f(a: int=1) -> int\n```\n\nGives.\n",
    }
    assert not rejected and documents["module.py#f"]["metadata"]["format"] == "docstrings"


BOOK = """The Project Gutenberg eBook of A Walk

This ebook is for the use of anyone anywhere in the United States and
most other parts of the world at no cost. You may copy it, give it away or re-use it.

Title: A Walk

Author: A. Nobody

Language: English

*** START OF THE PROJECT GUTENBERG EBOOK A WALK ***

A WALK

CHAPTER I. The Gate

It was open.

CHAPTER II. The Road

It was long.

*** END OF THE PROJECT GUTENBERG EBOOK A WALK ***

Small print.
"""


def test_a_book_of_project_gutenberg_is_cut_into_chapters(tmp_path: Path) -> None:
    (tmp_path / "walk.txt").write_text(BOOK)
    (tmp_path / "paper.md").write_text("# Title\n\nWords.\n\n```sh\n# no heading\n```\n\n## Method\n\nMore.\n")
    (tmp_path / "own.txt").write_text("Words.\n")
    (tmp_path / "blank.txt").write_text("\n")
    documents, rejected = collect(BooksSource(path=str(tmp_path)))
    chapters = {path: row for path, row in documents.items() if path.startswith("walk.txt")}
    assert [row["metadata"]["chapter"] for row in chapters.values()] == [
        "",
        "CHAPTER I. The Gate",
        "CHAPTER II. The Road",
    ]
    assert "Small print" not in str(chapters) and "START OF" not in str(chapters)
    assert chapters["walk.txt#2"]["content"].strip() == "CHAPTER II. The Road\n\nIt was long."
    assert chapters["walk.txt#1"]["metadata"]["book"] == {
        "title": "A Walk",
        "author": "A. Nobody",
        "language": "English",
    }
    assert chapters["walk.txt#1"]["license"] == "LicenseRef-public-domain"
    assert documents["own.txt#0"]["license"] == "unknown"
    assert [row["metadata"]["chapter"] for path, row in documents.items() if path.startswith("paper")] == [
        "Title",
        "Method",
    ]
    assert rejected == {"blank.txt": "has no text"}
    assert {row["license"] for row in collect(BooksSource(path=str(tmp_path), license="MIT"))[0].values()} == {"MIT"}


def test_a_copyrighted_book_of_project_gutenberg_is_not_free() -> None:
    assert "free" in strip_gutenberg(BOOK)[1]
    assert (
        "free"
        not in strip_gutenberg(BOOK.replace("Title:", "This is a COPYRIGHTED Project Gutenberg eBook.\nTitle:"))[1]
    )


lines = st.lists(
    st.sampled_from(["CHAPTER I", "# Head", "words and w\u00f6rds", "", "```", "Chapter 2. B", "\u00e4" * 40]),
    max_size=30,
)


@given(lines.map("\n".join), st.integers(8, 200))
def test_chapters_hold_every_character_once_and_are_bounded(text: str, max_bytes: int) -> None:
    chapters = list(split_chapters(text, max_bytes))
    assert "".join(chapter.text for chapter in chapters) == text
    assert all(len(chapter.text.encode()) <= max_bytes for chapter in chapters)


@given(st.text(max_size=300), st.integers(4, 60))
def test_cut_text_loses_nothing(text: str, max_bytes: int) -> None:
    pieces = list(cut_text(text, max_bytes))
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= max_bytes for piece in pieces)
