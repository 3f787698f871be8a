"""Exports hold what the dataset holds, whole or not at all; exchanged shards come back as they were."""

from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loading_data import make_dataset

from better_ai.data.loading import TokenDataset, TokenShard
from better_ai.data.loading.exchange import (
    DOCUMENTS_PER_GROUP,
    read_hdf5,
    read_shard_parquet,
    write_hdf5,
    write_shard_parquet,
)
from better_ai.data.loading.shards import write_token_arrays
from better_ai.errors import ArtifactError

SHARDS = [[5, 0, 3], [1] * (DOCUMENTS_PER_GROUP + 7), [9]]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> TokenDataset:
    return make_dataset(tmp_path_factory.mktemp("dataset"), SHARDS)


def test_hdf5_holds_the_dataset(dataset: TokenDataset, tmp_path: Path) -> None:
    write_hdf5(dataset, tmp_path / "tokens.h5")
    read = read_hdf5(tmp_path / "tokens.h5")
    documents = list(dataset.documents())
    assert read.tokens.dtype == np.uint16 and read.tokens.tolist() == np.concatenate(documents).tolist()
    assert read.offsets.tolist() == np.cumsum([0, *map(len, documents)]).tolist()
    assert (read.content_id, read.tokenizer) == (dataset.content_id, "test")
    with h5py.File(tmp_path / "tokens.h5") as file:
        assert file["tokens"].chunks is None and file["tokens"].compression is None, "contiguous: windows stay cheap"
        assert file.attrs["num_bytes"] == dataset.num_bytes


def test_equal_datasets_give_equal_files(dataset: TokenDataset, tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_hdf5(dataset, tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_failed_export_leaves_nothing(dataset: TokenDataset, tmp_path: Path) -> None:
    broken = make_dataset(tmp_path / "broken", [[4], [4]])
    (tmp_path / "broken" / "001" / "tokens.bin").unlink()
    write_hdf5(dataset, tmp_path / "tokens.h5")
    before = (tmp_path / "tokens.h5").read_bytes()
    with pytest.raises(ArtifactError, match="001/tokens"):
        write_hdf5(broken, tmp_path / "tokens.h5")
    assert (tmp_path / "tokens.h5").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "tokens.h5"]


def test_what_is_no_export_is_refused(dataset: TokenDataset, tmp_path: Path) -> None:
    path = tmp_path / "tokens.h5"
    with pytest.raises(ArtifactError, match="missing"):
        read_hdf5(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(ArtifactError, match="no exported token file"):
        read_hdf5(path)
    with h5py.File(path, "w") as file:
        file["tokens"] = [1, 2]
    with pytest.raises(ArtifactError, match="its format is None"):
        read_hdf5(path)
    write_hdf5(dataset, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="no exported token file"):
        read_hdf5(path)


def test_an_hdf5_file_cannot_point_elsewhere_or_unfold_itself(dataset: TokenDataset, tmp_path: Path) -> None:
    path, secret = tmp_path / "tokens.h5", tmp_path / "secret.bin"
    secret.write_bytes(bytes(64))

    def linked(file: h5py.File) -> None:
        file["tokens"] = h5py.ExternalLink("other.h5", "/tokens")

    def external(file: h5py.File) -> None:
        file.create_dataset("tokens", (32,), "u2", external=[(str(secret), 0, 64)])

    def bomb(file: h5py.File) -> None:
        file.create_dataset("tokens", (2**40,), "u2", chunks=(1024,), compression="gzip")

    def group(file: h5py.File) -> None:
        file.create_group("tokens")

    write_hdf5(dataset, tmp_path / "other.h5")
    for change in (linked, external, bomb, group):
        write_hdf5(dataset, path)
        with h5py.File(path, "a") as file:
            del file["tokens"]
            change(file)
        with pytest.raises(ArtifactError, match="tokens is no contiguous dataset of this file"):
            read_hdf5(path)


def test_shards_come_back_from_parquet(dataset: TokenDataset, tmp_path: Path) -> None:
    for number in range(dataset.num_shards):
        shard, path = TokenShard.open(dataset.shard(number).folder), tmp_path / f"{number}.parquet"
        write_shard_parquet(shard, path)
        table = pq.read_table(path)
        assert table.schema.field("tokens").type.value_type == pa.uint16()
        assert table["tokens"].to_pylist() == [shard.document(document).tolist() for document in range(len(shard))]
        back = read_shard_parquet(path, tmp_path / f"back{number}")
        assert back.manifest == shard.manifest and back.tokens.tolist() == shard.tokens.tolist()
        TokenShard.open(back.folder)


def test_large_vocabularies_are_exchanged_as_uint32(tmp_path: Path) -> None:
    write_token_arrays([([70_000, 1], 5), ([2**32 - 1], 2)], tmp_path / "wide", dtype="uint32", tokenizer="test")
    shard = TokenShard.open(tmp_path / "wide")
    write_shard_parquet(shard, tmp_path / "wide.parquet")
    assert pq.read_table(tmp_path / "wide.parquet")["tokens"].to_pylist() == [[70_000, 1], [2**32 - 1]]
    assert read_shard_parquet(tmp_path / "wide.parquet", tmp_path / "back").manifest == shard.manifest


def test_a_parquet_file_that_was_changed_is_refused(dataset: TokenDataset, tmp_path: Path) -> None:
    path = tmp_path / "shard.parquet"
    write_shard_parquet(dataset.shard(0), path)
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 2), tmp_path / "fewer.parquet")
    pq.write_table(table.replace_schema_metadata(None), tmp_path / "bare.parquet")
    wide = table.cast(pa.schema([pa.field("tokens", pa.list_(pa.string()))])).replace_schema_metadata(
        table.schema.metadata
    )
    pq.write_table(wide, tmp_path / "text.parquet")
    pq.write_table(table.rename_columns(["ids"]), tmp_path / "renamed.parquet")
    (tmp_path / "cut.parquet").write_bytes(path.read_bytes()[:-9])
    for name in ("fewer", "bare", "text", "renamed", "cut", "missing"):
        with pytest.raises(ArtifactError, match=f"{name}.parquet is missing, damaged or no exported token file"):
            read_shard_parquet(tmp_path / f"{name}.parquet", tmp_path / "out")
        assert not (tmp_path / "out").exists()
