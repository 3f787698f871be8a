"""Variations of layout that leave the syntax tree as it is: quotes, blank lines, indentation, line breaks, spaces.

All work on the token stream and are accepted only if the tree is equal afterwards (`same_tree`), so that a place that
was misjudged costs a variation and never a program. Texts with carriage returns or form feeds are left alone.
"""

import io
import keyword
import re
import tokenize
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from tokenize import TokenInfo

from better_ai.data.processing.equivalence import same_tree

Edit = tuple[int, int, str]
"""Start and stop in characters, and what stands there instead."""

_PLAIN_STRING = re.compile(r"""(?P<prefix>[rRbBuU]{0,2})(?P<quote>['"])(?P<body>[^'"\\\n{}]*)(?P=quote)""")
_BINARY = frozenset(["=", "->", ":=", "&", "|"]).union(*(
    [operator, f"{operator}="] for operator in ("+", "-", "*", "/", "//", "%", "=", "!", "<", ">")
)) - {"!"}  # fmt: skip
_LOOSE = _BINARY - {"=", ":=", "+", "-", "*", "/", "//", "%", "&", "|"}
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_SKIPPED = (tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
_LINE_LENGTH = 100


class _Offsets:
    """From (row, column) to a position in the text."""

    def __init__(self, text: str) -> None:
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def __call__(self, place: tuple[int, int]) -> int:
        row, column = place
        return self._starts[min(row - 1, len(self._starts) - 1)] + column


def change_quotes(text: str, random: Random) -> str | None:
    """One kind of quotes for all plain strings without quotes, backslashes or braces."""
    quote = random.choice("'\"")

    def edits(tokens: Sequence[TokenInfo], at: _Offsets) -> list[Edit]:
        found = []
        for token in tokens:
            match = _PLAIN_STRING.fullmatch(token.string) if token.type == tokenize.STRING else None
            if match and match["quote"] != quote:
                found.append((at(token.start), at(token.end), f"{match['prefix']}{quote}{match['body']}{quote}"))
        return found

    return _vary(text, edits)


def change_blank_lines(text: str, random: Random) -> str | None:
    """The same number of blank lines wherever there are some: none or one inside blocks, one or two at the top."""
    inside, outside = random.choice([(0, 1), (0, 2), (1, 1), (1, 2)])

    def edits(tokens: Sequence[TokenInfo], at: _Offsets) -> list[Edit]:
        found, depth, previous = [], 0, None
        for token in tokens:
            depth += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
            if token.type in (tokenize.INDENT, tokenize.DEDENT, tokenize.NL):
                continue
            if previous is not None and previous.type == tokenize.NEWLINE and token.type != tokenize.ENDMARKER:
                gap = token.start[0] - previous.end[0] - (previous.string != "")
                if gap > 0:
                    wanted = "\n" * (inside if token.start[1] else outside)
                    found.append((at((previous.start[0] + 1, 0)), at((token.start[0], 0)), wanted))
            previous = token
        return found

    return _vary(text, edits)


def change_indentation(text: str, random: Random) -> str | None:
    """Blocks indented by two, four or eight spaces or a tab; lines inside strings and brackets stay where they are."""
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    unit = random.choice([unit for unit in ("  ", "    ", "        ", "\t") if found is None or unit != found[1]])

    def edits(tokens: Sequence[TokenInfo], at: _Offsets) -> list[Edit]:
        changes: list[Edit] = []
        columns, fresh = [0], True
        for token in tokens:
            if token.type == tokenize.INDENT:
                columns.append(len(token.string))
            elif token.type == tokenize.DEDENT:
                columns.pop()
            elif token.type != tokenize.NL:
                if fresh and token.type != tokenize.ENDMARKER:
                    depth = sum(0 < column <= token.start[1] for column in columns)
                    changes.append((at((token.start[0], 0)), at(token.start), unit * depth))
                fresh = token.type == tokenize.NEWLINE or (fresh and token.type == tokenize.COMMENT)
        return changes

    return _vary(text, edits)


def wrap_lines(text: str, random: Random) -> str | None:
    """Brackets with commas in them get one line per element, or those that have several lines get one."""
    first, second = random.sample([_explode, _join], 2)
    return _vary(text, first) or _vary(text, second)


def change_spaces(text: str, random: Random) -> str | None:
    """No spaces around operators and behind commas, or one around comparisons and behind commas."""
    first, second = random.sample([_cramp, _loosen], 2)
    return _vary(text, first) or _vary(text, second)


def _explode(tokens: Sequence[TokenInfo], at: _Offsets) -> list[Edit]:
    found: list[Edit] = []
    for opening, closing, commas in _brackets(tokens):
        first, last = tokens[opening], tokens[closing]
        callee = opening > 0 and tokens[opening - 1].type == tokenize.NAME and not _is_keyword(tokens[opening - 1])
        if first.start[0] != last.end[0] or not commas or first.string != "(" or not callee:
            continue
        if found and found[-1][1] > at(first.start):  # inside brackets that are broken already
            continue
        indent = first.line[: len(first.line) - len(first.line.lstrip())]
        if first.line[: first.start[1]].count("#") or len(first.line) < _LINE_LENGTH // 2:
            continue
        inner = f"\n{indent}    " + ("    " if first.line.rstrip().endswith(":") else "")
        breaks = [opening, *commas]
        found += [(at(tokens[each].end), at(tokens[each + 1].start), inner) for each in breaks if each + 1 < closing]
        found.append((at(tokens[closing - 1].end), at(last.start), f"\n{indent}"))
    return found


def _join(tokens: Sequence[TokenInfo], at: _Offsets) -> list[Edit]:
    found: list[Edit] = []
    done = -1
    for opening, closing, _ in sorted(_brackets(tokens)):
        group = tokens[opening : closing + 1]
        if opening <= done or group[0].start[0] == group[-1].end[0]:
            continue
        if any(token.type == tokenize.COMMENT or "\n" in token.string.strip("\n") for token in group):
            continue
        words = [token for token in group if token.type != tokenize.NL]
        if group[0].start[1] + sum(len(token.string) + 1 for token in words) > _LINE_LENGTH:
            continue
        done = closing
        for before, after in pairwise(words):
            if before.end[0] != after.start[0]:
                close = before.string in _OPENING or after.string in _CLOSING
                found.append((at(before.end), at(after.start), "" if close else " "))
    return found


def _cramp(tokens: Sequence[TokenInfo], at: _Offsets) -> list[Edit]:
    found = []
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.type != tokenize.OP or token.string not in _BINARY | {","}:
            continue
        if token.string != "," and not _is_keyword(before) and before.end[0] == token.start[0]:
            found.append((at(before.end), at(token.start), ""))
        if after.type not in _SKIPPED and after.start[0] == token.end[0]:
            found.append((at(token.end), at(after.start), ""))
    return found


def _loosen(tokens: Sequence[TokenInfo], at: _Offsets) -> list[Edit]:
    found = []
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.type != tokenize.OP or after.type in _SKIPPED or after.start[0] != token.end[0]:
            continue
        if token.string in _LOOSE and before.end[0] == token.start[0]:
            found.append((at(before.end), at(token.start), " "))
        if token.string in _LOOSE or (token.string == "," and after.string not in _CLOSING):
            found.append((at(token.end), at(after.start), " "))
    return found


def _brackets(tokens: Sequence[TokenInfo]) -> list[tuple[int, int, list[int]]]:
    """Positions of the opening and the closing token of each pair and of the commas directly inside."""
    found: list[tuple[int, int, list[int]]] = []
    stack: list[tuple[int, list[int]]] = []
    for place, token in enumerate(tokens):
        if token.type != tokenize.OP:
            continue
        if token.string in _OPENING:
            stack.append((place, []))
        elif token.string in _CLOSING and stack:
            opening, commas = stack.pop()
            found.append((opening, place, commas))
        elif token.string == "," and stack:
            stack[-1][1].append(place)
    return sorted(found)


def _is_keyword(token: TokenInfo) -> bool:
    return token.type == tokenize.NAME and keyword.iskeyword(token.string)


def _vary(text: str, edits: Callable[[Sequence[TokenInfo], _Offsets], list[Edit]]) -> str | None:
    """The text after the edits, or None where they change nothing, or more than layout."""
    if re.search("[\r\f\v\x1c-\x1e\x85\u2028\u2029]", text):  # where str.splitlines and the tokenizer disagree
        return None
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return None
    written = _apply(text, [edit for edit in edits(tokens, _Offsets(text)) if text[edit[0] : edit[1]] != edit[2]])
    return written if written != text and same_tree(text, written) else None


def _apply(text: str, edits: Sequence[Edit]) -> str:
    pieces, done = [], 0
    for start, stop, new in sorted(edits):
        if start < done:
            continue
        pieces += [text[done:start], new]
        done = stop
    return "".join([*pieces, text[done:]])
