"""A tokenizer of ten digits and a tiny model to go with it."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from better_ai.config import ModelConfig
from better_ai.model import Transformer


class DigitTokenizer:
    """Ids 0-9 are the digits; 10 ends a completion."""

    special: ClassVar = {"eos": 10, "end": 11}
    vocab_size = 12

    def token_bytes(self, token: int) -> bytes:
        return str(token).encode() if token < 10 else b""


def digit_model(**changes: Any) -> Transformer:
    sizes = {"vocab_size": 12, "hidden_dim": 32, "num_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    return Transformer(ModelConfig(**({"max_seq_len": 32, "init_std": 0.1} | sizes | changes)), seed=1)


@pytest.fixture
def tokenizer() -> DigitTokenizer:
    return DigitTokenizer()


@pytest.fixture
def new_model() -> Callable[..., Transformer]:
    """The same weights at every call."""
    return digit_model


@pytest.fixture
def model() -> Transformer:
    return digit_model()
