"""One small tokenizer for all tests of the room."""

import ast
import inspect
from pathlib import Path

import pytest

from better_ai.config import TokenizerConfig
from better_ai.tokenizer import Tokenizer, train


@pytest.fixture(scope="session")
def texts() -> list[str]:
    modules = (ast, inspect, pytest)
    return [inspect.getsource(module) for module in modules]


@pytest.fixture(scope="session")
def tokenizer(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    return train(texts, TokenizerConfig(vocab_size=800), folder)
