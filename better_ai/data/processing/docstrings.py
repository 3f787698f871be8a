"""Docstrings of functions: read from the styles in use, written in any of them.

    google       Args:                  numpy       Parameters
                     name (type): text              ----------
                                                    name : type
                                                        text

    rest         :param name: text      plain       Parameters:
                 :type name: type                   - name (type): text

Reading and writing are inverse: `parse(render(docstring, style))` gives the docstring back, or `render` refuses. What
stands before the sections and behind them is kept word for word. Left out: several names in one entry, results with
names, and prose between sections; such docstrings are read as prose alone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from textwrap import dedent, indent
from typing import Literal

Style = Literal["google", "numpy", "rest", "plain"]
STYLES: tuple[Style, ...] = ("google", "numpy", "rest", "plain")


@dataclass(frozen=True)
class Entry:
    """A parameter (name, perhaps a type), an exception (its name) or a result (perhaps a type)."""

    name: str = ""
    type: str = ""
    text: str = ""


@dataclass(frozen=True)
class Docstring:
    """What a docstring says. Text has no common indentation and no white space at its ends."""

    prose: str
    parameters: tuple[Entry, ...] = ()
    returns: Entry | None = None
    yields: Entry | None = None
    raises: tuple[Entry, ...] = ()
    epilogue: str = ""
    """What stands behind the sections: notes, examples."""

    @property
    def summary(self) -> str:
        """The first paragraph, on one line."""
        return " ".join(self.prose.split("\n\n", 1)[0].split())

    @property
    def has_sections(self) -> bool:
        return bool(self.parameters or self.returns or self.yields or self.raises)


def parse(text: str) -> tuple[Docstring, Style | None]:
    """Read a docstring as `inspect.cleandoc` leaves it; the style is None where it has no sections."""
    lines = [line.rstrip() for line in text.strip().split("\n")]
    for style, read in _READERS.items():
        docstring = read(lines)
        if docstring is not None and docstring.has_sections:
            return docstring, style
    return Docstring("\n".join(lines)), None


def render(docstring: Docstring, style: Style) -> str | None:
    """Write a docstring in a style, or None where reading it again would not give the same docstring."""
    sections = [section for section in _WRITERS[style](docstring) if section]
    between = "\n" if style == "rest" else "\n\n"
    text = "\n\n".join(part for part in [docstring.prose, between.join(sections), docstring.epilogue] if part)
    return text if parse(text)[0] == docstring else None


Kind = Literal["parameters", "returns", "yields", "raises"]
_KINDS: dict[str, Kind] = {
    "args": "parameters",
    "arguments": "parameters",
    "parameters": "parameters",
    "returns": "returns",
    "yields": "yields",
    "raises": "raises",
}
_TITLES: dict[Kind, str] = {"parameters": "Parameters", "returns": "Returns", "yields": "Yields", "raises": "Raises"}
_NAME = r"\*{0,2}[^\W\d][\w.]*"
_ITEM = re.compile(rf"({_NAME})(?: \((.+?)\))?:(?:\s+|$)(.*)", re.DOTALL)
_NUMPY_ITEM = re.compile(rf"({_NAME})(?: ?: (.+))?")
_TYPE = (
    r"(?:(?:str|int|float|bool|bytes|list|dict|tuple|set|object|None|callable|Any|Optional|Union|Callable|Iterable|"
    r"Iterator|Sequence|Mapping)\b|[A-Za-z_]\w*[.\[])[\w.\[\], |]*"
)
_TYPED = re.compile(rf"({_TYPE}):\s+(.*)", re.DOTALL)
_TYPE_ONLY = re.compile(_TYPE)
_FIELD = re.compile(rf":(param|type|returns?|rtype|yields|ytype|raises?)(?: ({_NAME}))?:(?:\s+|$)(.*)")


@dataclass
class _Parts:
    """Lines of a docstring by where they belong."""

    prose: list[str] = field(default_factory=list)
    sections: list[tuple[Kind, list[str]]] = field(default_factory=list)
    epilogue: list[str] = field(default_factory=list)


def _split(
    lines: list[str],
    heading: Callable[[list[str], int], tuple[Kind, int] | None],
    inside: Callable[[list[str], int], bool],
) -> _Parts | None:
    """Take lines apart; `heading` tells the kind of a section and how many lines its heading has, `inside` whether a
    line still belongs to it. None where a section follows prose that follows a section."""
    place, parts = 0, _Parts()
    while place < len(lines) and heading(lines, place) is None:
        place += 1
    parts.prose = lines[:place]
    while place < len(lines) and (found := heading(lines, place)):
        start = place = place + found[1]
        while place < len(lines) and inside(lines, place):
            place += 1
        parts.sections.append((found[0], lines[start:place]))
    parts.epilogue = lines[place:]
    kinds = [kind for kind, _ in parts.sections]
    again = any(heading(lines, later) for later in range(place, len(lines)))
    return None if again or len(set(kinds)) < len(kinds) else parts


def _assemble(
    parts: _Parts | None,
    entries: Callable[[list[str], Kind], list[Entry] | None],
    result: Callable[[list[str]], Entry | None],
) -> Docstring | None:
    if parts is None:
        return None
    found: dict[str, tuple[Entry, ...] | Entry | None] = {}
    for kind, body in parts.sections:
        read = result(body) if kind in ("returns", "yields") else tuple(entries(body, kind) or ())
        if not read:
            return None
        found[kind] = read
    return Docstring(_verbatim(parts.prose), epilogue=_verbatim(parts.epilogue), **found)  # type: ignore[arg-type]


def _text(lines: Sequence[str]) -> str:
    """Lines as text: the first as it is, the others without their common indentation."""
    if not lines:
        return ""
    rest = dedent("\n".join(lines[1:]))
    return "\n".join(line.rstrip() for line in [lines[0].strip(), *rest.split("\n")]).strip()


def _verbatim(lines: Sequence[str]) -> str:
    return "\n".join(lines).strip("\n")


def _chunks(lines: list[str], starts: Callable[[str], bool]) -> list[list[str]] | None:
    """Lines in groups, each from a line that starts one."""
    chunks: list[list[str]] = []
    for line in lines:
        if starts(line):
            chunks.append([line])
        elif chunks:
            chunks[-1].append(line)
        elif line:
            return None
    return chunks


def _dedented(lines: list[str]) -> list[str]:
    return dedent("\n".join(lines)).strip("\n").split("\n")


def _flush(line: str) -> bool:
    return bool(line) and not line.startswith(" ")


def _item(chunk: list[str], kind: Kind) -> Entry | None:
    """`name (type): text` and lines that go on."""
    match = _ITEM.fullmatch(chunk[0])
    if match is None or (kind == "raises" and match[2]):
        return None
    return Entry(match[1], match[2] or "", _text([match[3], *chunk[1:]]))


def _items(chunks: list[list[str]] | None, kind: Kind) -> list[Entry] | None:
    entries = [_item(chunk, kind) for chunk in chunks or ()]
    return None if None in entries else [entry for entry in entries if entry]


def _result(lines: list[str]) -> Entry | None:
    """`type: text`, or text alone."""
    text = _text(lines)
    match = _TYPED.fullmatch(text)
    if match:
        return Entry(type=match[1], text=match[2].strip())
    return Entry(text=text) if text else None


def _item_lines(entry: Entry) -> str:
    kind = f" ({entry.type})" if entry.type else ""
    return f"{entry.name}{kind}:" + (f" {entry.text}" if entry.text else "")


def _result_lines(entry: Entry) -> str:
    return f"{entry.type}: {entry.text}" if entry.type else entry.text


def _hanging(text: str, prefix: str) -> str:
    """Text whose lines but the first are indented."""
    first, _, rest = text.partition("\n")
    return first + ("\n" + indent(rest, prefix) if rest else "")


def _sections(docstring: Docstring) -> list[tuple[Kind, tuple[Entry, ...]]]:
    """The sections in their usual order."""
    pairs: list[tuple[Kind, tuple[Entry, ...]]] = [
        ("parameters", docstring.parameters),
        ("returns", (docstring.returns,) if docstring.returns else ()),
        ("yields", (docstring.yields,) if docstring.yields else ()),
        ("raises", docstring.raises),
    ]
    return [(kind, entries) for kind, entries in pairs if entries]


def _colon_heading(lines: list[str], place: int) -> tuple[Kind, int] | None:
    line = lines[place]
    kind = _KINDS.get(line[:-1].lower()) if line.endswith(":") else None
    return (kind, 1) if kind else None


def _read_google(lines: list[str]) -> Docstring | None:
    parts = _split(lines, _colon_heading, lambda lines, place: not lines[place] or lines[place].startswith(" "))
    return _assemble(
        parts,
        lambda body, kind: _items(_chunks(_dedented(body), _flush), kind),
        lambda body: _result(_dedented(body)),
    )


def _write_google(docstring: Docstring) -> list[str]:
    written = []
    for kind, entries in _sections(docstring):
        title = "Args" if kind == "parameters" else _TITLES[kind]
        listed = kind in ("parameters", "raises")
        items = [_hanging(_item_lines(entry), "    ") if listed else _result_lines(entry) for entry in entries]
        written.append(f"{title}:\n" + indent("\n".join(items), "    "))
    return written


def _read_plain(lines: list[str]) -> Docstring | None:
    def inside(lines: list[str], place: int) -> bool:
        return not lines[place] or lines[place].startswith(("- ", "  "))

    def chunks(body: list[str]) -> list[list[str]] | None:
        groups = _chunks(body, lambda line: line.startswith("- "))
        return groups and [[group[0][2:], *group[1:]] for group in groups]

    def result(body: list[str]) -> Entry | None:
        groups = chunks(body)
        return _result(groups[0]) if groups and len(groups) == 1 else None

    parts = _split(lines, _colon_heading, inside)
    return _assemble(parts, lambda body, kind: _items(chunks(body), kind), result)


def _write_plain(docstring: Docstring) -> list[str]:
    written = []
    for kind, entries in _sections(docstring):
        listed = kind in ("parameters", "raises")
        items = ["- " + _hanging(_item_lines(each) if listed else _result_lines(each), "  ") for each in entries]
        written.append(f"{_TITLES[kind]}:\n" + "\n".join(items))
    return written


def _underlined(lines: list[str], place: int) -> bool:
    return place + 1 < len(lines) and bool(lines[place]) and re.fullmatch("-{3,}", lines[place + 1]) is not None


def _read_numpy(lines: list[str]) -> Docstring | None:
    def heading(lines: list[str], place: int) -> tuple[Kind, int] | None:
        kind = _KINDS.get(lines[place].lower()) if _underlined(lines, place) else None
        return (kind, 2) if kind else None

    def entries(body: list[str], kind: Kind) -> list[Entry] | None:
        found = []
        for chunk in _chunks(body, _flush) or ():
            match = _NUMPY_ITEM.fullmatch(chunk[0])
            if match is None or (kind == "raises" and match[2]):
                return None
            found.append(Entry(match[1], match[2] or "", _text(["", *chunk[1:]])))
        return found

    def result(body: list[str]) -> Entry | None:
        groups = _chunks(body, _flush)
        if groups and len(groups) == 1 and len(groups[0]) > 1 and any(groups[0][1:]):
            text = _text(["", *groups[0][1:]])
            return Entry(type=groups[0][0], text=text) if _TYPE_ONLY.fullmatch(groups[0][0]) else None
        return Entry(text=_text(body)) if groups and all(map(_flush, filter(None, body))) else None

    return _assemble(_split(lines, heading, lambda lines, place: not _underlined(lines, place)), entries, result)


def _write_numpy(docstring: Docstring) -> list[str]:
    written = []
    for kind, entries in _sections(docstring):
        items = []
        for entry in entries:
            head = f"{entry.name} : {entry.type}" if entry.name and entry.type else entry.name or entry.type
            items.append("\n".join(filter(None, [head, indent(entry.text, "    ") if head else entry.text])))
        written.append(f"{_TITLES[kind]}\n{'-' * len(_TITLES[kind])}\n" + "\n".join(items))
    return written


def _read_rest(lines: list[str]) -> Docstring | None:
    start = next((place for place, line in enumerate(lines) if line.startswith(":") and _FIELD.fullmatch(line)), None)
    if start is None:
        return None
    stop = next((place for place in range(start, len(lines)) if _flush(lines[place]) and lines[place][0] != ":"), None)
    fields = _chunks(lines[start:stop], _flush) or []
    epilogue = lines[stop:] if stop is not None else []
    if any(_FIELD.fullmatch(line) for line in epilogue):
        return None
    parameters: dict[str, Entry] = {}
    types: dict[str, str] = {}
    results: dict[str, str] = {}
    raises = []
    for chunk in fields:
        match = _FIELD.fullmatch(chunk[0])
        if match is None:
            return None
        kind, name, text = match[1], match[2], _text([match[3], *chunk[1:]])
        if (name is None) == (kind in ("param", "type", "raise", "raises")):
            return None
        if kind == "param":
            parameters[name] = Entry(name, "", text)
        elif kind == "type":
            types[name] = text
        elif kind in ("raise", "raises"):
            raises.append(Entry(name, "", text))
        elif results.setdefault(kind.rstrip("s"), text) != text:
            return None
    if not types.keys() <= parameters.keys():
        return None
    return Docstring(
        _verbatim(lines[:start]),
        tuple(Entry(name, types.get(name, ""), entry.text) for name, entry in parameters.items()),
        _rest_result(results, "return", "rtype"),
        _rest_result(results, "yield", "ytype"),
        tuple(raises),
        _verbatim(epilogue),
    )


def _rest_result(results: dict[str, str], text: str, kind: str) -> Entry | None:
    if text not in results and kind not in results:
        return None
    return Entry(type=results.get(kind, ""), text=results.get(text, ""))


def _write_rest(docstring: Docstring) -> list[str]:
    fields = []
    for entry in docstring.parameters:
        fields.append((f"param {entry.name}", entry.text))
        fields += [(f"type {entry.name}", entry.type)] if entry.type else []
    for result, text, kind in ((docstring.returns, "returns", "rtype"), (docstring.yields, "yields", "ytype")):
        if result:
            fields += [(text, result.text)] if result.text else []
            fields += [(kind, result.type)] if result.type else []
    fields += [(f"raises {entry.name}", entry.text) for entry in docstring.raises]
    return [_hanging(f":{name}:" + (f" {text}" if text else ""), "    ") for name, text in fields]


_READERS: dict[Style, Callable[[list[str]], Docstring | None]] = {
    "google": _read_google,
    "numpy": _read_numpy,
    "rest": _read_rest,
    "plain": _read_plain,
}
_WRITERS: dict[Style, Callable[[Docstring], list[str]]] = {
    "google": _write_google,
    "numpy": _write_numpy,
    "rest": _write_rest,
    "plain": _write_plain,
}
