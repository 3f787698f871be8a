"""Tokenised documents on disk: one stream of ids, an index of documents, and a manifest that guards both.

A shard is a folder: `tokens.bin` (little-endian uint16, or uint32 for vocabularies above 65,536), `index.bin`
(int64: where each document starts, then the total) and `shard.json`. Every document is `bos`, its ids, `eos`.
The files are memory-mapped, so a shard costs no memory until it is read.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from better_ai.artifacts import atomic_write, content_id, read_json, sha256_file, write_json
from better_ai.errors import ArtifactError, UserError
from better_ai.tokenizer import Tokenizer

TOKENS_FILE, INDEX_FILE, MANIFEST_FILE = "tokens.bin", "index.bin", "shard.json"


class ShardManifest(BaseModel):
    """What a shard holds and which tokenizer made it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["better-ai-token-shard"] = "better-ai-token-shard"
    format_version: Literal[1] = 1
    dtype: Literal["uint16", "uint32"]
    num_tokens: int
    num_documents: int
    num_bytes: int
    """UTF-8 bytes of the documents' text: what bits per byte are counted against."""
    tokenizer: str
    """Content id of the tokenizer."""
    tokens_sha256: str
    index_sha256: str

    @property
    def content_id(self) -> str:
        return content_id(self.model_dump())


@dataclass(frozen=True)
class TokenShard:
    """An open shard; `tokens` (num_tokens,) and `offsets` (num_documents + 1,) are memory-mapped and read-only."""

    folder: Path
    manifest: ShardManifest
    tokens: np.ndarray
    offsets: np.ndarray

    @classmethod
    def open(cls, folder: Path | str, *, tokenizer: Tokenizer | None = None, verify: bool = True) -> "TokenShard":
        """Open a shard; `verify=False` skips the re-hashing of its files, not the check of their sizes.

        Raises ArtifactError when a file is missing or damaged, or the ids are those of another tokenizer.
        """
        folder = Path(folder)
        manifest = _read_manifest(folder)
        if tokenizer is not None and tokenizer.content_id != manifest.tokenizer:
            raise ArtifactError(
                f"{folder} was written with the tokenizer {manifest.tokenizer[:12]}, not with "
                f"{tokenizer.content_id[:12]}; tokenise the documents again"
            )
        shard = cls(
            folder,
            manifest,
            map_array(folder / TOKENS_FILE, manifest.dtype, manifest.num_tokens),
            map_array(folder / INDEX_FILE, "int64", manifest.num_documents + 1),
        )
        if verify:
            shard.verify()
        return shard

    def verify(self) -> None:
        """Hash the files again. Raises ArtifactError naming the one that differs from the manifest."""
        for name, expected in (
            (TOKENS_FILE, self.manifest.tokens_sha256),
            (INDEX_FILE, self.manifest.index_sha256),
        ):
            if (found := sha256_file(self.folder / name)) != expected:
                raise _damaged(self.folder / name, f"its SHA-256 begins {found[:12]}, expected {expected[:12]}")

    def __len__(self) -> int:
        """Number of documents."""
        return self.manifest.num_documents

    def document(self, number: int) -> np.ndarray:
        """The ids of a document, `bos` and `eos` included."""
        return self.tokens[self.offsets[number] : self.offsets[number + 1]]


def write_token_shard(documents: Iterable[str], tokenizer: Tokenizer, out: Path | str) -> TokenShard:
    """Tokenise texts into the folder `out`; the manifest is written last and fits nothing but these files.

    Raises UserError when there are no documents, ArtifactError when `out` cannot be written.
    """
    dtype: Literal["uint16", "uint32"] = "uint16" if tokenizer.vocab_size <= 1 << 16 else "uint32"
    bos, eos = tokenizer.special["bos"], tokenizer.special["eos"]
    encoded = (([bos, *tokenizer.encode(text), eos], len(text.encode())) for text in documents)
    write_token_arrays(encoded, out, dtype=dtype, tokenizer=tokenizer.content_id)
    return TokenShard.open(out, tokenizer=tokenizer, verify=False)


def write_token_arrays(
    documents: Iterable[tuple[Sequence[int] | np.ndarray, int]],
    out: Path | str,
    *,
    dtype: Literal["uint16", "uint32"],
    tokenizer: str,
) -> ShardManifest:
    """Write documents given as (ids, UTF-8 bytes of their text) into the folder `out`, the manifest last.

    `tokenizer`: content id of the one the ids come from. Raises UserError when there are no documents, ArtifactError
    when `out` cannot be written.
    """
    out = Path(out)
    offsets, num_bytes = [0], 0
    with atomic_write(out / TOKENS_FILE) as temporary, temporary.open("wb") as file:
        tokens = _HashingWriter(file)
        for ids, text_bytes in documents:
            tokens.write(np.asarray(ids, np.dtype(dtype).newbyteorder("<")))
            offsets.append(offsets[-1] + len(ids))
            num_bytes += text_bytes
        if len(offsets) == 1:
            raise UserError(f"there are no documents to tokenise for {out}; check the data sources")
    with atomic_write(out / INDEX_FILE) as temporary, temporary.open("wb") as file:
        index = _HashingWriter(file)
        index.write(np.array(offsets, "<i8"))
    manifest = ShardManifest(
        dtype=dtype,
        num_tokens=offsets[-1],
        num_documents=len(offsets) - 1,
        num_bytes=num_bytes,
        tokenizer=tokenizer,
        tokens_sha256=tokens.sha256.hexdigest(),
        index_sha256=index.sha256.hexdigest(),
    )
    write_json(out / MANIFEST_FILE, manifest.model_dump())
    return manifest


class _HashingWriter:
    """Writes arrays and hashes what it writes."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, array: np.ndarray) -> None:
        data = array.tobytes()
        self.file.write(data)
        self.sha256.update(data)


def _read_manifest(folder: Path) -> ShardManifest:
    path = folder / MANIFEST_FILE
    try:
        return ShardManifest.model_validate(read_json(path))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise _damaged(path, f"{where}: {problem['msg']}") from None


def map_array(path: Path, dtype: str, count: int) -> np.ndarray:
    """A file of numbers, memory-mapped and read-only. Raises ArtifactError when it is missing or of another size.

    Arrow's mapping outlives its file descriptor (that of `mmap` holds one), so thousands of files may be open.
    """
    item = np.dtype(dtype).newbyteorder("<")
    try:
        size = path.stat().st_size
        if size != count * item.itemsize:
            raise _damaged(path, f"{size} bytes, expected {count * item.itemsize}")
        with pa.memory_map(str(path)) as file:
            return np.frombuffer(file.read_buffer(), item)
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from None


def _damaged(path: Path, how: str) -> ArtifactError:
    return ArtifactError(
        f"{path} is missing, damaged or no part of a token shard ({how}); tokenise the documents again"
    )
