"""Text to token ids and back, exactly."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import sentencepiece

from better_ai.errors import ArtifactError, UserError
from better_ai.tokenizer.manifest import MODEL_FILE, TokenizerManifest
from better_ai.tokenizer.special import SPECIAL_TOKENS

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""How SentencePiece spells a space inside a piece."""

UNSUPPORTED = re.compile(f"[{SPACE}\0]")
"""Characters SentencePiece cannot carry: the one it uses for spaces, and the one that ends its strings."""


class Tokenizer:
    """A trained SentencePiece model, the special tokens and a manifest. Get one from `load` or `train`."""

    def __init__(self, model: bytes, manifest: TokenizerManifest) -> None:
        self.manifest = manifest
        self.special: Mapping[str, int] = MappingProxyType(manifest.special)
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._bytes = {id: self._piece_bytes(id) for id in range(self._processor.vocab_size())}
        bytes_ids = {piece: id for id, piece in self._bytes.items() if self._processor.is_byte(id)}
        self._unsupported_ids = {char: [bytes_ids[bytes([b])] for b in char.encode()] for char in (SPACE, "\0")}

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return self.manifest.vocab_size

    @property
    def content_id(self) -> str:
        """Equal for tokenizers that map text to ids alike."""
        return self.manifest.content_id

    def encode(self, text: str) -> list[int]:
        """Ids of a text; never a special one, whatever the text spells. Raises UserError for lone surrogates."""
        try:
            if UNSUPPORTED.search(text) is None:
                return self._processor.encode(text)
            return self._encode_unsupported(text)
        except RuntimeError:
            utf8(text)
            raise

    def decode(self, ids: Iterable[int], *, show_special: bool = False) -> str:
        """The text of ids. Special tokens are left out, or spelled if asked for.

        Bytes that are no UTF-8, as a model may produce, become U+FFFD. Raises UserError for an id out of range.
        """
        if not show_special:
            return self.decode_bytes(ids).decode("utf-8", errors="replace")
        spelled = {self.special[name]: spelling.encode() for name, spelling in SPECIAL_TOKENS.items()}
        return b"".join(spelled.get(id) or self.token_bytes(id) for id in ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes of ids, special tokens left out. Raises UserError for an id out of range."""
        try:
            return b"".join(map(self._bytes.__getitem__, ids))
        except KeyError as error:
            raise self._out_of_range(error.args[0]) from None

    def token_bytes(self, id: int) -> bytes:
        """The exact bytes one id stands for; none for a special token. Raises UserError for an id out of range."""
        try:
            return self._bytes[id]
        except KeyError:
            raise self._out_of_range(id) from None

    def is_byte(self, id: int) -> bool:
        """Whether an id spells a single byte that has no piece. Raises UserError for an id out of range."""
        self.token_bytes(id)
        return bool(self._processor.is_byte(id))

    def bytes_per_token(self, texts: Iterable[str]) -> float:
        """UTF-8 bytes per token over some texts: how far they are compressed. Raises UserError if they are empty."""
        num_bytes = num_tokens = 0
        for text in texts:
            num_bytes += len(utf8(text))
            num_tokens += len(self.encode(text))
        if not num_tokens:
            raise UserError("there is no text to measure bytes per token on")
        return num_bytes / num_tokens

    def _encode_unsupported(self, text: str) -> list[int]:
        ids, start = [], 0
        for match in UNSUPPORTED.finditer(text):
            ids += self._processor.encode(text[start : match.start()])
            ids += self._unsupported_ids[match[0]]
            start = match.end()
        return ids + self._processor.encode(text[start:])

    def _piece_bytes(self, id: int) -> bytes:
        if self._processor.is_control(id) or self._processor.is_unknown(id):
            return b""
        piece = self._processor.id_to_piece(id)
        if self._processor.is_byte(id):
            return bytes([int(piece[3:5], 16)])
        return piece.replace(SPACE, " ").encode()

    def _out_of_range(self, id: object) -> UserError:
        return UserError(f"token id {id} is not in 0..{self.vocab_size - 1}; it comes from another tokenizer")


def utf8(text: str) -> bytes:
    """The UTF-8 bytes of a text. Raises UserError for lone surrogates, which have none."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"the text holds a lone surrogate, {text[error.start]!r} at character {error.start}, which UTF-8 cannot "
            "carry; decode its source with errors='replace'"
        ) from None


def load(path: Path | str) -> Tokenizer:
    """Load a tokenizer from the folder `train` wrote.

    Raises ArtifactError when a file is missing, damaged or does not fit the manifest.
    """
    folder = Path(path)
    manifest = TokenizerManifest.read(folder)
    file = folder / MODEL_FILE
    try:
        model = file.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {file}: {error.strerror}; train the tokenizer again") from None
    found = hashlib.sha256(model).hexdigest()
    if found != manifest.model_sha256:
        raise ArtifactError(
            f"{file} is damaged or not the one its manifest describes: its SHA-256 begins {found[:12]}, "
            f"expected {manifest.model_sha256[:12]}; train the tokenizer again"
        )
    tokenizer = Tokenizer(model, manifest)
    if (pieces := len(tokenizer._bytes)) != manifest.vocab_size:
        raise ArtifactError(
            f"{file} holds {pieces} pieces, its manifest says vocab_size={manifest.vocab_size}; train it again"
        )
    return tokenizer
