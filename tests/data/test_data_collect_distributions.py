"""Installed distributions: what RECORD lists, under the licence that their own metadata names."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from better_ai.config.data.sources import DistributionsSource
from better_ai.data.collectors import distributions, make_collector
from better_ai.errors import UserError

MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software, subject to the "
    "following conditions: The above copyright notice and this permission notice shall be included in all copies.\n"
)
GPL = "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n"

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts distributions into a folder that is the only one for them."""
    monkeypatch.setattr(distributions.site, "getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.setattr(distributions.site, "ENABLE_USER_SITE", False)

    def install(name: str, files: dict[str, str], headers: str = "", license: str = "", editable: bool = False) -> None:
        about = f"{name.replace('-', '_')}-1.5.dist-info"
        files = {**files, f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n{headers}\n"}
        if license:
            files[f"{about}/LICENSE"] = license
        if editable:
            files[f"{about}/direct_url.json"] = json.dumps({"url": "file:///x", "dir_info": {"editable": True}})
        record = []
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")
            record.append(f"{path},sha256={digest},{len(content)}")
        record += ["../../../bin/tool.py,,", "/etc/passwd.py,,", "pkg/__pycache__/a.cpython-311.py,,"]
        (tmp_path / about / "RECORD").write_text("\n".join([*record, f"{about}/RECORD,,"]))

    return install


def collect(**fields: object) -> tuple[dict[str, dict], dict[str, str]]:
    collector = make_collector(DistributionsSource.model_validate(fields))
    documents, rejected = {}, {}
    for part in collector.parts():
        assert json.loads(json.dumps(part.payload)) == part.payload
        for stepped in collector.read(part, max_document_bytes=1000):
            documents |= {row["source"]: row | json.loads(row["metadata"]) for row in stepped.kept.to_pylist()}
            rejected |= {row["source"]: row["reason"] for row in stepped.rejected.to_pylist()}
    return documents, rejected


def test_copies_on_the_path_of_a_process_are_not_installed(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("one", {"one.py": "x = 1\n"})
    copies = tmp_path / "one" / "thirdparty_files"
    (copies / "two-1.0.dist-info").mkdir(parents=True)
    (copies / "two-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: two\nVersion: 1.0\n")
    (copies / "two-1.0.dist-info" / "RECORD").write_text("two.py,,4\n")
    (copies / "two.py").write_text("x = 2\n")
    monkeypatch.syspath_prepend(str(copies))
    assert collect()[0].keys() == {"pypi/one:one.py"}


def test_files_of_the_record_and_nothing_else(install: Install, tmp_path: Path) -> None:
    files = {
        "pkg/a.py": "x = 1\n",
        "pkg/b.pyi": "x: int\n",
        "pkg/c.pyx": "cdef int x\n",
        "pkg/d.h": "int f(void);\n",
        "pkg/e.cpp": "int main() {}\n",
        "pkg/f.txt": "no code\n",
        "pkg/_vendor/g.py": "x = 1\n",
    }
    install("Some_Package", files, "License-Expression: MIT\n")
    (tmp_path / "pkg" / "stray.py").write_text("x = 1\n")
    documents, rejected = collect()
    assert {source.removeprefix("pypi/some-package:pkg/"): row["language"] for source, row in documents.items()} == {
        "a.py": "python", "b.pyi": "python", "c.pyx": "cython", "d.h": "c", "e.cpp": "c++"}  # fmt: skip
    assert rejected == {"pypi/some-package:pkg/_vendor/g.py": "vendored: in a folder _vendor"}
    row = documents["pypi/some-package:pkg/a.py"]
    assert (row["revision"], row["origin"], row["fetched_at"]) == ("1.5", "pypi/some-package", None)
    assert row["license"] == "MIT" and row["license_evidence"] == "License-Expression declares MIT"


@pytest.mark.parametrize(
    ("headers", "text", "license"),
    [
        ("License-Expression: Apache-2.0 OR BSD-2-Clause\n", "", "Apache-2.0 OR BSD-2-Clause"),
        ("License: MIT\n", "", "MIT"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: BSD License\n", "", "BSD-3-Clause"),
        ("Classifier: License :: OSI Approved :: Apache Software License\n", MIT, "Apache-2.0 AND MIT"),
        ("License: MIT\n", GPL, "MIT AND GPL-3.0-only"),
        ("License: Custom\n", "", "unknown"),
        ("Classifier: License :: Other/Proprietary License\n", "", "LicenseRef-proprietary"),
        ("", MIT, "MIT"),
        ("", GPL, "GPL-3.0-only"),
        ("", "", "unknown"),
    ],
)
def test_the_licence_of_a_distribution(headers: str, text: str, license: str, install: Install) -> None:
    install("pkg", {"pkg/a.py": "x = 1\n"}, headers, text)
    documents, _ = collect()
    (row,) = documents.values()
    assert row["license"] == license
    assert row["license_evidence"]


def test_a_licence_file_in_a_folder_holds_there(install: Install) -> None:
    files = {"pkg/a.py": "x = 1\n", "pkg/strong/LICENSE": GPL, "pkg/strong/b.py": "x = 2\n"}
    install("pkg", files, "License-Expression: MIT\n")
    documents, _ = collect()
    assert {source: row["license"] for source, row in documents.items()} == {
        "pypi/pkg:pkg/a.py": "MIT", "pypi/pkg:pkg/strong/b.py": "GPL-3.0-only"}  # fmt: skip


def test_which_distributions(install: Install) -> None:
    for name in ("one", "two", "better_ai"):
        install(name, {f"{name}/a.py": "x = 1\n"}, "License: MIT\n")
    install("three", {"three/a.py": "x = 1\n"}, "License: MIT\n", editable=True)
    assert set(collect()[0]) == {"pypi/one:one/a.py", "pypi/two:two/a.py"}
    assert set(collect(names=("Two",))[0]) == {"pypi/two:two/a.py"}
    with pytest.raises(UserError, match="not installed: nothing, three"):
        collect(names=("one", "nothing", "three"))


def test_what_is_recorded_but_gone_is_a_row(install: Install, tmp_path: Path) -> None:
    install("pkg", {"pkg/a.py": "x = 1\n", "pkg/b.py": "y = 1\n"}, "License: MIT\n")
    (tmp_path / "pkg" / "a.py").unlink()
    documents, rejected = collect()
    assert set(documents) == {"pypi/pkg:pkg/b.py"}
    assert rejected == {"pypi/pkg:pkg/a.py": "cannot be read: No such file or directory"}


def test_the_real_ones_have_licences() -> None:
    documents, _ = collect(names=("numpy", "pydantic"), languages=("python",))
    licenses = {row["origin"]: row["license"] for row in documents.values()}
    assert "BSD-3-Clause" in licenses["pypi/numpy"] and licenses["pypi/pydantic"] == "MIT"
