r"""Manual pages to text: the macros of man(7) and the common ones of mdoc(7), examples as fences.

A reader of pages, not a typesetter: requests that only concern the layout go, and so do tables (tbl), formulas (eqn),
conditionals, strings and macros that a page defines itself. Nothing is included: `.so` is an error.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

_ESCAPE = re.compile(
    r"\\(?:\((?P<two>..)|\[(?P<long>[^\]\n]*)\]|f(?:\(..|\[[^\]]*\]|.)|s[+-]?(?:\(\d\d|\d{1,2}|\[[^\]]*\]|'[^']*')"
    r"|\*(?:\(..|\[[^\]]*\]|.)|n(?:\(..|\[[^\]]*\]|.)|[hvwlLDXNZb]'[^'\n]*'|[mM](?:\[[^\]]*\]|\(..|.)|(?P<one>.)|$)"
)
_GLYPHS = {
    "em": "--", "en": "-", "hy": "-", "mi": "-", "pl": "+", "bu": "*", "co": "(C)", "rg": "(R)", "tm": "(TM)",
    "aq": "'", "dq": '"', "lq": '"', "rq": '"', "oq": "'", "cq": "'", "ga": "`", "ha": "^", "ti": "~", "rs": "\\",
    "bv": "|", "ba": "|", "sl": "/", "<-": "<-", "->": "->", "<=": "<=", ">=": ">=", "!=": "!=", "mu": "x",
    "de": " degrees", "Fo": "<<", "Fc": ">>", "at": "@", "sh": "#", "Do": "$", "lB": "[", "rB": "]", "lC": "{",
    "rC": "}", "ul": "_", "la": "<", "ra": ">", "sc": "section ", "ss": "ss", "eu": "EUR", "Po": "GBP", "Ye": "JPY",
    "OK": "[x]", "14": "1/4", "12": "1/2", "34": "3/4", "+-": "+/-", "lA": "<=", "rA": "=>",
}  # fmt: skip
_CHARACTERS = {"e": "\\", "-": "-", "~": " ", "0": " ", " ": " ", "t": "\t", "'": "'", "`": "`", "\\": "\\", ".": "."}
"""Of `\\x`; every other single character stands for nothing that can be read."""
_ALTERNATING = {"BR", "RB", "IR", "RI", "BI", "IB"}
_FONT = {"B", "I", "SM", "SB", "R", "CW", "Nm", "Cm", "Pa", "Em", "Sy", "Li", "Va", "Vt", "Fa", "Ft", "Fn", "Ev", "Er",
         "Dv", "Ic", "Ad", "An", "Tn", "Ar", "Dq", "Sq", "Ql", "Op", "Fl", "Xr", "Pq", "Aq", "Bq", "Brq", "Lk", "Mt",
         "No", "St", "Bx", "Fx", "Nx", "Ox", "Ux", "Ms", "Qq", "Cd", "Dl", "D1", "In", "Fd", "Lb"}  # fmt: skip
_CALLABLE = _FONT - {"B", "I", "SM", "SB", "R", "CW"}
_BRACKETS = {
    "Op": "[]",
    "Dq": '""',
    "Qq": '""',
    "Sq": "''",
    "Ql": "``",
    "Pq": "()",
    "Aq": "<>",
    "Bq": "[]",
    "Brq": "{}",
}
_PARAGRAPH = {"PP", "P", "LP", "Pp", "sp", "HP"}
_SKIPPED_BLOCKS = {"TS": "TE", "EQ": "EN", "PS": "PE", "de": ".", "de1": ".", "ig": ".", "am": "."}
_CLOSING = set(".,:;)]?!")


def man_to_text(source: str) -> str:
    """The page as light Markdown. Raises ValueError when it is none, or only names another one."""
    page = _Page()
    end = None
    for line in source.split("\n"):
        if end is not None:
            end = None if line[:1] in (".", "'") and line[1:].strip() == end else end
            continue
        if line[:1] in (".", "'"):
            request = line[1:].strip()
            name = re.split(r"[\s\\]", request, maxsplit=1)[0]
            end = _SKIPPED_BLOCKS.get(name)
            if name == "so":
                raise ValueError("only names another page, which is not followed")
            if end is None and name:
                page.request(name, request[len(name) :].strip())
        else:
            page.text(line)
    if not page.sections:
        raise ValueError("is no manual page: it has no section")
    return page.finish()


@dataclass
class _Page:
    """What was read so far."""

    blocks: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """Of the paragraph that is being filled; lines while in an example."""
    example: bool = False
    sections: int = 0
    name: str = ""
    """What `.Nm` without arguments stands for."""
    title: Callable[["_Page", str], None] | None = None
    """What to do with the next line of text."""

    def text(self, line: str) -> None:
        shown = unescape(line)
        if self.example:
            self.words.append(shown.rstrip())
        elif not shown.strip():
            self.close()
        elif self.title is not None:
            title, self.title = self.title, None
            title(self, shown.strip())
        else:
            self.words.append(shown.strip())

    def request(self, name: str, rest: str) -> None:
        if name in ("SH", "SS", "Sh", "Ss"):
            level = "##" if name in ("SH", "Sh") else "###"
            self.leave_example()
            self.sections += 1
            words = " ".join(arguments(rest))
            if words:
                self.heading(level, words)
            else:
                self.title = lambda page, text: page.heading(level, text)
        elif name in ("nf", "EX", "Bd"):
            self.close()
            self.example = True
        elif name in ("fi", "EE", "Ed"):
            self.leave_example()
        elif self.example and name in _PARAGRAPH:
            self.words.append("")
        elif name in _PARAGRAPH:
            self.close()
        elif name == "TP":
            self.close()
            self.title = lambda page, text: page.item(text)
        elif name in ("IP", "It"):
            self.item(self.inline(rest) if name == "It" else " ".join(arguments(rest)[:1]))
        elif name == "TH" or name == "Dt":
            title = arguments(rest)
            self.blocks.append("# " + (f"{title[0]}({title[1]})" if len(title) > 1 else " ".join(title)))
        elif name == "Nd":
            self.text(f"- {rest}")
        elif name in _ALTERNATING:
            self.text("".join(arguments(rest)))
        elif name in ("UR", "MT"):
            self.text(" ".join(arguments(rest)[:1]))
        elif name in _FONT:
            self.text(self.inline(f"{name} {rest}" if name in _CALLABLE else rest))
        elif name == "br":
            self.words.append("" if self.example else "\n")

    def heading(self, level: str, text: str) -> None:
        self.close()
        self.blocks.append(f"{level} {unescape(text)}")

    def item(self, text: str) -> None:
        self.close()
        shown = unescape(text).strip()
        if shown in ("*", "o", "-", ""):
            self.words.append("-")
        else:
            self.blocks.append(f"`{shown}`" if "`" not in shown else shown)

    def inline(self, rest: str) -> str:
        """A line of mdoc, whose words may be macros, or of words in one font."""
        shown: list[str] = []
        bracket = ""
        flag = False
        words = arguments(rest)
        for number, word in enumerate(words):
            if word in _CALLABLE:
                flag = word == "Fl"
                bare = number + 1 == len(words) or words[number + 1] in _CALLABLE | _CLOSING
                if word in _BRACKETS:
                    shown.append(_BRACKETS[word][0])
                    bracket = _BRACKETS[word][1] + bracket
                elif word == "Nm" and not bare and not self.name:
                    self.name = words[number + 1]
                elif word == "Nm" and bare:
                    shown.append(self.name)
                elif bare and word in ("Fl", "Ar"):
                    shown.append("-" if word == "Fl" else "file ...")
            elif word in _CLOSING:
                shown.append("\b" + word)
            else:
                shown.append(f"-{word}" if flag else word)
        line = " ".join(shown) + bracket
        return re.sub(r"([\[({<`])\s+|\s*\x08", r"\1", line)

    def leave_example(self) -> None:
        if not self.example:
            self.close()
            return
        self.example = False
        code = "\n".join(self.words).strip("\n")
        self.words.clear()
        if code.strip():
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", code)), default=0))
            self.blocks.append(f"{fence}\n{code}\n{fence}")

    def close(self) -> None:
        """End the paragraph; inside an example there is none."""
        if self.example:
            self.words.append("")
        elif self.words:
            text = re.sub(r" *\n *", "\n", " ".join(self.words)).strip()
            self.words.clear()
            self.blocks += [text] if text else []

    def finish(self) -> str:
        self.leave_example()
        return "\n\n".join(self.blocks)


def arguments(rest: str) -> list[str]:
    """Those of a request: words, or quoted strings in which two quotes stand for one."""
    lexer = shlex.shlex(rest.replace('""', "\\[dq]"), posix=True, punctuation_chars="")
    lexer.whitespace, lexer.whitespace_split = " \t", True
    lexer.quotes, lexer.escape, lexer.commenters = '"', "", ""
    try:
        return [unescape(word) for word in lexer]
    except ValueError:
        return unescape(rest.replace('"', "")).split()


def unescape(text: str) -> str:
    """The characters that escape sequences stand for; comments and changes of font go."""
    return _ESCAPE.sub(_escaped, re.sub(r'\\["#].*', "", text))


def _escaped(match: re.Match[str]) -> str:
    glyph = match["two"] or match["long"]
    if glyph is not None:
        if re.fullmatch(r"u[0-9A-Fa-f]{4,5}", glyph):
            return chr(int(glyph[1:], 16)) if not 0xD800 <= int(glyph[1:], 16) <= 0xDFFF else ""
        return _GLYPHS.get(glyph, glyph[0] if len(glyph) == 2 and glyph[1] in "'`^:,~" else "")
    return _CHARACTERS.get(match["one"] or "", "")
