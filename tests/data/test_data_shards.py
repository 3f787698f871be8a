"""A shard gives back its documents, and damaged or foreign ones are refused."""

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loading_data import PAD, assert_equal_rows, make_dataset

from better_ai.artifacts import sha256_file
from better_ai.config import TokenizerConfig
from better_ai.data import ConcatenatedRows, TokenShard, write_token_shard
from better_ai.data.engine import InlineExecutor, LocalExecutor, Phases
from better_ai.data.loading import DatasetRows, TokenDataset, tokenize_files, write_dataset
from better_ai.data.loading.dataset import DATASET_FILE
from better_ai.data.loading.shards import INDEX_FILE, MANIFEST_FILE, TOKENS_FILE
from better_ai.data.schema import DOCUMENT_SCHEMA, document_id
from better_ai.data.step import document_batch
from better_ai.data.tables import write_parquet
from better_ai.errors import ArtifactError, UserError
from better_ai.tokenizer import Tokenizer, load, train

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


def documents_file(path: Path, texts: Sequence[str]) -> Path:
    rows = [
        {
            "id": document_id(text.encode()), "content": text, "language": "python", "source": f"test:{number}",
            "license": "MIT", "quality_score": None, "metadata": "{}",
        }
        for number, text in enumerate(texts)
    ]  # fmt: skip
    write_parquet([document_batch(rows)], DOCUMENT_SCHEMA, path)
    return path


CORPUS = [["a = 1\n", "b = 'é'\n" * 400], [], [f"x{number} = {number}\n" for number in range(700)], TEXTS]


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer_on_disk")
    train([inspect.getsource(inspect)], TokenizerConfig(vocab_size=600), folder)
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> list[Path]:
    return [documents_file(tmp_path / f"{number}.parquet", texts) for number, texts in enumerate(CORPUS)]


def test_files_of_documents_become_one_dataset(corpus: list[Path], tokenizer_folder: Path, tmp_path: Path) -> None:
    dataset = tokenize_files(corpus, tokenizer_folder, Phases(tmp_path / "tokens"))
    tokenizer = load(tokenizer_folder)
    again = TokenDataset.open(tmp_path / "tokens", tokenizer=tokenizer, verify=True)
    texts = [text for file in CORPUS for text in file]
    assert [tokenizer.decode(ids.tolist()) for ids in again.documents()] == texts
    assert [tokenizer.decode(again.document(number).tolist()) for number in range(len(texts))] == texts
    assert again.num_shards == 3, "a file without documents has no shard"
    assert (again.num_documents, again.num_bytes) == (len(texts), sum(len(text.encode()) for text in texts))
    assert again.content_id == dataset.content_id
    sources = [record.documents_sha256 for record in again.manifest.shards]
    assert sources == [sha256_file(corpus[number]) for number in (0, 2, 3)]


class Interrupted(InlineExecutor):
    """Dies after its first task."""

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        if items:
            yield 0, function(items[0])
            raise KeyboardInterrupt


def test_an_interrupted_tokenisation_goes_on_to_the_same_bytes(
    corpus: list[Path], tokenizer_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        tokenize_files(corpus, tokenizer_folder, Phases(tmp_path / "tokens", Interrupted()))
    assert not (tmp_path / "tokens" / DATASET_FILE).exists()
    first = next((tmp_path / "tokens").rglob(TOKENS_FILE))
    written_at = first.stat().st_mtime_ns
    dataset = tokenize_files(corpus, tokenizer_folder, Phases(tmp_path / "tokens"))
    assert first.stat().st_mtime_ns == written_at, "what was finished is used again"
    undisturbed = tokenize_files(corpus, tokenizer_folder, Phases(tmp_path / "undisturbed"))
    assert dataset.manifest == undisturbed.manifest and dataset.content_id == undisturbed.content_id
    for record in dataset.manifest.shards:
        for name in (TOKENS_FILE, INDEX_FILE, MANIFEST_FILE):
            ours = (tmp_path / "tokens" / record.folder / name).read_bytes()
            assert ours == (tmp_path / "undisturbed" / record.folder / name).read_bytes()


def test_workers_write_the_same_shards(corpus: list[Path], tokenizer_folder: Path, tmp_path: Path) -> None:
    alone = tokenize_files(corpus, tokenizer_folder, Phases(tmp_path / "alone"))
    with LocalExecutor(2) as executor:
        together = tokenize_files(corpus, tokenizer_folder, Phases(tmp_path / "together", executor))
    assert together.manifest == alone.manifest
    together.verify()


def test_a_changed_file_is_the_only_one_tokenised_again(
    corpus: list[Path], tokenizer_folder: Path, tmp_path: Path
) -> None:
    before = tokenize_files(corpus, tokenizer_folder, Phases(tmp_path / "tokens"))
    documents_file(corpus[0], ["a = 2\n"])
    work: list[int] = []
    phases = Phases(tmp_path / "tokens", on_progress=lambda name, done, total, counts: work.append(done))
    after = tokenize_files(corpus, tokenizer_folder, phases)
    assert work[0] == len(corpus) - 1
    assert after.content_id != before.content_id and after.manifest.shards[1:] == before.manifest.shards[1:]


def test_unusable_corpora_are_refused(corpus: list[Path], tokenizer_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no documents to tokenise in 1 files"):
        tokenize_files(corpus[1:2], tokenizer_folder, Phases(tmp_path / "empty"))
    with pytest.raises(ArtifactError, match=r"cannot read .*missing"):
        tokenize_files([tmp_path / "missing"], tokenizer_folder, Phases(tmp_path / "missing_file"))
    corpus[0].write_bytes(corpus[0].read_bytes()[:-7])
    with pytest.raises(ArtifactError, match=r"cannot read .*0\.parquet"):
        tokenize_files(corpus, tokenizer_folder, Phases(tmp_path / "damaged"))


def test_rows_of_one_shard_are_those_of_its_tokens_and_rows_of_many_those_of_each(tmp_path: Path) -> None:
    lengths = [[5, 0, 1, 30, 2], [8], [1, 1, 1], [16, 16]]
    dataset = make_dataset(tmp_path, lengths)
    rows = DatasetRows(dataset, 8, PAD)
    whole = rows.take(np.arange(len(rows)))
    first = 0
    for number in range(dataset.num_shards):
        shard = dataset.shard(number)
        alone = ConcatenatedRows(shard.tokens, shard.offsets, 8, PAD)
        numbers = np.arange(first, first + len(alone))
        assert_equal_rows(whole.take(numbers), alone.take(np.arange(len(alone))))
        first += len(alone)
    assert first == len(rows)
    assert_equal_rows(rows.take(np.array([7, 2, 7])), whole.take(np.array([7, 2, 7])))


def test_spans_name_the_tokens_of_each_document(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, [[5, 3], [1, 7, 2], [4]])
    numbers = np.array([4, 0, 5, 1, 3, 2, 0])
    for number, (shard, start, stop) in zip(numbers, dataset.spans(numbers).tolist(), strict=True):
        assert dataset.shard(shard).tokens[start:stop].tolist() == dataset.document(int(number)).tolist()
    with pytest.raises(UserError, match="documents 0 to 5"):
        dataset.document(6)


def test_thousands_of_shards_open_by_one_file_and_need_no_descriptors(tmp_path: Path) -> None:
    """The manifest is copied from one shard 10,000 times; only folders that are read need to exist."""
    dataset = make_dataset(tmp_path, [[5, 3]])
    (record,) = dataset.manifest.shards
    many = dataset.manifest.model_copy(update={"shards": (record,) * 10_000})
    (tmp_path / DATASET_FILE).write_text(many.model_dump_json())
    before = len(list(Path("/proc/self/fd").iterdir()))
    opened = TokenDataset.open(tmp_path)
    assert (opened.num_tokens, opened.num_documents) == (80_000, 20_000)
    assert opened.shard.cache_info().currsize == 0
    assert [opened.document(2 * number).tolist() for number in range(0, 10_000, 5)] == [[0, 1, 2, 3, 4]] * 2000
    assert opened.shard.cache_info().currsize == 2000
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_damage_in_a_dataset_is_found_when_the_shard_is_read(tmp_path: Path) -> None:
    make_dataset(tmp_path, [[5, 3], [4]])
    path = tmp_path / "001" / TOKENS_FILE
    good = path.read_bytes()
    path.write_bytes(b"\1" + good[1:])
    unchecked, checked = TokenDataset.open(tmp_path), TokenDataset.open(tmp_path, verify=True)
    unchecked.shard(1)
    checked.shard(0)
    with pytest.raises(ArtifactError, match=r"001/tokens\.bin is missing, damaged"):
        checked.shard(1)
    with pytest.raises(ArtifactError, match=r"001/tokens\.bin is missing, damaged"):
        unchecked.verify()
    path.write_bytes(good[:-2])
    with pytest.raises(ArtifactError, match="6 bytes, expected 8"):
        TokenDataset.open(tmp_path).shard(1)


def test_damaged_or_mixed_datasets_are_refused(shard: TokenShard, tmp_path: Path) -> None:
    make_dataset(tmp_path, [[5, 3]])
    with pytest.raises(ArtifactError, match="2 tokenizers or token types"):
        write_dataset(tmp_path, [(shard.folder, None), (tmp_path / "000", None)])
    with pytest.raises(UserError, match="does not lie below"):
        write_dataset(tmp_path / "000", [(shard.folder, None)])
    path = tmp_path / DATASET_FILE
    good = path.read_text()
    for broken in ("{", "[]", good.replace("uint16", "int8"), good.replace('"000"', '"a/../../000"')):
        path.write_text(broken)
        with pytest.raises(ArtifactError, match=DATASET_FILE):
            TokenDataset.open(tmp_path)


def test_a_dataset_of_another_tokenizer_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    make_dataset(tmp_path, [[5, 3]])
    with pytest.raises(ArtifactError, match="tokenise the documents again"):
        TokenDataset.open(tmp_path, tokenizer=tokenizer)
