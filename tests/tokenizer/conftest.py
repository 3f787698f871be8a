"""One small tokenizer for all tests of the room."""

import ast
import inspect
from pathlib import Path

import pytest
from hypothesis import settings

from better_ai.config import TokenizerConfig
from better_ai.tokenizer import Tokenizer, train

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def texts() -> list[str]:
    modules = (ast, inspect, pytest)
    return [inspect.getsource(module) for module in modules]


@pytest.fixture(scope="session")
def tokenizer(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    return train(texts, TokenizerConfig(vocab_size=800), folder)
