"""A file's language follows from its name, its `#!` line, and its content where names are shared."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.data.languages import BY_NAME, LANGUAGES, UNKNOWN, language_of


@pytest.mark.parametrize(
    ("path", "head", "language"),
    [
        ("src/a.py", b"", "python"),
        ("A.PY", b"", "python"),
        ("lib/x.h", b"int f(void);\n", "c"),
        ("lib/x.h", b"#include <string>\nnamespace a {\n", "c++"),
        ("lib/x.h", b"#import <Foundation/Foundation.h>\n", "objective-c"),
        ("x.m", b"function y = f(x)\n", "matlab"),
        ("x.m", b"@implementation A\n", "objective-c"),
        ("x.ts", b'<?xml version="1.0"?>\n<TS>', "xml"),
        ("x.ts", b"export const a = 1\n", "typescript"),
        ("bin/run", b"#!/usr/bin/env -S python3.11 -u\n", "python"),
        ("bin/run", b"#! /bin/sh -e\n", "bash"),
        ("bin/run", b"#!/usr/bin/env LANG=C perl5.36\n", "perl"),
        ("bin/run", b"#!/opt/strange\n", UNKNOWN),
        ("Makefile", b"", "makefile"),
        ("Dockerfile.dev", b"", "dockerfile"),
        ("LICENSE-MIT", b"", "text"),
        ("a/CMakeLists.txt", b"", "cmake"),
        ("ls.1", b'.\\" A page\n.TH LS 1\n', "roff"),
        ("libz.so.1", b"\x7fELF\x02\x01", UNKNOWN),
        ("configure.ac", b"AC_INIT\n", UNKNOWN),
        (".gitignore", b"*.o\n", UNKNOWN),
        ("", b"", UNKNOWN),
    ],
)
def test_known_files(path: str, head: bytes, language: str) -> None:
    assert language_of(path, head) == language


def test_nothing_in_the_table_is_claimed_twice() -> None:
    for claims in ("extensions", "file_names", "interpreters"):
        claimed = list(chain.from_iterable(getattr(language, claims) for language in LANGUAGES))
        assert len(claimed) == len(set(claimed))
        assert all(name == name.lower() for name in claimed)


@given(path=st.text(), head=st.binary())
def test_any_name_and_content_has_an_answer(path: str, head: bytes) -> None:
    assert language_of(path, head) in {*BY_NAME, UNKNOWN}
