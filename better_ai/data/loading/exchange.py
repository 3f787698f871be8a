"""Token datasets for other programs: HDF5 for those that want arrays, Parquet for those that want tables.

HDF5 is an export: two contiguous datasets, `tokens` and `offsets` (where each document starts, then the total). Chunked
and compressed storage, its usual dress, makes random windows 40 to 70 times dearer. Parquet is for exchange in both
directions: one file per shard with one list of ids per document, and what a shard's manifest says in the file's
metadata, so that the shard that is read back is the one that was written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from better_ai.artifacts import atomic_folder, atomic_write
from better_ai.data.loading.dataset import TokenDataset
from better_ai.data.loading.shards import ShardManifest, TokenShard, write_token_arrays
from better_ai.errors import ArtifactError
from better_ai.extras import import_extra

HDF5_FORMAT = "better-ai-tokens-1"
PARQUET_KEY = b"better-ai-token-shard"
DOCUMENTS_PER_GROUP = 1000


@dataclass(frozen=True)
class Hdf5Tokens:
    """A whole dataset read from HDF5."""

    tokens: np.ndarray
    offsets: np.ndarray
    content_id: str
    tokenizer: str


def write_hdf5(dataset: TokenDataset, path: Path | str) -> None:
    """Export a dataset, shard by shard; the same dataset gives the same bytes.

    Needs the extra `data`. Raises ArtifactError when the file cannot be written.
    """
    h5py = import_extra("h5py", "data")
    with atomic_write(path) as temporary, h5py.File(temporary, "w", libver="v110") as file:
        # Times would make equal exports differ.
        options: dict[str, Any] = {"track_times": False}
        tokens = file.create_dataset("tokens", (dataset.num_tokens,), np.dtype(dataset.dtype), **options)
        offsets = file.create_dataset("offsets", (dataset.num_documents + 1,), np.dtype("int64"), **options)
        token = document = 0
        for number in range(dataset.num_shards):
            shard = dataset.shard(number)
            tokens[token : token + len(shard.tokens)] = shard.tokens
            offsets[document : document + len(shard) + 1] = shard.offsets + token
            token, document = token + len(shard.tokens), document + len(shard)
        file.attrs["format"] = HDF5_FORMAT
        file.attrs["content_id"] = dataset.content_id
        file.attrs["tokenizer"] = dataset.tokenizer
        file.attrs["num_bytes"] = dataset.num_bytes


def read_hdf5(path: Path | str) -> Hdf5Tokens:
    """Read an export into memory. Needs the extra `data`. Raises ArtifactError when it is damaged or something else."""
    h5py = import_extra("h5py", "data")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != HDF5_FORMAT:
                raise _unreadable(Path(path), f"its format is {file.attrs.get('format')!r}, expected {HDF5_FORMAT!r}")
            tokens, offsets = (_contiguous(h5py, file, name) for name in ("tokens", "offsets"))
            return Hdf5Tokens(tokens, offsets, str(file.attrs["content_id"]), str(file.attrs["tokenizer"]))
    except (OSError, KeyError, RuntimeError) as error:
        raise _unreadable(Path(path), str(error).splitlines()[0]) from None


def _contiguous(h5py: Any, file: Any, name: str) -> np.ndarray:
    """A dataset that lies in this very file, as it was written: no link, no other file, nothing to be unfolded."""
    data = file[name]
    stored = isinstance(file.get(name, getlink=True), h5py.HardLink) and isinstance(data, h5py.Dataset)
    if not stored or data.is_virtual or data.external or data.id.get_storage_size() != data.size * data.dtype.itemsize:
        raise KeyError(f"{name} is no contiguous dataset of this file")
    return data[:]


def write_shard_parquet(shard: TokenShard, path: Path | str) -> None:
    """One row per document, `tokens: list<uint16>` or `list<uint32>`; the shard's manifest is in the metadata."""
    ids = pa.uint16() if shard.manifest.dtype == "uint16" else pa.uint32()
    schema = pa.schema([pa.field("tokens", pa.list_(pa.field("element", ids, nullable=False)), nullable=False)])
    schema = schema.with_metadata({PARQUET_KEY: shard.manifest.model_dump_json().encode()})
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for start in range(0, len(shard), DOCUMENTS_PER_GROUP):
            offsets = shard.offsets[start : start + DOCUMENTS_PER_GROUP + 1]
            values = pa.array(shard.tokens[offsets[0] : offsets[-1]], ids)
            lists = pa.ListArray.from_arrays(
                pa.array((offsets - offsets[0]).astype(np.int32)), values, type=schema.field(0).type
            )
            writer.write_batch(pa.RecordBatch.from_arrays([lists], schema=schema))


def read_shard_parquet(path: Path | str, out: Path | str) -> TokenShard:
    """Write the shard that a Parquet file carries into the new folder `out`.

    Raises ArtifactError when the file is damaged, no exchanged shard, or its ids are not those that were written.
    """
    path = Path(path)
    try:
        with pq.ParquetFile(path) as file, atomic_folder(out) as building:
            manifest = ShardManifest.model_validate_json((file.schema_arrow.metadata or {}).get(PARQUET_KEY, b""))
            documents = _documents(file, manifest)
            written = write_token_arrays(documents, building, dtype=manifest.dtype, tokenizer=manifest.tokenizer)
            if written.content_id != manifest.content_id:
                raise _unreadable(path, "its tokens are not those its metadata describes")
    except (OSError, KeyError, pa.ArrowException, ValidationError) as error:
        raise _unreadable(path, str(error).splitlines()[0]) from None
    return TokenShard.open(out, verify=False)


def _documents(file: pq.ParquetFile, manifest: ShardManifest) -> Iterator[tuple[np.ndarray, int]]:
    """Ids of each document; the bytes of all texts are known together only, and counted with the first."""
    num_bytes = manifest.num_bytes
    for batch in file.iter_batches(DOCUMENTS_PER_GROUP, columns=["tokens"]):
        lists = batch.column(0)
        values, offsets = lists.values.to_numpy(), lists.offsets.to_numpy()
        for start, stop in pairwise(offsets):
            yield values[start:stop], num_bytes
            num_bytes = 0


def _unreadable(path: Path, how: str) -> ArtifactError:
    return ArtifactError(f"{path} is missing, damaged or no exported token file ({how}); export it again")
