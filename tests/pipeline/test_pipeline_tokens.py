"""The tokens of a corpus are a stage of its run: what training maps, and what the exports hold, is the corpus."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from better_ai.artifacts import Manifest, lineage
from better_ai.config import DataConfig, DataRecipe, TokenizerConfig
from better_ai.config.data import FolderSource, LocalExecutorConfig
from better_ai.data import SPLITS, corpus_texts
from better_ai.data.loading import TokenDataset
from better_ai.errors import ArtifactError, UserError
from better_ai.pipeline.data_job import run_data_recipe
from better_ai.pipeline.tokens_job import tokenize_corpus
from better_ai.tokenizer import load, train


@pytest.fixture
def run(tmp_path: Path) -> Path:
    sources = tmp_path / "sources"
    sources.mkdir()
    for number in range(12):
        names = " + ".join(f"name_{number}_{other}" for other in range(20))
        (sources / f"file_{number}.py").write_text(f"value_{number} = {names}\n")
    data = DataConfig(
        sources=(FolderSource(path=str(sources), license="MIT"),),
        validation_fraction=0.3,
        shard_bytes=1000,
        executor=LocalExecutorConfig(workers=1),
    )
    run_data_recipe(DataRecipe(name="corpus", data=data), tmp_path / "runs")
    return tmp_path / "runs" / "corpus"


@pytest.fixture
def tokenizer(run: Path, tmp_path: Path) -> Path:
    train([inspect.getsource(inspect)], TokenizerConfig(vocab_size=600), tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def test_the_tokens_are_those_of_the_documents_in_their_order(run: Path, tokenizer: Path) -> None:
    manifest = tokenize_corpus(run, tokenizer, workers=1)
    encode = load(tokenizer)
    for split in SPLITS:
        dataset = TokenDataset.open(run / "tokens" / split, tokenizer=encode, verify=True)
        texts = list(corpus_texts(run / "data", split))
        assert [encode.decode(dataset.document(number)) for number in range(dataset.num_documents)] == texts
        assert manifest.metrics["tokens"][split]["documents"] == len(texts)
        assert manifest.metrics["tokens"][split]["content_id"] == dataset.content_id
    assert [node.name for node in lineage(run)] == ["data", "tokens"]


def test_the_same_request_is_found_and_gives_the_same_bytes_elsewhere(run: Path, tokenizer: Path) -> None:
    first = tokenize_corpus(run, tokenizer, workers=1)
    assert tokenize_corpus(run, tokenizer, workers=1) == first
    (run / "tokens" / "manifest.json").unlink()
    assert tokenize_corpus(run, tokenizer, workers=2).content_id == first.content_id


def test_exports_hold_the_same_tokens(run: Path, tokenizer: Path) -> None:
    h5py = pytest.importorskip("h5py")
    tokenize_corpus(run, tokenizer, hdf5=True, workers=1)
    dataset = TokenDataset.open(run / "tokens" / "train")
    with h5py.File(run / "tokens" / "train.h5") as file:
        together = np.concatenate([dataset.document(number) for number in range(dataset.num_documents)])
        assert np.array_equal(file["tokens"][:], together)
    assert {"train.h5", "validation.h5"} <= set(Manifest.read(run / "tokens").files)


def test_what_cannot_be_is_said_and_leaves_nothing(run: Path, tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"tokenizer\.manifest\.json is missing"):
        tokenize_corpus(run, tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no finished corpus"):
        tokenize_corpus(tmp_path / "nowhere", tokenizer)
    assert not (run / "tokens").exists() and not (tmp_path / "nowhere").exists()
