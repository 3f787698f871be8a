"""A tokenizer of bytes and a tiny model with random weights."""

from typing import Any, ClassVar

import pytest

from better_ai.config import ModelConfig
from better_ai.model import Transformer


class ByteTokenizer:
    """Ids 0-255 are the bytes, then the special tokens."""

    special: ClassVar = {"bos": 256, "eos": 257, "pad": 258, "end": 259}
    vocab_size = 260

    def token_bytes(self, token: int) -> bytes:
        return bytes([token]) if token < 256 else b""


def tiny_model(**changes: Any) -> Transformer:
    sizes = {"vocab_size": 260, "hidden_dim": 32, "num_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    sharp = {"init_std": 0.3}  # so that each token matters to the next
    return Transformer(ModelConfig(max_seq_len=96, **(sizes | sharp | changes)))


@pytest.fixture
def tokenizer() -> ByteTokenizer:
    return ByteTokenizer()


@pytest.fixture
def model() -> Transformer:
    return tiny_model()
