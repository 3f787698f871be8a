"""Tokenizer: SentencePiece unigram pieces, byte fallback and the table of special tokens."""

from better_ai.tokenizer.manifest import TokenizerManifest
from better_ai.tokenizer.special import SPECIAL_IDS, SPECIAL_TOKENS
from better_ai.tokenizer.tokenizer import Tokenizer, load
from better_ai.tokenizer.unigram import train

__all__ = ["SPECIAL_IDS", "SPECIAL_TOKENS", "Tokenizer", "TokenizerManifest", "load", "train"]
