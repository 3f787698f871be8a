"""Licence expressions mean what SPDX says, and statements in texts are recognised however they are dressed."""

import contextlib
import importlib.metadata
import json
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from documents import document, run_step
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data import LicenseConfig
from better_ai.data.licenses import (
    ExpressionError,
    allows,
    detect_license,
    license_of_file,
    license_of_name,
    parse_expression,
)
from better_ai.data.step import document_batch
from better_ai.data.steps import license

MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal in
the Software without restriction. The above copyright notice and this permission
notice shall be included in all copies. THE SOFTWARE IS PROVIDED "AS IS"."""

BSD = """Redistribution and use in source and binary forms are permitted:
1. Redistributions of source code must retain the above copyright notice.
2. Redistributions in binary form must reproduce the above copyright notice."""

ISC = """Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee
is hereby granted"""

GPL = """This program is free software: you can redistribute it and/or modify it under the terms of the
GNU General Public License as published by the Free Software Foundation, either version 3 of the License, or
(at your option) any later version."""

NOTICE_GNU = "This library is distributed under the terms of the GNU {} General Public License"


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        (MIT, "MIT"),
        ("MIT License\n\nCopyright (c) 2020 A\n\n" + MIT, "MIT"),
        (MIT + " Except as contained in this notice, the name of A shall not be used.", "X11"),
        (MIT + " The Software shall be used for Good, not Evil.", "JSON"),
        (BSD, "BSD-2-Clause"),
        (BSD + "\n3. Names may not be used to endorse or promote products derived from this.", "BSD-3-Clause"),
        (BSD + "\n3. All advertising materials mentioning features must say so.", "BSD-4-Clause"),
        (ISC + ", provided that the above copyright notice and this permission notice appear.", "ISC"),
        (ISC + ".\n\nTHE SOFTWARE IS PROVIDED AS IS", "0BSD"),
        (
            'This software is provided "as-is", without warranty. In no event will the authors be held liable.\n'
            "2. Altered source versions must be plainly marked as such.",
            "Zlib",
        ),
        ("This is free and unencumbered software released into the public domain. For ...", "Unlicense"),
        ("DO WHAT THE FUCK YOU WANT TO PUBLIC LICENSE", "WTFPL"),
        ("Apache License\nVersion 2.0, January 2004\nhttp://www.apache.org/licenses/", "Apache-2.0"),
        ('Licensed under the Apache License, Version 2.0 (the "License");', "Apache-2.0"),
        ("CC0 1.0 Universal\nStatement of Purpose", "CC0-1.0"),
        ("Boost Software License - Version 1.0 - August 17th, 2003", "BSL-1.0"),
        ("PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2\n1. This LICENSE AGREEMENT", "PSF-2.0"),
        ("This Source Code Form is subject to the terms of the Mozilla Public\nLicense, v. 2.0.", "MPL-2.0"),
        ("made available under the terms of the Eclipse Public License v1.0", "EPL-1.0"),
        ("The Artistic License 2.0\n\nCopyright (c) 2000-2006", "Artistic-2.0"),
        ("licensed under the CDDL", "CDDL-1.0"),
        ("the SIL Open Font License, Version 1.1.", "OFL-1.1"),
        (GPL, "GPL-3.0-or-later"),
        ("GNU GENERAL PUBLIC LICENSE\nVersion 2, June 1991\n\nCopyright (C) 1989", "GPL-2.0-only"),
        (NOTICE_GNU.format("Lesser") + ", version 2.1 only.", "LGPL-2.1-only"),
        (NOTICE_GNU.format("Library") + " version 2 or later.", "LGPL-2.0-or-later"),
        (NOTICE_GNU.format("Affero") + " v3.", "AGPL-3.0-only"),
        ("Business Source License 1.1", "BUSL-1.1"),
        ("Server Side Public License\nVERSION 1", "SSPL-1.0"),
        ("Copyright ACME. Proprietary and confidential.", "LicenseRef-proprietary"),
        ("Licensed under CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
        ("Dual licensed under the MIT or GPL Version 2 licenses.", "MIT OR GPL-2.0-only"),
        ("Licensed under the Apache License, Version 2.0 or the MIT license, at your option.", "Apache-2.0 OR MIT"),
        ("You can choose between two licenses: 1) GNU GPL v2 2) PSF license for Python", "GPL-2.0-only OR PSF-2.0"),
        ("The MIT license is GPL-compatible; so are all licenses compatible with the GPL.", "unknown"),
        ("This is not licensed under the GPL.", "unknown"),
        ("All rights reserved.", "unknown"),
        ("A licence to kill; permission is a matter of taste.", "unknown"),
        ("", "unknown"),
    ],
)
def test_texts_and_notices(text: str, spdx: str) -> None:
    found = detect_license(text)
    assert found.spdx == spdx
    assert found.evidence


@pytest.mark.parametrize(
    ("name", "spdx"),
    [
        ("MIT", "MIT"),
        ("The MIT License (MIT)", "MIT"),
        ("License :: OSI Approved :: MIT License", "MIT"),
        ("Apache 2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("Apache Software License", "Apache-2.0"),
        ("BSD 3-Clause", "BSD-3-Clause"),
        ("Simplified BSD", "BSD-2-Clause"),
        ("ISC License (ISCL)", "ISC"),
        ("Python Software Foundation License", "PSF-2.0"),
        ("GPLv3+", "GPL-3.0-or-later"),
        ("GNU General Public License v2 (GPLv2)", "GPL-2.0-only"),
        ("GNU Lesser General Public License v2 or later (LGPLv2+)", "LGPL-2.0-or-later"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
        ("MIT or Apache-2.0", "MIT OR Apache-2.0"),
        ("MIT and GPLv2", "MIT AND GPL-2.0-only"),
        ("Other/Proprietary License", "LicenseRef-proprietary"),
        ("Free for all", "unknown"),
        ("", "unknown"),
    ],
)
def test_names_in_metadata(name: str, spdx: str) -> None:
    assert license_of_name(name).spdx == spdx


def test_licence_files_agree_with_the_metadata_of_installed_packages() -> None:
    """An oracle other people wrote. Files may bundle the licences of vendored code beside the package's own."""
    compared, missed = 0, []
    for distribution in importlib.metadata.distributions():
        declared = distribution.metadata.get("License-Expression") or ""
        files = [file for file in distribution.files or [] if _is_license_file(str(file))]
        if declared not in SIMPLE or len(files) != 1:
            continue
        compared += 1
        found = detect_license(Path(str(files[0].locate())).read_text(errors="replace")).spdx.split(" AND ")
        if declared not in found:
            missed.append((distribution.name, declared, found))
    assert compared >= 20
    assert len(missed) / compared <= 0.05, missed


SIMPLE = {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0", "LGPL-2.1-only", "Zlib"}


def _is_license_file(path: str) -> bool:
    return ".dist-info" in path and Path(path).stem.upper() in ("LICENSE", "LICENCE", "COPYING")


GPL_IN_DISGUISE = {
    "hash comment": "".join(f"# {line}\n" for line in GPL.splitlines()) + "x = 1\n",
    "star comment": "/*\n" + "".join(f" * {line}\n" for line in GPL.splitlines()) + " */\nint x;\n",
    "narrow lines": "".join(f"-- {word}\n" for word in GPL.split()),
    "upper case": f'"""{GPL.upper()}"""\n',
    "end of file": "x = 1\n" * 5000 + f"# {GPL}\n".replace("\n", "\n# "),
    "middle of a bundle": "var a = 1;\n" * 2000 + f"/*! {GPL} */" + "var b = 1;\n" * 2000,
    "markup": "<p>" + GPL.replace("General", "<b>General</b>").replace("\n", "<br/>\n") + "</p>",
    "SPDX tag": "// SPDX-License-Identifier: GPL-2.0-only\nint x;\n",
    "old SPDX tag": "# SPDX-License-Identifier: GPL-2.0+\n",
    "SPDX with an exception": "/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */\n",
    "SPDX and": "# SPDX-License-Identifier: MIT AND LGPL-2.1-or-later\n",
    "SPDX in lower case": "# spdx-license-identifier: agpl-3.0\n",
    "SPDX in a string": "X = 'SPDX-License-Identifier: GPL-3.0-only'\n",
    "SPDX malformed": "# SPDX-License-Identifier: GPL v2 (see COPYING)\n",
    "SPDX unheard of": "# SPDX-License-Identifier: Acme-Internal\n",
    "second SPDX tag": "# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: GPL-3.0-only\n",
    "MIT tag, GPL notice": f"# SPDX-License-Identifier: MIT\n# {GPL}\n",
    "dunder": "__license__ = 'GPL v3'\n",
    "field": ":license: GNU GPL, see LICENSE for more details.\n",
    "at sign": "/**\n * @license GPL-2.0\n */\n",
    "kernel module": 'MODULE_LICENSE("GPL");\n',
    "package.json": '{"name": "a", "license": "GPL-3.0"}\n',
    "pom.xml": "<license><name>GNU Lesser General Public License</name></license>\n",
    "pyproject": 'license = {text = "AGPL-3.0-or-later"}\n',
    "classifier": '"License :: OSI Approved :: GNU Affero General Public License v3",\n',
    "released": "# Released under the GNU LGPL.\n",
    "french": "# Ce programme est sous licence GPL.\n",
    "german": "# Dieses Programm steht unter der GNU GPL.\n",
    "wide letters": "# Licensed under the ＧＰＬ v2\n",
    "soft hyphens": "# Licensed under the G\u00adPL v2\n",
    "zero width": "# distributed under the GNU Gen\u200beral Public License\n",
    "dots": "# Licence: G.P.L.\n",
    "no version": "# See the GNU General Public License for more details.\n",
}


@pytest.mark.parametrize("disguise", GPL_IN_DISGUISE)
def test_no_copyleft_comes_through_the_gate(disguise: str) -> None:
    assert _kept(("MIT", GPL_IN_DISGUISE[disguise])) == []


@pytest.mark.parametrize(
    "declared",
    ["unknown", "", "GPL-3.0-only", "AGPL-3.0", "LGPL-2.1-or-later", "NOASSERTION", "LicenseRef-x", "MIT AND GPL-2.0",
     "GPL-2.0-only WITH Classpath-exception-2.0", "MIT OR", "(MIT", "see LICENSE", "MIT,GPL", "MITx"],
)  # fmt: skip
def test_no_declared_copyleft_or_unknown_comes_through(declared: str) -> None:
    assert _kept((declared, "x = 1\n")) == []


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("MIT", "x = 1\n"),
        ("mit", "x = 1\n"),
        ("MIT OR GPL-3.0-only", "x = 1\n"),
        ("(MIT AND BSD-3-Clause) OR GPL-2.0-only", "x = 1\n"),
        ("Apache-2.0 WITH LLVM-exception", "x = 1\n"),
        ("Apache-2.0+", "x = 1\n"),
        ("unknown", f"# {MIT}\nx = 1\n".replace("\n", "\n# ")),
        ("GPL-3.0-only", "# SPDX-License-Identifier: MIT\n"),
        ("MIT", "# This licence is GPL-compatible, and not under the GPL.\n"),
        ("MIT", "def parse_license(text):\n    return text.strip()\n"),
    ],
)
def test_what_is_allowed_stays(declared: str, text: str) -> None:
    assert _kept((declared, text)) == [text]


def test_a_permissive_notice_far_below_is_not_the_files_own() -> None:
    below = "x = 1\n" * 5000 + "# Licensed under the MIT License\n"
    assert license_of_file(below).spdx == "unknown"
    assert detect_license(below).spdx == "MIT"
    assert _kept(("GPL-3.0-only", below)) == []


def test_what_a_file_states_is_recorded() -> None:
    stated = run_step(license(LicenseConfig()), _rows(("PSF-2.0", "# SPDX-License-Identifier: MIT\n"))).kept
    assert stated.column("license").to_pylist() == ["MIT"]
    assert json.loads(stated.column("metadata")[0].as_py()) == {
        "declared_license": "PSF-2.0",
        "license_evidence": "SPDX tag 'MIT'",
    }
    silent = _rows(("PSF-2.0", "x = 1\n"))
    assert run_step(license(LicenseConfig()), silent).kept.equals(silent)


def test_the_reason_names_licence_and_evidence() -> None:
    stepped = run_step(license(LicenseConfig()), _rows(("MIT", GPL_IN_DISGUISE["released"]), ("unknown", "x")))
    assert stepped.rejected.column("reason").to_pylist() == [
        "licence LGPL-2.0-or-later is not allowed: says 'under the gnu lgpl'",
        "licence unknown is not allowed",
    ]


_IDS = st.sampled_from(["MIT", "Apache-2.0", "GPL-2.0-only", "LGPL-2.1-or-later", "BSD-3-Clause", "Zlib", "MPL-2.0"])
_EXPRESSIONS = st.recursive(
    _IDS | st.just("GPL-2.0-only WITH Classpath-exception-2.0"),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda it: f"({it[0]} {it[1]} {it[2]})"),
    max_leaves=8,
)


@given(text=_EXPRESSIONS, allowed=st.sets(_IDS))
def test_expressions_mean_what_the_library_of_others_says(text: str, allowed: set[str]) -> None:
    oracle = _oracle().parse(text)
    truth = oracle.subs(
        {symbol: oracle.TRUE if _base(symbol) in allowed else oracle.FALSE for symbol in oracle.symbols}
    )
    ours = allows(parse_expression(text), {name.lower() for name in allowed})
    assert ours == (truth.simplify() == oracle.TRUE)
    assert parse_expression(str(parse_expression(text))) == parse_expression(text)


@cache
def _oracle() -> Any:
    return pytest.importorskip("license_expression").get_spdx_licensing()


def _base(symbol: object) -> str:
    return str(symbol).split(" ")[0]


@given(text=st.text() | st.text(st.sampled_from("()MIT ANDORWITH+-.")))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert str(parse_expression(text))


@pytest.mark.parametrize("text", ["(" * 1900, "(" * 900 + "MIT" + ")" * 900, "MIT OR " * 200 + "MIT", "x" * 3000])
def test_expressions_are_bounded(text: str) -> None:
    try:
        parse_expression(text)
    except ExpressionError as error:
        assert len(str(error)) < 200


_PIECES = st.sampled_from(
    [
        "GNU ",
        "General Public License",
        "licensed under ",
        "MIT ",
        " or ",
        "SPDX-License-Identifier: ",
        "version 2",
        "\n",
        "# ",
    ]
)


@given(text=st.lists(_PIECES | st.text(max_size=8), max_size=60).map("".join))
def test_any_text_has_a_verdict_that_parses(text: str) -> None:
    for verdict in (detect_license(text), license_of_file(text), license_of_name(text[:100])):
        parse_expression(verdict.spdx)


def test_nasty_texts_end_soon() -> None:
    for piece in ("license ", "licensed under the ", "gpl or ", "<a", "SPDX-License-Identifier: (", "warrant", "a "):
        parse_expression(license_of_file(piece * (200_000 // len(piece))).spdx)
    parse_expression(license_of_file("# SPDX-" + "x" * 1_000_000).spdx)


def _rows(*documents: tuple[str, str]) -> pa.RecordBatch:
    return document_batch([document(text, license=declared) for declared, text in documents])


def _kept(*documents: tuple[str, str]) -> list[str]:
    return run_step(license(LicenseConfig()), _rows(*documents)).kept.column("content").to_pylist()
