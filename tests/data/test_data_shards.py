"""A shard gives back its documents, and damaged or foreign ones are refused."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from better_ai.config import TokenizerConfig
from better_ai.data import ConcatenatedRows, TokenShard, write_token_shard
from better_ai.data.loading.shards import INDEX_FILE, MANIFEST_FILE, TOKENS_FILE
from better_ai.errors import ArtifactError, UserError
from better_ai.tokenizer import Tokenizer, train

TEXTS = ["def f():\n    return 1\n", "", "x = 'é▁\0'\n" * 50]


@pytest.fixture
def shard(tokenizer: Tokenizer, tmp_path: Path) -> TokenShard:
    return write_token_shard(iter(TEXTS), tokenizer, tmp_path / "shard")


def test_documents_come_back(shard: TokenShard, tokenizer: Tokenizer) -> None:
    again = TokenShard.open(shard.folder, tokenizer=tokenizer)
    assert len(again) == 3 and again.tokens.dtype == np.uint16
    for number, text in enumerate(TEXTS):
        ids = again.document(number)
        assert (ids[0], ids[-1]) == (tokenizer.special["bos"], tokenizer.special["eos"])
        assert tokenizer.decode(ids.tolist()) == text
    assert again.manifest.num_bytes == sum(len(text.encode()) for text in TEXTS)
    assert again.manifest.num_tokens == len(again.tokens) == again.offsets[-1]
    with pytest.raises(ValueError, match="read-only"):
        again.tokens[0] = 1


def test_equal_documents_give_equal_files(shard: TokenShard, tokenizer: Tokenizer, tmp_path: Path) -> None:
    other = write_token_shard(TEXTS, tokenizer, tmp_path / "other")
    assert other.manifest.content_id == shard.manifest.content_id
    for name in (TOKENS_FILE, INDEX_FILE, MANIFEST_FILE):
        assert (other.folder / name).read_bytes() == (shard.folder / name).read_bytes()


def test_rows_are_made_from_the_mapped_file(shard: TokenShard, tokenizer: Tokenizer) -> None:
    source = ConcatenatedRows(shard.tokens, shard.offsets, 16, tokenizer.special["pad"])
    rows = source.take(np.arange(len(source)))
    assert rows.tokens[rows.segment_ids != 0].tolist() == shard.tokens.tolist()
    assert rows.loss_mask.sum() == len(shard.tokens) - len(TEXTS)


@pytest.mark.parametrize("name", [TOKENS_FILE, INDEX_FILE])
def test_damage_is_found(shard: TokenShard, name: str) -> None:
    path = shard.folder / name
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    TokenShard.open(shard.folder, verify=False)
    with pytest.raises(ArtifactError, match=f"{name} is missing, damaged"):
        TokenShard.open(shard.folder)
    for broken in (good[:-1], good + b"\0", b""):
        path.write_bytes(broken)
        with pytest.raises(ArtifactError, match=name):
            TokenShard.open(shard.folder, verify=False)
    path.unlink()
    with pytest.raises(ArtifactError, match=name):
        TokenShard.open(shard.folder, verify=False)


def test_damaged_and_missing_manifests_are_refused(shard: TokenShard) -> None:
    path = shard.folder / MANIFEST_FILE
    values = json.loads(path.read_text())
    for broken in ("{", json.dumps({**values, "dtype": "int8"}), json.dumps({**values, "format": "x"}), "[]"):
        path.write_text(broken)
        with pytest.raises(ArtifactError, match=MANIFEST_FILE):
            TokenShard.open(shard.folder)
    path.unlink()
    with pytest.raises(ArtifactError, match=f"{MANIFEST_FILE} is missing"):
        TokenShard.open(shard.folder)


def test_ids_of_another_tokenizer_are_refused(shard: TokenShard, tmp_path: Path) -> None:
    other = train([inspect.getsource(inspect)], TokenizerConfig(vocab_size=600), tmp_path / "tokenizer")
    with pytest.raises(ArtifactError, match="tokenise the documents again"):
        TokenShard.open(shard.folder, tokenizer=other)


def test_a_failed_write_leaves_the_old_shard_whole(shard: TokenShard, tokenizer: Tokenizer) -> None:
    with pytest.raises(UserError, match="no documents"):
        write_token_shard([], tokenizer, shard.folder)
    with pytest.raises(UserError, match="surrogate"):
        write_token_shard(["fine", "\ud800"], tokenizer, shard.folder)
    assert TokenShard.open(shard.folder).manifest == shard.manifest


def test_a_write_cut_off_before_its_manifest_is_found_out(
    shard: TokenShard, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    newer = write_token_shard([*TEXTS, "y"], tokenizer, tmp_path / "newer")
    (shard.folder / TOKENS_FILE).write_bytes((newer.folder / TOKENS_FILE).read_bytes())
    with pytest.raises(ArtifactError, match=TOKENS_FILE):
        TokenShard.open(shard.folder)
