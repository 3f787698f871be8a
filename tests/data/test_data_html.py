"""HTML becomes prose that reads and code that is exact, whatever the page looks like, in linear time."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data.html import fenced_blocks, html_to_text, page_title

PAGE = """<html><head><title> A
 title</title></head><body><nav>menu <a href=x>home</a></nav>{main}<h2>Head<a class="headerlink" href="#">¶</a></h2>
<p>Use <code>{{}}</code> or <code>a`b</code>, <b>always</b> &amp; so on, for this is a long paragraph.</p>
<pre class="lang-py"><code><span class=k>def</span> f():<br>
    return <span>1</span> &lt; 2

<span>}}</span>
</code></pre><p>Another paragraph that says enough to be one.</p>
<ul><li>one<li>two</ul>{end}<footer>foot</footer></body></html>"""
CODE = "def f():\n\n    return 1 < 2\n\n}"


def test_prose_and_code() -> None:
    text = html_to_text(PAGE.format(main="", end=""))
    assert "## Head\n" in text and "¶" not in text
    assert "Use `{}` or ``a`b``, always & so on" in text
    assert list(fenced_blocks(text)) == [("py", CODE)]
    assert page_title(PAGE) == "A title"


@pytest.mark.parametrize(("main", "end"), [("<main>", "</main>"), ("<article>", "</article>"), ("", "")])
def test_the_frame_of_a_page_goes(main: str, end: str) -> None:
    text = html_to_text(PAGE.format(main=main, end=end), main_content=True)
    assert "menu" not in text and "foot" not in text
    assert "long paragraph" in text and list(fenced_blocks(text)) == [("py", CODE)]


@pytest.mark.parametrize(
    ("markup", "language"),
    [
        ('<pre><code class="language-c++">x</code></pre>', "c++"),
        ('<div class="highlight-python3 notranslate"><div class="highlight"><pre>x</pre></div></div>', "python3"),
        ('<div class="highlight highlight-source-js"><pre>x</pre></div>', "js"),
        ('<pre class="brush: ruby">x</pre>', "ruby"),
        ('<pre class="prettyprint lang-none">x</pre>', ""),
        ("<PRE>x</PRE>", ""),
    ],
)
def test_the_language_of_a_block(markup: str, language: str) -> None:
    assert list(fenced_blocks(html_to_text(f"<p>before</p>{markup}<p>after</p>"))) == [(language, "x")]


def test_line_numbers_go() -> None:
    table = "<table><tr><td class=linenos><pre>1\n2</pre><td class=code><pre>a\nb</pre></table>"
    assert html_to_text(table) == "```\na\nb\n```"


@given(st.text(alphabet="ab \t\n{}<>&`~'\"#\\é", min_size=1))
def test_code_is_exact(code: str) -> None:
    code = code.strip("\n")
    text = html_to_text(f"<p>x</p><pre><code>{html.escape(code)}</code></pre><p>y</p>")
    assert list(fenced_blocks(text)) == ([("", code)] if code.strip() else [])


@given(
    st.lists(
        st.sampled_from(["<pre>", "</pre>", "<code>", "</code>", "<h1>", "</h1>", "<main>", "<!--",
                         "<td class=linenos>", "-->", "\ue000o", "\ue000", "```", "x", "\n", "&lt",
                         "\ud800", "\0", "<pre",
                         "<article>", "</p>", "<br>", "<svg>", "<template>"])
    )
)  # fmt: skip
def test_no_page_is_an_error_and_no_mark_stays(pieces: list[str]) -> None:
    for main_content in (False, True):
        assert "\ue000" not in html_to_text("".join(pieces), main_content=main_content)


@pytest.mark.parametrize(
    "hostile",
    ["<div>", "<pre>", "<pre><code>", "<code>", "<code>x</code>", "<h1>", "<b>", "<li><pre>`", "<pre>x</pre>", "<", "`",
     "<td class=linenos>", "<article>", "<div><pre>x", "</pre>", '<div class="highlight-'],
)  # fmt: skip
def test_hostile_pages_end(hostile: str) -> None:
    """A walk that takes quadratic time would need minutes for each of these."""
    page = hostile * (200_000 // len(hostile))
    assert all("\ue000" not in html_to_text(page, main_content=main_content) for main_content in (False, True))
