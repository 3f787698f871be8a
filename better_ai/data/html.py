"""HTML to text that a language model can learn from: prose as it reads, code blocks fenced and kept to the byte.

resiliparse parses and lays out. Before it, one pass over the tags turns each `<pre>` into one marked run of text and
marks `<code>` and headings; after it, the marks become Markdown fences, back-ticks and number signs. Marks are written
into the HTML and not into the tree, because walking the tree from Python costs 40 times what resiliparse itself takes.
Left out: links' targets, emphasis, images.
"""

import re
from collections.abc import Iterator
from typing import Any

from better_ai.extras import import_extra

MAX_HEAD = 100_000
"""Characters in which a page's title is looked for."""
MAX_MAIN_DEPTH = 256
"""resiliparse's search for the main content takes time with the square of the nesting: measured 4 s at 20,000."""

_OPEN, _CLOSE, _TICK = "\ue000o", "\ue000c", "\ue000t"
"""Marks: a private-use character, and a letter because the search for the main content drops text without any."""
_GUTTERS = ("td.linenos", "td.gutter", "td.rouge-gutter", "span.linenos", "a.headerlink", "a.anchor-link")
_FRAMES = (*_GUTTERS, "nav", "header", "footer", "aside", "form", "script", "style", "noscript", "[hidden]")
_TAG = re.compile(r"<(/?)(pre|code|h[1-6])\b([^<>]*)>", re.IGNORECASE)
_CONTAINER_TAG = re.compile(r"<(/?)(?:div|article)\b", re.IGNORECASE)
_LANGUAGE_CLASS = re.compile(
    r"[\s\"'=](?:language|lang|brush|highlight-source|highlight-text|highlight)[-:]\s*([a-z][\w+#.]*)", re.IGNORECASE
)
_WRAPPERS = re.compile(r"(?:<div\b[^<>]*>\s*){1,2}\Z", re.IGNORECASE)
_NO_LANGUAGE = {"default", "none", "text", "plaintext", "plain", "notranslate", "prettyprint"}
_FIRST_CODE = re.compile(r"\s*<code\b([^<>]*)>", re.IGNORECASE)
_BREAK = re.compile(r"<br\b[^<>]*>", re.IGNORECASE)
_ANY_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_EMPTY_HEADING = re.compile(r"^#+[ \t]*$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")
_TICKS = re.compile("`+")
_MARK = re.compile("\ue000[oct]")
_CODE_BLOCK = re.compile(f"{_OPEN}([^\n]*)\n(.*?){_CLOSE}", re.DOTALL)
_CODE_SPAN = re.compile(f"{_TICK}([^\ue000]*){_TICK}")


def html_to_text(html: str, *, main_content: bool = False) -> str:
    """The text of a page or fragment as light Markdown, without a final line break; never raises for bad HTML.

    With `main_content`, what frames the page is left out: the element that says it is the main one is taken, else
    what resiliparse finds to be it. Raises UserError when the extra `data` is not installed.
    """
    extract = import_extra("resiliparse.extract.html2text", "data").extract_plain_text
    tree = parse_html(_mark(html.replace("\ue000", "")))
    if tree.document is None or tree.body is None:
        return ""
    if not main_content:
        return _fence(extract(tree, skip_elements=_GUTTERS))
    main = tree.document.query_selector("main, [role=main]") or _only(tree.document.query_selector_all("article"))
    if main is not None:
        return _fence(extract(parse_html(main.outer_html), skip_elements=_FRAMES))
    return _fence(extract(tree, main_content=_depth(html) <= MAX_MAIN_DEPTH, skip_elements=_FRAMES))


def parse_html(html: str) -> Any:
    """resiliparse's tree of a page, whatever characters it holds."""
    tree = import_extra("resiliparse.parse.html", "data").HTMLTree
    return tree.parse(html.encode("utf-8", "replace").decode())


def _mark(html: str) -> str:
    """The page with marks, in one pass; a code block that is never closed stays as it is."""
    pieces: list[str] = []
    written = 0
    block: re.Match[str] | None = None
    span: re.Match[str] | None = None
    for tag in _TAG.finditer(html):
        closing, name = bool(tag[1]), tag[2].lower()
        if name == "pre":
            if not closing:
                block = block or tag
            elif block is not None:
                inside = html[block.end() : tag.start()]
                language = _language(html, block, inside)
                marked = f"<pre>{_OPEN}{language}\n{_one_text(inside)}{_CLOSE}</pre>"
                pieces += [html[written : block.start()] if written <= block.start() else "", marked]
                written, block, span = tag.end(), None, None
        elif block is not None:
            continue
        elif name == "code":
            if not closing:
                span = tag
            elif span is not None:
                inside = _one_text(html[span.end() : tag.start()])
                if inside.strip():
                    pieces += [html[written : span.start()], f"<code>{_TICK}{inside}{_TICK}</code>"]
                    written = tag.end()
                span = None
        elif not closing:
            span = None
            pieces += [html[written : tag.end()], "#" * int(name[1]), " "]
            written = tag.end()
    return "".join([*pieces, html[written:]])


def _one_text(inside: str) -> str:
    """What is inside a code element, as a single text: highlighting goes, line breaks and entities stay."""
    return _ANY_TAG.sub("", _BREAK.sub("\n", inside)) if "<" in inside else inside


def _language(html: str, block: re.Match[str], inside: str) -> str:
    """What the classes of a code block, of its `<code>` or of what wraps it name as its language."""
    code = _FIRST_CODE.match(inside)
    wrappers = _WRAPPERS.search(html, max(0, block.start() - 300), block.start())
    for attributes in (block[3], code[1] if code else "", wrappers[0] if wrappers else ""):
        for found in _LANGUAGE_CLASS.finditer(attributes):
            if found[1].lower() not in _NO_LANGUAGE:
                return found[1].lower()
    return ""


def _fence(text: str) -> str:
    """Laid-out text with the marked blocks as fences, a blank line around each."""
    pieces: list[str] = []
    end = 0
    for block in _CODE_BLOCK.finditer(text):
        pieces.append(_prose(text[end : block.start()]))
        code = _without_marks(block[2]).strip("\n")
        ticks = "`" * max(3, 1 + _longest_ticks(code))
        pieces.append(f"{ticks}{_without_marks(block[1])}\n{code}\n{ticks}" if code.strip() else "")
        end = block.end()
    pieces.append(_prose(text[end:]))
    return "\n\n".join(piece for piece in pieces if piece)


def _prose(text: str) -> str:
    text = _without_marks(_CODE_SPAN.sub(_tick, text))
    return _BLANK_LINES.sub("\n\n", _EMPTY_HEADING.sub("", text)).strip("\n").rstrip()


def _tick(span: re.Match[str]) -> str:
    ticks = "`" * (1 + _longest_ticks(span[1]))
    return f"{ticks}{span[1]}{ticks}"


def _without_marks(text: str) -> str:
    return _MARK.sub("", text) if "\ue000" in text else text


def _longest_ticks(code: str) -> int:
    return max(map(len, _TICKS.findall(code)), default=0) if "`" in code else 0


def _only(nodes: Any) -> Any:
    return nodes[0] if len(nodes) == 1 else None


def _depth(html: str) -> int:
    """How deep the containers that matter for the main content nest."""
    depth = deepest = 0
    for tag in _CONTAINER_TAG.finditer(html):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def page_title(html: str) -> str:
    """The title of a page on one line, empty if it has none."""
    end = html[:MAX_HEAD].lower().find("</title")
    return " ".join((parse_html(html[: max(end, 0)]).title or "").split())


def fenced_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and code of each closed fence, in order (CommonMark's fences, without indented ones)."""
    lines: list[str] = []
    fence = language = ""
    for line in text.split("\n"):
        if not fence:
            if opened := re.match(r" {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$", line):
                fence, language, lines = opened[1], opened[2], []
        elif re.fullmatch(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}\s*", line):
            yield language, "\n".join(lines)
            fence = ""
        else:
            lines.append(line)
