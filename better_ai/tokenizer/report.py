"""How well tokenizers do on texts they have not seen: compression by language, fertility, exact round trips.

- bytes per token: UTF-8 bytes divided by tokens; larger is better.
- fertility: tokens per word, words being runs of letters, digits and underscores; a comparison of tokenizers on the
  same text, not a quantity with a meaning of its own.
- word borders: share of the borders inside camelCase and snake_case names where a token ends as well.
- byte tokens: share of the tokens that spell one byte of a character for want of a piece.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from better_ai.extras import import_extra
from better_ai.tokenizer.inputs import Text
from better_ai.tokenizer.sample import sample_texts
from better_ai.tokenizer.tokenizer import Tokenizer

BYTES_PER_LANGUAGE = 1_000_000
"""Enough for three digits of every figure; the rest of a language is left out."""

_WORD = re.compile(r"\w+")
_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-zA-Z0-9])(?=_+[a-zA-Z])")
_NAMES_PER_TEXT = 200


@dataclass
class LanguageFigures:
    """Sums over the texts of one language."""

    language: str
    documents: int = 0
    bytes: int = 0
    tokens: int = 0
    words: int = 0
    byte_tokens: int = 0
    borders: int = 0
    borders_met: int = 0
    broken_round_trips: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The sums and the figures made of them."""
        return {
            **asdict(self),
            "bytes_per_token": self.bytes / self.tokens if self.tokens else None,
            "fertility": self.tokens / self.words if self.words else None,
            "word_borders_met": self.borders_met / self.borders if self.borders else None,
            "byte_token_share": self.byte_tokens / self.tokens if self.tokens else None,
        }


@dataclass(frozen=True)
class Codec:
    """What a report needs of a tokenizer."""

    name: str
    vocab_size: int
    encode: Callable[[str], list[int]]
    decode: Callable[[list[int]], str]
    token_bytes: Callable[[int], bytes]
    is_byte: Callable[[int], bool]


@dataclass
class Figures:
    """What one tokenizer does on some texts."""

    name: str
    vocab_size: int
    languages: dict[str, LanguageFigures] = field(default_factory=dict)
    ids_used: set[int] = field(default_factory=set)

    def to_dict(self) -> dict[str, Any]:
        total = LanguageFigures("all")
        for figures in self.languages.values():
            for name, value in asdict(figures).items():
                if name != "language":
                    setattr(total, name, getattr(total, name) + value)
        rows = [*sorted(self.languages.values(), key=lambda figures: -figures.bytes), total]
        return {
            "name": self.name,
            "vocab_size": self.vocab_size,
            "vocabulary_used": len(self.ids_used) / self.vocab_size,
            "languages": [row.to_dict() for row in rows],
        }


def ours(tokenizer: Tokenizer) -> Codec:
    """The codec of one of our tokenizers."""
    return Codec(
        "unigram",
        tokenizer.vocab_size,
        tokenizer.encode,
        tokenizer.decode,
        tokenizer.token_bytes,
        tokenizer.is_byte,
    )


def byte_level_bpe(texts: Iterable[str], *, vocab_size: int, training_bytes: int) -> Codec:
    """The peer: a byte-level BPE (as of GPT-2) of Hugging Face `tokenizers`, trained on as much of the same texts.

    It is given whole texts: on single lines it would not learn how a line end and indentation go together. Needs the
    extra `data`.
    """
    library = import_extra("tokenizers", "data")
    bpe = library.ByteLevelBPETokenizer()
    bpe.train_from_iterator(sample_texts(texts, training_bytes), vocab_size=vocab_size, show_progress=False)
    characters = _byte_characters()

    def token_bytes(id: int) -> bytes:
        return bytes(characters[character] for character in bpe.id_to_token(id))

    return Codec(
        "byte-level BPE",
        bpe.get_vocab_size(),
        lambda text: bpe.encode(text).ids,
        lambda ids: bpe.decode(ids, skip_special_tokens=False),
        token_bytes,
        lambda id: len(piece := token_bytes(id)) == 1 and piece >= b"\x80",
    )


def measure(codecs: Iterable[Codec], texts: Iterable[Text]) -> list[Figures]:
    """Figures of each codec on the same texts, a bounded amount of each language."""
    codecs = list(codecs)
    results = [Figures(codec.name, codec.vocab_size) for codec in codecs]
    seen: dict[str, int] = {}
    for text in texts:
        if not text.content or seen.get(text.language, 0) >= BYTES_PER_LANGUAGE:
            continue
        size = len(text.content.encode())
        seen[text.language] = seen.get(text.language, 0) + size
        for codec, figures in zip(codecs, results, strict=True):
            row = figures.languages.setdefault(text.language, LanguageFigures(text.language))
            _add(row, figures.ids_used, codec, text.content, size)
    return results


def _add(row: LanguageFigures, ids_used: set[int], codec: Codec, content: str, size: int) -> None:
    ids = codec.encode(content)
    ids_used.update(ids)
    row.documents += 1
    row.bytes += size
    row.tokens += len(ids)
    row.words += sum(1 for _ in _WORD.finditer(content))
    row.byte_tokens += sum(map(codec.is_byte, ids))
    row.broken_round_trips += codec.decode(ids) != content
    for name in dict.fromkeys(_WORD.findall(content)[:_NAMES_PER_TEXT]):
        borders = {match.start() for match in _BORDER.finditer(name)} if name.isascii() else set()
        row.borders += len(borders)
        row.borders_met += len(borders & _token_ends(codec, name))


def _token_ends(codec: Codec, name: str) -> set[int]:
    ends, at = set(), 0
    for id in codec.encode(name):
        at += len(codec.token_bytes(id))
        ends.add(at)
    return ends


def _byte_characters() -> dict[str, int]:
    """The printable character by which byte-level BPE spells each byte (GPT-2's table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}
