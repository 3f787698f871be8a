"""Headers that many documents share are cut; no program changes its meaning."""

import ast
import sysconfig
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dedup_corpus import document, functions, names, write_shards
from hypothesis import given
from hypothesis import strategies as st

from better_ai.artifacts import read_json
from better_ai.config import DataConfig, FolderSource
from better_ai.config.data import DeduplicationConfig, LocalExecutorConfig
from better_ai.data import CORPUS_FILE, SPLITS, build_corpus, corpus_texts
from better_ai.data.deduplicate import strip_headers
from better_ai.data.deduplicate.headers import split_header, without_header
from better_ai.data.engine import Phases
from better_ai.data.schema import DOCUMENT_SCHEMA, DOCUMENTS_FILE, document_id
from better_ai.data.tables import read_batches

LICENCE = "# Copyright 2020 The Authors\n#\n# Do as you like.\n"


@pytest.mark.parametrize(
    ("language", "text", "header"),
    [
        ("python", LICENCE + "import os\n", LICENCE),
        ("python", "#!/usr/bin/python\n# -*- coding: utf-8 -*-\n" + LICENCE + "import os\n", LICENCE),
        ("python", LICENCE + "\n# about the code\nimport os\n", LICENCE),
        ("javascript", "/*\n * Licence\n */\nlet x = 1\n", "/*\n * Licence\n */\n"),
        ("c", "/* one */\n// two\n#include <a.h>\n", "/* one */\n// two\n"),
        ("html", "<!-- Licence\n -->\n<p>text</p>\n", "<!-- Licence\n -->\n"),
        ("php", "<?php\n// Licence\necho 1;\n", "// Licence\n"),
        ("lua", "-- Licence\nx = 1\n", "-- Licence\n"),
    ],
)
def test_headers(language: str, text: str, header: str) -> None:
    before, found, rest = split_header(text, language)
    assert (before + found + rest, found) == (text, header)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "import os\n# comment\n"),
        ("python", "# only a comment"),
        ("python", "# cython: language_level=3\nimport os\n"),
        ("python", "# mypy: ignore-errors\nimport os\n"),
        ("go", "//go:build linux\n\npackage main\n"),
        ("go", "// +build linux\n\npackage main\n"),
        ("ruby", "# frozen_string_literal: true\nputs 1\n"),
        ("javascript", "// @flow\nlet x = 1\n"),
        ("javascript", "/* eslint-disable */\nlet x = 1\n"),
        ("c", "// a comment \\\nthat goes on here\nint x;\n"),
        ("c", "/* a */ int x;\n"),
        ("c", "/* never closed\nint x;\n"),
        ("rust", "/* a /* b */\nstill a comment */\nfn main() {}\n"),
        ("haskell", "{-# LANGUAGE GADTs #-}\nmodule Main where\n"),
        ("lua", "--[==[ a long\ncomment ]==]\nx = 1\n"),
        ("dockerfile", "# syntax=docker/dockerfile:1\nFROM x\n"),
        ("text", "# a title\ntext\n"),
        ("unknown", "# what is it\n"),
    ],
)
def test_what_is_no_header(language: str, text: str) -> None:
    assert split_header(text, language)[1] == ""


@given(
    lines=st.lists(st.sampled_from(["#!x", "# a", "/* b", " */", "*/ x", "// c \\", "code", "", "#", "/**/"])),
    language=st.sampled_from(["python", "c", "rust", "html", "php", "unknown"]),
)
def test_the_parts_are_the_text(lines: list[str], language: str) -> None:
    text = "\n".join(lines)
    before, header, rest = split_header(text, language)
    assert before + header + rest == text
    assert not header or header.endswith("\n")
    assert without_header(text, language) == before + rest


def test_python_programs_are_the_same_without() -> None:
    """On the standard library, as the parser sees it."""
    changed = 0
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("[a-p]*.py")):
        text = path.read_text("utf-8")
        without = without_header(text, "python")
        changed += without != text
        assert ast.dump(ast.parse(without)) == ast.dump(ast.parse(text)), path
    assert changed > 5


def test_common_headers_are_cut_across_shards(tmp_path: Path) -> None:
    rare = LICENCE.replace("2020", "1999")
    texts = functions(12)
    rows = [
        *(document(LICENCE + text, f"common{n}") for n, text in enumerate(texts[:5])),
        *(document(LICENCE.replace("\n", "  \n") + "\n" + text, f"spaces{n}") for n, text in enumerate(texts[5:7])),
        *(document(rare + text, f"rare{n}") for n, text in enumerate(texts[7:9])),
        document(LICENCE, "nothing_else"),
        document(texts[9], "plain"),
        document(LICENCE + texts[10], "prose", language="text"),
    ]
    shards = write_shards(rows, tmp_path / "shards", 3)
    outs = []
    for name, partition_rows in (("a", 1_000_000), ("b", 2)):
        config = DeduplicationConfig(header_documents=7, partition_rows=partition_rows)
        results = strip_headers(shards, config, Phases(tmp_path / name), identities=names(shards))
        outs.append([(result.folder / DOCUMENTS_FILE).read_bytes() for result in results])
    assert outs[0] == outs[1]
    assert sum(result.counts["stripped"] for result in results) == 7
    found = [
        row for r in results for b in read_batches(r.folder / DOCUMENTS_FILE, DOCUMENT_SCHEMA) for row in b.to_pylist()
    ]
    for old, new in zip(rows, found, strict=True):
        cut = old["source"].startswith(("common", "spaces"))
        assert (new["content"] in texts) == (cut or old["source"] == "plain"), old["source"]
        assert new["id"] == document_id(new["content"].encode())
        assert {**new, "id": 0, "content": 0} == {**old, "id": 0, "content": 0}
    assert pq.read_schema(results[0].folder / DOCUMENTS_FILE).equals(DOCUMENT_SCHEMA)


def test_a_build_cuts_headers_before_it_looks_for_duplicates(tmp_path: Path) -> None:
    """Two short functions under one long licence are no copies of each other; the licence was read before it went."""
    sources = tmp_path / "sources"
    sources.mkdir()
    terms = "# SPDX-License-Identifier: MIT\n" + "".join(f"# Clause {n}: you may {n + 1}.\n" for n in range(60))
    texts = [
        f"def f_{number}(x):\n    return {number} * x + {number * number}, 'no. {number}'\n" for number in range(12)
    ]
    for number, text in enumerate(texts):
        (sources / f"{number:02d}.py").write_text(terms + text)
    odd = "# SPDX-License-Identifier: MIT\n# Nobody else opens like this.\n\nimport os\n\nprint(os.getcwd())\n"
    (sources / "odd.py").write_text(odd)
    (sources / "unlicensed.py").write_text(
        "import sys\n\n" + "sys.stdout.write('nobody says what may be done with me')\n" * 3
    )

    def build(name: str, **settings: int) -> tuple[set[str], int, dict[str, Any]]:
        config = DataConfig(
            sources=(FolderSource(path=str(sources), license="unknown"),),
            deduplicate=DeduplicationConfig(**settings),
            validation_fraction=0.3,
            executor=LocalExecutorConfig(workers=1),
        )
        stats = build_corpus(config, tmp_path / name, work=tmp_path / "work")
        record = read_json(tmp_path / name / CORPUS_FILE)
        assert record["stripped"] == stats.stripped
        return {text for split in SPLITS for text in corpus_texts(tmp_path / name, split)}, stats.stripped, record

    whole, none, _ = build("whole")
    assert none == 0 and len(whole) == 2 and whole > {odd}
    cut, stripped, record = build("cut", header_documents=10)
    assert stripped == 12 and cut == {odd, *texts}
    assert [count["rejected"] for count in record["steps"]] == [1, 0, 0, 0], "only what names no licence"
