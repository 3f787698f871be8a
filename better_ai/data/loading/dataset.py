"""A token dataset: many token shards that read as one.

Its folder holds `dataset.json` and, below it, the shards' folders. The manifest repeats of every shard what is needed
to plan an epoch, so ten thousand shards open at the cost of one file; a shard itself is mapped when it is first read.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from better_ai.artifacts import content_id, read_json, write_json
from better_ai.data.loading.packing import Cut, PackedRows, cut, lay_out
from better_ai.data.loading.shards import INDEX_FILE, TOKENS_FILE, ShardManifest, TokenShard, map_array
from better_ai.errors import ArtifactError, UserError
from better_ai.tokenizer import Tokenizer

DATASET_FILE = "dataset.json"

OPEN_SHARDS = 16_384
"""Shards mapped at a time, two mappings each; Linux allows a process 65,530."""


class ShardRecord(BaseModel):
    """A shard of a dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    folder: str
    """Relative to the dataset's folder, and below it."""
    documents_sha256: str | None = None
    """SHA-256 of the file of documents it was made from, where it was made from one."""
    shard: ShardManifest

    @field_validator("folder")
    @classmethod
    def _stay_below(cls, folder: str) -> str:
        if Path(folder).is_absolute() or ".." in Path(folder).parts:
            raise ValueError(f"{folder!r} does not lie below the dataset's folder")
        return folder


class DatasetManifest(BaseModel):
    """The shards of a dataset, in their order."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["better-ai-token-dataset"] = "better-ai-token-dataset"
    format_version: Literal[1] = 1
    shards: tuple[ShardRecord, ...]

    @property
    def content_id(self) -> str:
        """Digest of the shards' contents and order; not of where they lie."""
        return content_id([record.shard.content_id for record in self.shards])


class TokenDataset:
    """An open dataset. Documents and tokens are numbered through all its shards."""

    def __init__(self, folder: Path | str, manifest: DatasetManifest, *, verify: bool = False) -> None:
        """Raises ArtifactError when there is no shard, or shards of several tokenizers or types."""
        self.folder, self.manifest, self.verify_on_use = Path(folder), manifest, verify
        kinds = {(record.shard.tokenizer, record.shard.dtype) for record in manifest.shards}
        if len(kinds) != 1:
            raise ArtifactError(
                f"{self.folder} has shards of {len(kinds)} tokenizers or token types; a dataset needs exactly one; "
                "tokenise the documents again"
            )
        (self.tokenizer, self.dtype), *_ = kinds
        self.content_id = manifest.content_id
        self.shard_tokens = np.array([record.shard.num_tokens for record in manifest.shards], np.int64)
        self.shard_documents = np.array([record.shard.num_documents for record in manifest.shards], np.int64)
        self.num_tokens, self.num_documents = int(self.shard_tokens.sum()), int(self.shard_documents.sum())
        self.num_bytes = sum(record.shard.num_bytes for record in manifest.shards)
        self._first_documents = np.concatenate([[0], np.cumsum(self.shard_documents)])
        self.shard = lru_cache(maxsize=OPEN_SHARDS)(self._open_shard)
        """Number of a shard -> the shard, opened when it is first asked for."""

    @classmethod
    def open(cls, folder: Path | str, *, tokenizer: Tokenizer | None = None, verify: bool = False) -> "TokenDataset":
        """Open the dataset in `folder`; with `verify`, each shard is hashed before it is first read.

        Without it only the sizes of a shard's files are checked then. Raises ArtifactError when the manifest is
        missing or damaged, or the ids are those of another tokenizer; the same error names a damaged shard on use.
        """
        path = Path(folder) / DATASET_FILE
        try:
            manifest = DatasetManifest.model_validate(read_json(path))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            how = f"{where}: {problem['msg']}"
            raise ArtifactError(f"{path} is damaged ({how}); tokenise the documents again") from None
        dataset = cls(folder, manifest, verify=verify)
        if tokenizer is not None and tokenizer.content_id != dataset.tokenizer:
            raise ArtifactError(
                f"{folder} was written with the tokenizer {dataset.tokenizer[:12]}, not with "
                f"{tokenizer.content_id[:12]}; tokenise the documents again"
            )
        return dataset

    @property
    def num_shards(self) -> int:
        return len(self.manifest.shards)

    def document(self, number: int) -> np.ndarray:
        """The ids of a document, `bos` and `eos` included; mapped, not copied."""
        shard, local = self._locate(np.array([number]))
        return self.shard(int(shard[0])).document(int(local[0]))

    def documents(self) -> Iterator[np.ndarray]:
        """All documents in order."""
        for number in range(self.num_shards):
            shard = self.shard(number)
            yield from (shard.document(document) for document in range(len(shard)))

    def spans(self, documents: np.ndarray) -> np.ndarray:
        """(shard, first token, end) of each document, tokens counted within the shard; shape (documents, 3)."""
        shards, local = self._locate(documents)
        spans = np.empty((len(documents), 3), np.int64)
        spans[:, 0] = shards
        order = np.argsort(shards, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(shards[order])) + 1):
            if len(group):
                offsets, places = self.shard(int(shards[group[0]])).offsets, local[group]
                spans[group, 1], spans[group, 2] = offsets[places], offsets[places + 1]
        return spans

    def verify(self) -> None:
        """Hash every shard again. Raises ArtifactError naming the file that differs from the manifest."""
        for number in range(self.num_shards):
            self.shard(number).verify()

    def _locate(self, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(documents) and not 0 <= documents.min() <= documents.max() < self.num_documents:
            raise UserError(f"{self.folder} has documents 0 to {self.num_documents - 1}; asked for {documents.max()}")
        shards = np.searchsorted(self._first_documents, documents, side="right") - 1
        return shards, documents - self._first_documents[shards]

    def _open_shard(self, number: int) -> TokenShard:
        record = self.manifest.shards[number]
        folder = self.folder / record.folder
        shard = TokenShard(
            folder,
            record.shard,
            map_array(folder / TOKENS_FILE, record.shard.dtype, record.shard.num_tokens),
            map_array(folder / INDEX_FILE, "int64", record.shard.num_documents + 1),
        )
        if self.verify_on_use:
            shard.verify()
        return shard


def write_dataset(folder: Path | str, shards: Iterable[tuple[Path, str | None]]) -> TokenDataset:
    """Make one dataset of finished shards below `folder`: each its folder and the SHA-256 of its documents, if any.

    Raises ArtifactError when a shard is damaged or they do not belong together, UserError when one lies elsewhere.
    """
    folder = Path(folder)
    records = []
    for path, documents_sha256 in shards:
        if not path.is_relative_to(folder):
            raise UserError(f"the shard {path} does not lie below the dataset's folder {folder}; write it there")
        manifest = TokenShard.open(path, verify=False).manifest
        relative = path.relative_to(folder).as_posix()
        records.append(ShardRecord(folder=relative, documents_sha256=documents_sha256, shard=manifest))
    dataset = TokenDataset(folder, DatasetManifest(shards=tuple(records)))
    write_json(folder / DATASET_FILE, dataset.manifest.model_dump())
    return dataset


class DatasetRows:
    """Rows of T tokens of a dataset, made when taken.

    As in `ConcatenatedRows`, documents follow one another and no token is lost; a row stays within its shard, so the
    last row of every shard is padded (half a row per shard on average).
    """

    def __init__(self, dataset: TokenDataset, seq_len: int, pad_id: int) -> None:
        self.dataset, self.seq_len, self.pad_id = dataset, seq_len, pad_id
        self._first_rows = np.concatenate([[0], np.cumsum(-(-dataset.shard_tokens // seq_len))])
        self.content_id = content_id({"dataset": dataset.content_id, "seq_len": seq_len, "pad_id": pad_id})

    def __len__(self) -> int:
        return int(self._first_rows[-1])

    def take(self, rows: np.ndarray) -> PackedRows:
        """Make some of the rows, in the order asked for."""
        shards = np.searchsorted(self._first_rows, rows, side="right") - 1
        places = (rows - self._first_rows[shards]) * self.seq_len
        cuts = [self._cut(int(shard), int(first)) for shard, first in zip(shards, places, strict=True)]
        return lay_out(cuts, self.seq_len, self.pad_id)

    def _cut(self, number: int, first: int) -> Cut:
        shard = self.dataset.shard(number)
        return cut(shard.tokens, shard.offsets, first, self.seq_len)
