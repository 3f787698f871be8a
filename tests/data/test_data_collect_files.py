"""A folder's listing and its parts lose nothing, whatever the file system's order; bad files are rows and no more."""

import gzip
import json
import os
import pickle
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data.sources import FolderSource, StdlibSource
from better_ai.data.collectors import files as files_module
from better_ai.data.collectors import make_collector
from better_ai.data.collectors.evidence import find_licenses, nearest, tagged_license
from better_ai.data.collectors.files import (
    PART_BYTES,
    PART_FILES,
    Entry,
    list_files,
    pack_path,
    read_file,
    split_into_parts,
    unpack_path,
)
from better_ai.data.collectors.rows import Unreadable
from better_ai.data.collectors.selection import Selection
from better_ai.data.collectors.text import decode_text, gunzip
from better_ai.data.schema import document_id

MIT = (
    "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software and "
    "associated documentation files, to deal in the Software without restriction, subject to the following conditions: "
    "The above copyright notice and this permission notice shall be included in all copies.\n"
)
GPL = "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n\nEveryone is permitted to copy and distribute copies.\n"

entries = st.lists(st.integers(0, 2 * PART_BYTES), max_size=60).map(
    lambda sizes: [Entry(f"{number:04d}", size) for number, size in enumerate(sizes)]
)


def collect(config: object, max_document_bytes: int = 400_000) -> tuple[dict[str, dict], dict[str, str]]:
    """Documents by path with their metadata, and the reasons of what was rejected, by path."""
    collector = make_collector(config)  # type: ignore[arg-type]
    assert pickle.dumps(collector)
    documents, rejected = {}, {}
    for part in collector.parts():
        assert json.loads(json.dumps(part.payload)) == part.payload
        json.dumps(part.payload, ensure_ascii=False).encode()
        for stepped in collector.read(part, max_document_bytes=max_document_bytes):
            for row in stepped.kept.to_pylist():
                row["metadata"] = json.loads(row["metadata"])
                assert row["id"] == document_id(row["content"].encode())
                documents[row["metadata"]["path"]] = row
            for row in stepped.rejected.to_pylist():
                assert row["step"] == "collect"
                rejected[row["source"].split(":", 1)[1]] = row["reason"]
    return documents, rejected


@given(entries)
def test_parts_hold_every_file_once_in_order_and_are_bounded(listing: list[Entry]) -> None:
    parts = split_into_parts(listing)
    assert [path for part in parts for path in part.payload["files"]] == [entry.path for entry in listing]
    sizes = {entry.path: entry.num_bytes for entry in listing}
    for part in parts:
        paths = part.payload["files"]
        assert 1 <= len(paths) <= PART_FILES
        assert len(paths) == 1 or sum(sizes[path] for path in paths) <= PART_BYTES
    assert len({part.name for part in parts}) == len(parts)


def test_many_small_files_are_cut_by_number() -> None:
    parts = split_into_parts(Entry(f"{number:05d}", 0) for number in range(2 * PART_FILES + 1))
    assert [len(part.payload["files"]) for part in parts] == [PART_FILES, PART_FILES, 1]


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_any_file_name_travels_as_json(name: bytes) -> None:
    packed = pack_path(os.fsdecode(name))
    assert json.loads(json.dumps(packed, ensure_ascii=False).encode()) == packed
    assert os.fsencode(unpack_path(packed)) == name


@given(st.randoms(use_true_random=False))
def test_the_listing_does_not_depend_on_the_order_of_the_file_system(
    tmp_path_factory: pytest.TempPathFactory, shuffle: random.Random
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for path in ("b.py", "a/z.py", "a/b/c.py", "a.py", "c/x.py", "aa.py"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    plain = list_files(root, lambda path: True)
    walk = os.walk

    def disorderly(top: object, **options: object) -> object:
        for folder, folders, names in walk(top, **options):  # type: ignore[arg-type]
            shuffle.shuffle(folders)
            shuffle.shuffle(names)
            yield folder, folders, names

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files_module.os, "walk", disorderly)
        assert list_files(root, lambda path: True) == plain
    assert [entry.path for entry in plain.files] == ["a.py", "a/b/c.py", "a/z.py", "aa.py", "b.py", "c/x.py"]


def test_the_standard_library_collects_the_same_twice_and_in_any_order_of_parts() -> None:
    collector = make_collector(StdlibSource())
    parts = collector.parts()
    assert parts == collector.parts() and len(parts) >= 2
    assert {path for part in parts for path in part.payload["files"]} >= {"ast.py", "json/decoder.py"}
    last, first = (list(collector.read(part, max_document_bytes=400_000)) for part in (parts[-1], parts[0]))
    assert [s.kept for s in first] == [s.kept for s in collector.read(parts[0], max_document_bytes=400_000)]
    assert last[0].kept.num_rows > 0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    files: dict[str, bytes] = {
        "LICENSE": MIT.encode(),
        "good.py": b"x = 1\n",
        "tool": b"#!/usr/bin/env python3\nprint(1)\n",
        "run": b"#!/bin/sh\necho\n",
        "latin.py": "# -*- coding: latin-1 -*-\nname = 'caf\xe9'\n".encode("latin-1"),
        "latin_undeclared.py": b"name = 'caf\xe9'\n",
        "martian.py": b"# coding: martian\nx = 1\n",
        "rot.py": b"# coding: rot13\nx = 1\n",
        "wide.py": "x = 'ä'\n".encode("utf-16"),
        "nul.py": b"x = 1\0\n",
        "pointer.py": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
        "line.py": b"x = '" + b"a" * 5_000 + b"'\n",
        "made.py": b"# Code generated by a tool. DO NOT EDIT.\nx = 1\n",
        "thing_pb2.py": b"x = 1\n",
        "vendor/other.py": b"x = 1\n",
        "lib/_vendor/other.py": b"x = 1\n",
        "gpl/LICENSE.txt": GPL.encode(),
        "gpl/deep/strong.py": b"x = 1\n",
        "gpl/tagged.py": b"# SPDX-License-Identifier: Apache-2.0\nx = 1\n",
        "app.js": b"let x = 1;\n",
        "app.min.js": b"let x=1\n",
        "wide.js": b"let x = [" + b"1," * 2_000 + b"];\n",
        "package-lock.json": b"{}\n",
        "id_rsa": b"-----BEGIN\n",
        ".env": b"PASSWORD=x\n",
        ".env.example": b"PASSWORD=\n",
        "blob.bin": b"\x7fELF\0\0",
        "odd.xyz": b"words\n",
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "link.py").symlink_to(root / "good.py")
    (root / "loop.py").symlink_to(root / "loop.py")
    (root / "round").symlink_to(root)
    os.mkfifo(root / "pipe.py")
    with (root / "huge.py").open("wb") as file:
        file.truncate(200_000_000)
    return root


def test_python_by_default_and_reasons_for_the_rest(tree: Path) -> None:
    documents, rejected = collect(FolderSource(path=str(tree), license="MIT"))
    assert set(documents) == {"good.py", "tool", "latin.py", "wide.py", "gpl/deep/strong.py", "gpl/tagged.py"}
    assert documents["latin.py"]["content"] == "# -*- coding: latin-1 -*-\nname = 'café'\n"
    assert documents["latin.py"]["metadata"]["encoding"] == "iso-8859-1"
    assert documents["wide.py"]["content"] == "x = 'ä'\n"
    assert documents["good.py"]["metadata"] == {
        "origin": str(tree),
        "path": "good.py",
        "revision": None,
        "fetched_at": None,
        "license_evidence": "declared as MIT in the configuration",
        "sha256": document_id(b"x = 1\n"),
    }
    reasons = {
        "latin_undeclared.py": "not UTF-8 at byte 11",
        "martian.py": "unknown encoding: martian",
        "rot.py": "cannot be decoded as rot13",
        "nul.py": "NUL",
        "pointer.py": "LFS",
        "line.py": "minified: 2503 bytes a line",
        "made.py": "generated: says 'Code generated by'",
        "thing_pb2.py": "generated, by its name",
        "vendor/other.py": "vendored: in a folder vendor",
        "lib/_vendor/other.py": "vendored: in a folder _vendor",
        "link.py": "a symbolic link",
        "loop.py": "symbolic links",
        "pipe.py": "not a regular file",
        "huge.py": "200000000 bytes, more than 400000",
        "id_rsa": "keys or credentials",
        ".env": "keys or credentials",
    }
    assert set(rejected) == set(reasons)
    for path, words in reasons.items():
        assert words in rejected[path]


def test_with_all_languages_every_file_is_accounted_for_and_licences_are_found(tree: Path) -> None:
    documents, rejected = collect(FolderSource(path=str(tree), license="detect", languages=()))
    on_disk = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_symlink() or not path.is_dir()}
    assert set(documents) | set(rejected) == on_disk - {"round"}
    assert not set(documents) & set(rejected)
    assert documents["good.py"]["license"] == "MIT"
    assert documents["good.py"]["metadata"]["license_evidence"] == "LICENSE reads as MIT"
    assert documents["gpl/deep/strong.py"]["license"] == "GPL-3.0-only"
    assert documents["gpl/tagged.py"]["license"] == "Apache-2.0"
    assert documents["app.js"]["language"] == "javascript" and documents["run"]["language"] == "bash"
    for path in ("id_rsa", ".env"):
        assert rejected[path] == "a file of keys or credentials, by its name"
    assert rejected[".env.example"] == rejected["odd.xyz"] == "of no known language"
    assert rejected["package-lock.json"] == "generated: a lock file"
    assert "minified" in rejected["app.min.js"] and "minified" in rejected["wide.js"]


def test_nothing_is_excluded_but_what_cannot_be_text(tree: Path) -> None:
    documents, rejected = collect(FolderSource(path=str(tree), license="MIT", languages=("python",), exclude=()))
    assert {"made.py", "thing_pb2.py", "vendor/other.py", "line.py"} <= set(documents)
    assert {"nul.py", "pointer.py", "link.py"} <= set(rejected)


def test_a_file_that_changes_while_it_is_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "growing.py"
    path.write_text("x = 1\n")
    fstat = os.fstat

    def fstat_and_grow(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        with path.open("a") as file:
            file.write("y = 2\n")
        return status

    monkeypatch.setattr(files_module.os, "fstat", fstat_and_grow)
    with pytest.raises(Unreadable, match="changed while it was read"):
        read_file(path, 1000)


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")

    def refuse(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files_module.os, "open", refuse)
    assert collect(FolderSource(path=str(tmp_path)))[1] == {"a.py": "cannot be read: Permission denied"}


declarations = st.sampled_from([b"", b"# coding: ", b"<meta charset=", b"\xff\xfe", b"\xff\xfe\0\0", b"\xef\xbb\xbf"])
charsets = st.sampled_from(
    [b"", b"latin-1", b"utf-7", b"idna", b"undefined", b"hex", b"utf-16", b"cp1252", b"punycode"]
)


@given(st.tuples(declarations, charsets, st.binary(max_size=200)).map(b"".join))
def test_decoding_gives_text_or_a_reason(content: bytes) -> None:
    for language in ("python", "text", "html"):
        try:
            text, encoding = decode_text(content, language=language)
        except Unreadable as problem:
            assert problem.content == content
        else:
            assert content.decode(encoding).removeprefix("\ufeff") == text


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=3), st.integers(0, 60))
def test_gzip_members_unpack_within_the_bound_or_not_at_all(members: list[bytes], cut: int) -> None:
    packed = b"".join(gzip.compress(member, mtime=0) for member in members)
    whole = b"".join(members)
    if len(whole) <= 200 * len(packed):
        assert gunzip(packed, len(whole)) == whole
    if whole:
        with pytest.raises(Unreadable, match="unpacks to more than"):
            gunzip(packed, len(whole) - 1)
    if 0 < cut < len(packed):
        shorter = packed[:-cut]
        try:
            assert whole.startswith(gunzip(shorter, len(whole)))
        except Unreadable as problem:
            assert "gzip" in str(problem)


def test_a_bomb_and_a_torn_gzip_are_named() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(Unreadable, match="200 times its"):
        gunzip(bomb, 100_000_000)
    with pytest.raises(Unreadable, match="more than 1000"):
        gunzip(bomb, 1000)
    with pytest.raises(Unreadable, match="ends early"):
        gunzip(gzip.compress(random.Random(0).randbytes(5000))[:-9], 10_000)
    with pytest.raises(Unreadable, match="damaged"):
        gunzip(b"no gzip at all", 1000)


@pytest.mark.parametrize(
    ("files", "license"),
    [
        ({"LICENSE": MIT}, "MIT"),
        ({"LICENSE": "All rights reserved."}, "unknown"),
        ({"LICENSE-MIT": MIT, "COPYING": GPL}, "GPL-3.0-only AND MIT"),
        ({"LICENSES/MIT.txt": MIT}, "MIT"),
        ({"package.json": '{"license": "Apache-2.0 OR MIT"}', "LICENSE-MIT": MIT}, "Apache-2.0 OR MIT"),
        ({"package.json": '{"license": "MIT"}', "LICENSE": GPL}, "MIT AND GPL-3.0-only"),
        ({"Cargo.toml": '[package]\nlicense = "Apache-2.0 WITH LLVM-exception"\n'}, "Apache-2.0 WITH LLVM-exception"),
        ({"pyproject.toml": '[project]\nlicense = {text = "BSD 3-Clause License"}\n'}, "BSD-3-Clause"),
        ({"pyproject.toml": "[project\n", "package.json": "[1"}, "unknown"),
        ({"package.json": '{"license": ["x", {"type": "MIT"}]}'}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_the_licence_of_a_folder(files: dict[str, str], license: str) -> None:
    found = find_licenses((path, text.encode()) for path, text in files.items())
    assert nearest("src/a.py", found).license == license


@given(
    st.sampled_from(["package.json", "pyproject.toml", "Cargo.toml", "PKG-INFO", "LICENSE"]), st.binary(max_size=200)
)
def test_any_licence_file_has_a_verdict(name: str, content: bytes) -> None:
    assert isinstance(nearest("a.py", find_licenses([(name, content)])).license, str)


def test_tags_of_one_file_all_hold() -> None:
    tagged = tagged_license(b"/* SPDX-License-Identifier: MIT */\n// SPDX-License-Identifier: GPL-2.0-only\n")
    assert tagged is not None and tagged.license == "GPL-2.0-only AND MIT"
    assert tagged_license(b"x = 1\n") is None


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("a/vendor/b.go", True),
        ("a/vendoring/b.go", False),
        ("third-party/x.c", True),
        ("docs/external.md", False),
        ("Cargo.lock", True),
        ("lock.py", False),
        ("api.pb.go", True),
        ("key.py", False),
        ("server.pem", True),
        ("credentials.py", False),
        ("x.generated.ts", True),
        ("min.js", False),
    ],
)
def test_names_that_are_refused(path: str, refused: bool) -> None:
    selection = Selection(frozenset(), frozenset({"vendored", "generated", "minified", "secrets"}))
    assert (selection.refuse_path(path) is not None) == refused


@pytest.mark.parametrize(
    ("head", "generated"),
    [
        ("// Code generated by protoc-gen-go. DO NOT EDIT.\n", True),
        ("# @generated by a tool\n", True),
        ('"""Auto-generated file, do not edit by hand."""\n', True),
        ("# This is an auto-generated file. Please do not modify it by hand.\n", True),
        ("# This file was automatically generated from x.py\n", True),
        ("# Runs code generated by the compiler.\n", False),
        ("# Rules that do not modify the number of rows.\n", False),
        ("# Handles auto-generated names.\n", False),
    ],
)
def test_what_generated_files_say(head: str, generated: bool) -> None:
    selection = Selection(frozenset({"python"}), frozenset({"generated"}))
    if generated:
        with pytest.raises(Unreadable, match="generated: says"):
            selection.language("a.py", f"{head}x = 1\n".encode())
    else:
        assert selection.language("a.py", f"{head}x = 1\n".encode()) == "python"
