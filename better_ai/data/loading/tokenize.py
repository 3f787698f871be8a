"""Shards of documents to a token dataset, in parallel: one token shard for each file, resumable."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.artifacts import sha256_file
from better_ai.data.engine import Phases
from better_ai.data.loading.dataset import TokenDataset, write_dataset
from better_ai.data.loading.shards import write_token_shard
from better_ai.errors import ArtifactError, UserError
from better_ai.tokenizer import Tokenizer, load

DOCUMENTS_PER_READ = 256
"""Rows of a Parquet file held at a time."""

VERSION = 1
"""Raised with every change of what a shard holds."""


def tokenize_files(
    files: Sequence[Path], tokenizer: Path | str, phases: Phases, *, sha256: Sequence[str] | None = None
) -> TokenDataset:
    """Tokenise Parquet files of documents into a dataset in `phases.root`, one token shard per file that has any.

    `tokenizer`: its folder. `sha256`: of each file, where they are known already. A shard that is there for a file of
    the same hash and the same tokenizer is used again. Raises UserError when there is no document, ArtifactError when
    a file is missing or damaged.
    """
    tokenizer, files = Path(tokenizer).absolute(), [Path(file).absolute() for file in files]
    identities = list(sha256) if sha256 is not None else [_sha256(file) for file in files]
    task = partial(_tokenize_file, tokenizer)
    key = {"tokenizer": load(tokenizer).content_id, "version": VERSION}
    results = phases.run("tokens", task, files, key=key, identities=identities)
    shards = [
        (result.folder, identity)
        for result, identity in zip(results, identities, strict=True)
        if result.counts["documents"]
    ]
    if not shards:
        raise UserError(f"there are no documents to tokenise in {len(files)} files; check the data sources")
    return write_dataset(phases.root, shards)


def _tokenize_file(tokenizer: Path, file: Path, folder: Path) -> Mapping[str, Any]:
    """In a worker: the token shard of one file of documents."""
    texts = _Contents(file)
    if not texts.num_documents:
        return {"documents": 0, "tokens": 0, "bytes": 0}
    manifest = write_token_shard(texts, _tokenizer(tokenizer), folder).manifest
    return {"documents": manifest.num_documents, "tokens": manifest.num_tokens, "bytes": manifest.num_bytes}


def _sha256(file: Path) -> str:
    try:
        return sha256_file(file)
    except OSError as error:
        raise ArtifactError(f"cannot read {file}: {error.strerror}; build the data again") from None


@lru_cache(maxsize=1)
def _tokenizer(folder: Path) -> Tokenizer:
    """Loaded once in each worker."""
    return load(folder)


@dataclass(frozen=True)
class _Contents:
    """The texts of a Parquet file of documents, a few at a time."""

    file: Path

    @property
    def num_documents(self) -> int:
        try:
            return pq.read_metadata(self.file).num_rows
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(error) from None

    def __iter__(self) -> Iterator[str]:
        try:
            with pq.ParquetFile(self.file) as parquet:
                for batch in parquet.iter_batches(DOCUMENTS_PER_READ, columns=["content"]):
                    yield from batch.column(0).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> ArtifactError:
        return ArtifactError(f"cannot read {self.file} ({str(error).splitlines()[0]}); build the data again")
