"""A small tokenizer for all tests of the room."""

import ast
import inspect

import pytest

from better_ai.config import TokenizerConfig
from better_ai.tokenizer import Tokenizer, train


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    texts = [inspect.getsource(module) for module in (ast, inspect)]
    return train(texts, TokenizerConfig(vocab_size=700), tmp_path_factory.mktemp("tokenizer"))
