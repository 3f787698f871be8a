"""The comments at the top of a file: licence headers that occur in many documents.

Only whole comment lines at the very top are ever taken for a header, in languages whose comments are known. A first
line that the system or the compiler reads (`#!`, an encoding) stays, and so does every header with a line that looks
like a directive (`//go:build`, `# cython:`, `/* eslint-disable */`), so that no program changes its meaning.
"""

import re

_HASH = ("#",)
_SLASHES = ("//",)
_LINE_COMMENTS = {
    **dict.fromkeys(("python", "ruby", "shell", "perl", "r", "yaml", "toml", "makefile", "dockerfile", "cmake"), _HASH),
    **dict.fromkeys(("c", "c++", "c#", "go", "java", "javascript", "typescript", "kotlin", "rust", "scala"), _SLASHES),
    **dict.fromkeys(("swift", "dart", "cuda", "objective-c"), _SLASHES),
    **dict.fromkeys(("sql", "lua", "haskell"), ("--",)),
    "php": ("//", "#"),
}
_BLOCK_COMMENTS = {
    **dict.fromkeys(("c", "c++", "c#", "go", "java", "javascript", "typescript", "kotlin", "rust"), ("/*", "*/")),
    **dict.fromkeys(("swift", "dart", "cuda", "objective-c", "scala", "css", "sql", "php"), ("/*", "*/")),
    **dict.fromkeys(("html", "xml"), ("<!--", "-->")),
}
_KEPT_FIRST_LINE = re.compile(r"#!|<\?|.*coding[:=]|\ufeff")
_DIRECTIVE = re.compile(
    r"^\W*(go:|\+build|cython|distutils|frozen_string_literal|eslint|jshint|prettier|ts-|type:|mypy:|ruff:|pylint|flake8"
    r"|noqa|pragma|vim:|swift-tools-version|syntax=|escape=|lint|clang-format|use strict|sourceMappingURL)"
    r"|-\*-|coding[:=]|^\W*@\w"
)
_MAX_HEADER_LINES = 200


def split_header(text: str, language: str) -> tuple[str, str, str]:
    """First lines that stay, header, rest; together they are the text. The header may be empty."""
    lines = text.split("\n", _MAX_HEADER_LINES)
    kept = 0
    while kept < min(2, len(lines)) and _KEPT_FIRST_LINE.match(lines[kept][:200]):
        kept += 1
    stop = _header_end(lines, kept, language)
    if any(_DIRECTIVE.search(line[:200]) for line in lines[kept:stop]):
        stop = kept
    parts = "\n".join(lines[:kept]), "\n".join(lines[kept:stop]), "\n".join(lines[stop:])
    ends = "\n" if kept and kept < len(lines) else "", "\n" if stop > kept and stop < len(lines) else ""
    return parts[0] + ends[0], parts[1] + ends[1], parts[2]


def without_header(text: str, language: str) -> str:
    """The text less the comments at its top."""
    before, _, rest = split_header(text, language)
    return before + rest


def _header_end(lines: list[str], start: int, language: str) -> int:
    """The line after the first unbroken run of comment lines, or `start` when there is none."""
    markers, block = _LINE_COMMENTS.get(language, ()), _BLOCK_COMMENTS.get(language)
    number, limit = start, min(len(lines), _MAX_HEADER_LINES)
    while number < limit:
        line = lines[number].strip()
        if markers and line.startswith(markers):
            number += 1
        elif block and line.startswith(block[0]):
            end = _block_end(lines, number, limit, block)
            if end is None:
                break
            number = end
        else:
            break
    return number


def _block_end(lines: list[str], number: int, limit: int, block: tuple[str, str]) -> int | None:
    """The line after a block comment that nothing follows on its last line; None when it is otherwise."""
    line = lines[number].strip()[len(block[0]) :]
    while block[1] not in line:
        number += 1
        if number >= limit:
            return None
        line = lines[number]
    return number + 1 if line.split(block[1], 1)[1].strip() == "" else None
