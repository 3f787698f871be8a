"""The comments at the top of a text: licence headers and the like.

Only whole comment lines at the very top are ever taken for a header, in languages whose comments are known, and only
when they are comments beyond doubt. A first line that the system, the compiler or an editor reads (`#!`, an encoding)
stays, and so does every header with a line that looks like a directive (`//go:build`, `# cython:`,
`/* eslint-disable */`), with a line that a backslash continues, or with a block comment within another.
"""

import re

from better_ai.data.languages import LANGUAGES

_COMMENTS = {language.name: (language.line_comments, language.block_comments) for language in LANGUAGES}
_FIRST_LINE = re.compile(r"#!|<[?%]|<!(?!--)|\ufeff|.*coding[:=]")
_DIRECTIVE = re.compile(
    r"^\W*(go:|\+build|cython|distutils|frozen_string_literal|eslint|jshint|jslint|prettier|ts-|type:|mypy:|ruff:|pylint"
    r"|flake8|isort:|noqa|pragma|vim:|swift-tools-version|syntax=|escape=|check=|clang-format|sourceMappingURL"
    r"|globals? |yaml-language-server|language |options_ghc)"
    r"|-\*-|coding[:=]|^\W*@\w|\{-#|<!--\[|\\\s*$",
    re.IGNORECASE,
)
_MAX_LINES, _MAX_LINE = 200, 1000


def split_header(text: str, language: str) -> tuple[str, str, str]:
    """First lines that stay, header, rest: together they are the text. The header may be empty."""
    lines = text.split("\n", _MAX_LINES)
    start = 0
    while start < min(2, len(lines) - 1) and _FIRST_LINE.match(lines[start][:_MAX_LINE]):
        start += 1
    stop = _header_end(lines[:_MAX_LINES], start, language)
    if stop >= len(lines) or any(_DIRECTIVE.search(line[:_MAX_LINE]) for line in lines[start:stop]):
        stop = start
    before = sum(len(line) + 1 for line in lines[:start])
    header = sum(len(line) + 1 for line in lines[start:stop])
    return text[:before], text[before : before + header], text[before + header :]


def without_header(text: str, language: str) -> str:
    """The text less the comments at its top."""
    before, _, rest = split_header(text, language)
    return before + rest


def _header_end(lines: list[str], number: int, language: str) -> int:
    """The line after the first unbroken run of comments."""
    markers, blocks = _COMMENTS.get(language, ((), ()))
    while number < len(lines):
        line = lines[number].strip()
        block = next((block for block in blocks if line.startswith(block[0])), None)
        if block:
            after = _block_end(lines, number, *block)
            if after is None:
                return number
            number = after
        elif markers and line.startswith(markers) and len(line) <= _MAX_LINE and not line.startswith("--["):
            number += 1
        else:
            return number
    return number


def _block_end(lines: list[str], number: int, opening: str, closing: str) -> int | None:
    """The line after a block comment, or None when it is not closed, or code or another block comes on its lines."""
    line = lines[number].strip()[len(opening) :]
    while closing not in line:
        number += 1
        if opening in line or number == len(lines):
            return None
        line = lines[number]
    inside, rest = line.split(closing, 1)
    return None if rest.strip() or opening in inside else number + 1
