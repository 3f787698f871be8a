"""What a text says about its own licence: SPDX tags, the words of known licences, and grants that name one.

A recogniser of phrases, not a matcher of whole texts: those compare at some 0.007 MB/s (scancode), this runs at tens of
MB/s because it reads only the neighbourhood of words that every licence statement has.

It leans to the careful side. Several statements in one text all hold ("MIT AND GPL-3.0-only") unless the text says
"or" between their names. In source code a permissive statement counts in the head of the file only, but a copyleft or
proprietary one anywhere, since bundled files carry theirs in the middle.

Left out: statements in pictures, in other files, and in languages other than English beyond the word for "licence".
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from better_ai.data.licenses.expression import UNKNOWN_LICENSE, ExpressionError, parse_expression
from better_ai.data.licenses.phrases import INTRODUCTION, NAME, NAMES, SPEAKS_OF, TEXTS, VERSIONED

HEAD_CHARACTERS = 6000
MAX_CHARACTERS = 2_000_000
MAX_TAG_CHARACTERS = 300
_REACH = 1800
"""Characters read on both sides of a word that licence statements have: more than the MIT or a BSD licence."""


_WHOLE = 200_000
"""A licence file up to this size is read without gaps, as the texts of some licences name others."""
_OVERLAP = 1000
_STRIDE = 200
"""Of a trigger that comes again and again, how far the next look is from the last: well below the reach."""


class Licensed(NamedTuple):
    """A licence expression, or "unknown", and the words that say so."""

    spdx: str
    evidence: str


NOT_SAID = Licensed(UNKNOWN_LICENSE, "no licence statement recognised")

PERMISSIVE = frozenset(
    """MIT MIT-0 X11 0BSD BSD-2-Clause BSD-3-Clause BSD-4-Clause ISC Apache-2.0 PSF-2.0 Python-2.0 Unlicense CC0-1.0
    Zlib BSL-1.0 NCSA PostgreSQL UPL-1.0 BlueOak-1.0.0 WTFPL HPND AFL-3.0 ZPL-2.1 Beerware Artistic-2.0
    LicenseRef-public-domain""".split()  # noqa: SIM905
)
"""Counted in the head of a source file only."""

_GNU = ("AGPL", "LGPL", "GPL", "GFDL")
_STRICT = {*_GNU, "SSPL-1.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "LicenseRef-proprietary"}
"""Found some words after their introduction, too; other names must follow at once or be called a licence."""
_BARE_NAMES = {
    "GPL-1.0-or-later": "GPL",
    "LGPL-2.0-or-later": "LGPL",
    "AGPL-3.0-or-later": "AGPL",
    "BSD-3-Clause": "BSD",
    "MIT": "X11",
    "PSF-2.0": "Python",
}
"""What a name without a version stands for, and how what is more exact begins: it is dropped beside one of those."""

_TRIGGERS = (
    "licen", "gpl", "gnu ", "copyleft", "warrant", "redistribution", "permission to use", "permission is",
    "public domain", "confidential", "proprietary", "lizenz", "unauthorized copying",
)  # fmt: skip
"""Every statement that is recognised has one of these words in it."""

_TAG = re.compile(r"spdx-license-identifier:[ \t]*([\w.+\-(][\w.+\-(): ]*)", re.IGNORECASE)
_QUOTE = re.compile("[\"'`]")
_MARKUP = re.compile(r"</?(?:a|b|br|code|div|em|font|i|li|p|pre|span|strong|td|tt|u|ul)\b[^<>\n]{0,200}>")
_NOT_WORD = re.compile(r"[^a-z0-9+]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_INTRODUCED = re.compile(rf"\b(?<!spdx )(?:{INTRODUCTION})\b(?=((?: \S+){{0,12}}))")
_SPEAKS_OF = re.compile(SPEAKS_OF)
_SPOKEN_OF = re.compile(r" (?:v?\d\S* )?(?:and other \S+ )?(?:in|non)?compatib")
_VERSION = re.compile(
    r"(?: licen[cs]e)?(?: [al]?gpl)?(?: as published by the (?:free software foundation|fsf))?(?: inc)?"
    r"(?: either| the)?(?: version| ver| v)? ?v?([123])(?: ([0123])\b)?(?!\d)"
)
_LATER = re.compile(
    r"^(?: licen[cs]e)?(?: version| ver| v)? ?v?\d(?: \d)?\+|\bany later version\b"
    r"|\bor (?:at your \w+ )?(?:any )?(?:later|newer|above)\b"
)
_ALTERNATIVE = re.compile(r" (?:or|oder|ou) ")
_CHOICE = re.compile(r"\bchoose (?:between|one|either)\b|\beither of the following\b")


def detect_license(text: str) -> Licensed:
    """What a licence file or a notice says. The text is read up to its two millionth character."""
    text = _readable(text[:MAX_CHARACTERS])
    words = [_normalise(text)] if len(text) <= _WHOLE else _neighbourhoods(text)
    return _combine([*_tags(text), *_said(words)])


def license_of_file(text: str) -> Licensed:
    """What a source file says of itself; "unknown" where it says nothing, so that its repository's licence holds."""
    text = _readable(text[:MAX_CHARACTERS])
    head, rest = text[:HEAD_CHARACTERS], text[HEAD_CHARACTERS - _OVERLAP :]
    found = [*_tags(head), *_said(_neighbourhoods(head))]
    if len(text) > HEAD_CHARACTERS:
        later = [*_tags(rest), *_said(_neighbourhoods(rest))]
        found += [statement for statement in later if statement.spdx not in PERMISSIVE]
    return _combine(found)


def license_of_name(name: str) -> Licensed:
    """What a field such as `License: BSD 3-Clause` or a trove classifier means; a long one is read as a text."""
    if len(name) > 200 or "\n" in name.strip():
        return detect_license(name)
    words = _normalise(name)
    found = [_named(match, words) for match in NAME.finditer(words)]
    alternatives = len(found) > 1 and _ALTERNATIVE.search(f" {words} ") and not _LATER.search(words)
    evidence = f"is called {name.strip()!r}"
    if alternatives:
        return Licensed(" OR ".join(dict.fromkeys(found)), evidence)
    return _combine([Licensed(spdx, evidence) for spdx in found])


def _combine(statements: Sequence[Licensed]) -> Licensed:
    """All of them hold; a bare name adds nothing to a more exact statement of its family."""
    by_spdx = {statement.spdx: statement.evidence for statement in reversed(statements)}
    names = list(dict.fromkeys(statement.spdx for statement in statements))
    exact = [spdx for spdx in names if not _is_covered(spdx, names)]
    if not exact:
        return NOT_SAID
    joined = exact[0] if len(exact) == 1 else " AND ".join(f"({spdx})" if " " in spdx else spdx for spdx in exact)
    return Licensed(joined, "; ".join(by_spdx[spdx] for spdx in exact))


def _is_covered(spdx: str, others: Sequence[str]) -> bool:
    if spdx.endswith("-only") and spdx.replace("-only", "-or-later") in others:
        return True
    family = _BARE_NAMES.get(spdx)
    return family is not None and any(other.startswith(family) and other != spdx for other in others)


def _readable(text: str) -> str:
    """Without look-alike and invisible characters."""
    return text if text.isascii() else _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))


def _said(parts: Iterable[str]) -> list[Licensed]:
    return [found for words in parts for found in (*_texts(words), *_grants(words))]


def _tags(text: str) -> Iterator[Licensed]:
    """SPDX tags; one inside a string counts only when it restricts."""
    if "spdx-" not in text.lower():
        return
    for match in _TAG.finditer(text):
        value = match.group(1)[:MAX_TAG_CHARACTERS].strip().rstrip("-*#")
        try:
            spdx = str(parse_expression(value))
        except ExpressionError:
            spdx = license_of_name(value).spdx
        if spdx == UNKNOWN_LICENSE:
            spdx = "LicenseRef-unrecognised"
        start_of_line = text.rfind("\n", 0, match.start()) + 1
        quoted = _QUOTE.search(text, max(start_of_line, match.start() - 200), match.start())
        if not (quoted and spdx in PERMISSIVE):
            yield Licensed(spdx, f"SPDX tag {value!r}")


def _neighbourhoods(text: str) -> Iterator[str]:
    """The parts of the text that may hold a statement, normalised."""
    lower = text.lower()
    spans: list[tuple[int, int]] = []
    for place in sorted(_places(lower)):
        start, end = max(0, place - _REACH), place + _REACH
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return (_normalise(lower[start:end]) for start, end in spans)


def _places(lower: str) -> Iterator[int]:
    for trigger in _TRIGGERS:
        place = lower.find(trigger)
        while place >= 0:
            yield place
            place = lower.find(trigger, place + _STRIDE)


def _normalise(text: str) -> str:
    """Lower-case words with one space between: comment signs, line ends, quotes and markup are gone."""
    lower = text.lower()
    return _NOT_WORD.sub(" ", _MARKUP.sub(" ", lower) if "<" in lower else lower).strip()


def _texts(words: str) -> Iterator[Licensed]:
    for text in TEXTS:
        if all(phrase in words for phrase in text.phrases) and not any(phrase in words for phrase in text.unless):
            yield Licensed(text.spdx, f"the words {_shorten(text.phrases[0])!r}")


def _grants(words: str) -> Iterator[Licensed]:
    """ "... under the terms of the GNU General Public License, version 2" and its like."""
    words = _without_texts(words)
    reached = 0
    for introduced in _INTRODUCED.finditer(words):
        if introduced.start() < reached:
            continue
        begin, end = introduced.end(), introduced.end(1)
        name = NAME.search(words, begin, end)
        if name is None or not _is_granted(words, introduced, name):
            continue
        found, reached = [_named(name, words)], name.end()
        chosen = _CHOICE.search(words, max(0, introduced.start() - 60), introduced.end() + 20)
        while (other := NAME.search(words, reached, reached + 60)) and (
            chosen or _ALTERNATIVE.search(_LATER.sub("", words[reached : other.start()]))
        ):
            found, reached = [*found, _named(other, words)], other.end()
        yield Licensed(" OR ".join(dict.fromkeys(found)), f"says {_shorten(words[introduced.start() : reached])!r}")


def _is_granted(words: str, introduced: re.Match[str], name: re.Match[str]) -> bool:
    between = words[introduced.end() : name.start()]
    before = words[max(0, introduced.start() - 45) : introduced.start()]
    if _SPEAKS_OF.search(f"{before} {between}") or _SPOKEN_OF.match(words, name.end()):
        return False
    spdx = NAMES[_number(name)][0]
    return spdx in _STRICT or "licen" in name.group() or between.count(" ") <= 3


def _without_texts(words: str) -> str:
    """Cut out the whole texts of licences that speak of others."""
    for text in TEXTS:
        if text.length and (start := words.find(text.phrases[0])) >= 0:
            words = words[:start] + words[start + text.length :]
    return words


def _number(name: re.Match[str]) -> int:
    assert name.lastgroup is not None
    return int(name.lastgroup[1:])


def _named(name: re.Match[str], words: str) -> str:
    """The identifier for a name and the version that follows it."""
    family = NAMES[_number(name)][0]
    if family not in VERSIONED:
        return family
    tail = words[name.end() : name.end() + 160]
    version = _VERSION.match(tail) or re.search(r"\bversion (\d)(?: (\d))?", tail)
    numbers = [f"{version.group(1)}.{version.group(2) or 0}", f"{version.group(1)}.0"] if version else []
    number = next((number for number in numbers if number in VERSIONED[family]), None)
    if family not in _GNU:
        return f"{family}-{number or VERSIONED[family][0]}"
    if number is None:
        return f"{family}-{VERSIONED[family][0]}-or-later"
    return f"{family}-{number}-{'or-later' if _LATER.search(tail) else 'only'}"


def _shorten(words: str) -> str:
    return words if len(words) <= 80 else f"{words[:77]}..."
