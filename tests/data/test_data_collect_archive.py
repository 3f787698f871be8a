"""Archives are read to their end or to where they are torn, within bounds, and never unpacked to disk."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data.sources import ArchiveSource
from better_ai.data.collectors import make_collector
from better_ai.data.schema import document_id
from better_ai.errors import UserError

MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software, subject to the "
    "following conditions: The above copyright notice and this permission notice shall be included in all copies.\n"
)
FILES = {
    "p/LICENSE": MIT.encode(),
    "p/a.py": b"x = 1\n",
    "p/vendor/b.py": b"x = 2\n",
    "p/large.py": b"x = 0\n" * 200,
    "p/blob.bin": b"\0\1",
    "../escape.py": b"x = 3\n",
    "/etc/escape.py": b"x = 4\n",
}


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, content) in enumerate(files.items()):
            method = (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)[number % 2]
            archive.writestr(zipfile.ZipInfo(name), content, method)
        link = zipfile.ZipInfo("p/link.py")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, {".gz": "w:gz", ".xz": "w:xz"}.get(path.suffix, "w")) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("p/link.py" if kind == tarfile.SYMTYPE else "p/pipe.py")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)


def collect(path: Path, **fields: object) -> tuple[dict[str, dict], dict[str, str]]:
    collector = make_collector(ArchiveSource.model_validate({"paths": (str(path),), "license": "detect", **fields}))
    documents, rejected = {}, {}
    (part,) = collector.parts()
    for stepped in collector.read(part, max_document_bytes=1000):
        for row in stepped.kept.to_pylist():
            metadata = json.loads(row["metadata"])
            documents[metadata["path"]] = {**row, "metadata": metadata}
        rejected |= {row["source"].removeprefix(f"{path}:"): row["reason"] for row in stepped.rejected.to_pylist()}
    return documents, rejected


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.xz"])
def test_every_member_is_a_document_or_a_reason(name: str, tmp_path: Path) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    (write_zip if name.endswith("zip") else write_tar)(path, FILES)
    before = sorted(tmp_path.rglob("*"))
    documents, rejected = collect(path)
    assert sorted(tmp_path.rglob("*")) == before
    assert set(documents) == {"p/LICENSE", "p/a.py"}
    assert documents["p/a.py"]["license"] == "MIT" and documents["p/a.py"]["source"] == f"{path}:p/a.py"
    assert documents["p/a.py"]["metadata"]["sha256"] == document_id(b"x = 1\n")
    reasons = {
        "p/vendor/b.py": "vendored: in a folder vendor",
        "p/large.py": "1200 bytes, more than 1000",
        "p/blob.bin": "binary: has a NUL byte",
        "../escape.py": "its name leads out of the archive",
        "/etc/escape.py": "its name leads out of the archive",
        "p/link.py": "a symbolic link, which is not followed" if name.endswith("zip") else "not a regular file",
    }
    assert rejected == reasons | ({} if name.endswith("zip") else {"p/pipe.py": "not a regular file"})
    assert set(collect(path, languages=("python",))[0]) == {"p/a.py"}


def test_a_torn_archive_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    files = {f"{number}.py": b"# %d\n" % number + bytes(range(32, 127)) * 9 for number in range(100)}
    write_tar(path, files)
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole, 0, mtime=0)[: len(whole) // 2])
    documents, rejected = collect(path, license="MIT", exclude=())
    assert 30 < len(documents) < 70
    assert "cannot be read beyond" in rejected[str(path)]
    (tmp_path / "none.zip").write_bytes(b"PK no archive")
    assert "cannot be read beyond its start" in collect(tmp_path / "none.zip")[1][str(tmp_path / "none.zip")]


def test_bombs_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    write_zip(bomb, {"a.py": b"x = 1\n", "b.py": b"0" * 50_000_000, "c.py": b"x = 2\n"})
    documents, rejected = collect(bomb, license="MIT")
    assert set(documents) == {"a.py", "c.py"} and rejected["b.py"] == "50000000 bytes, more than 1000"
    assert "unpacks to more than 1000000 bytes" in collect(bomb, license="MIT", max_bytes=1_000_000)[1][str(bomb)]
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 8_000_000_000
    long = tmp_path / "long.tar"
    long.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10_000)
    assert "a header of 8000000000 bytes" in collect(long)[1][str(long)]


def test_a_zip_that_lies_about_sizes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lie.zip"
    write_zip(path, {"a.py": b"x = 1\n" * 500, "b.py": b"x = 2\n"})
    content = path.read_bytes().replace((3000).to_bytes(4, "little"), (30).to_bytes(4, "little"))
    path.write_bytes(content)
    documents, rejected = collect(path, license="MIT")
    assert set(documents) == {"b.py"}
    assert "cannot be unpacked" in rejected["a.py"] or "size" in rejected["a.py"]


@given(st.binary(max_size=40), st.integers(0, 2000), st.sampled_from(["zip", "tar", "tar.gz", "tar.xz"]))
def test_damage_never_stops_a_build(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes, where: int, kind: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / f"x.{kind}"
    (write_zip if kind == "zip" else write_tar)(path, FILES)
    content = bytearray(path.read_bytes())
    content[where : where + len(damage)] = damage
    path.write_bytes(content)
    documents, _ = collect(path)
    assert all(row["id"] == document_id(row["content"].encode()) for row in documents.values())


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no archive"):
        collect(tmp_path / "none.zip")
    with pytest.raises(UserError, match="names no files"):
        make_collector(ArchiveSource(paths=())).parts()
