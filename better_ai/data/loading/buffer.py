"""Rows from true streams: documents that can only be read one after the other, such as untokenised Parquet files.

Order comes from a shuffle buffer: a random document of the buffer goes out and the next of the stream takes its place.
That mixes over about the buffer's size and no farther; documents that are worth several epochs are better tokenised
once and read by `ShuffledRows`.
"""

import base64
import math
import random
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from better_ai.artifacts import content_id, sha256_file
from better_ai.data.loading.packing import Cut, PackedRows, lay_out
from better_ai.data.loading.stream import check_identity
from better_ai.errors import ArtifactError, UserError
from better_ai.tokenizer import Tokenizer

T = TypeVar("T")


class DocumentStream(Protocol):
    """Documents as ids, without end: after the last comes the first again."""

    def __next__(self) -> np.ndarray: ...

    def identity(self) -> dict[str, Any]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class ParquetDocuments:
    """The documents of Parquet files, tokenised as they are read; goes on at the row group it stood in."""

    def __init__(self, files: Sequence[Path | str], tokenizer: Tokenizer) -> None:
        """Raises UserError when the files hold no document, ArtifactError when one cannot be read."""
        self.files, self.tokenizer = [Path(file) for file in files], tokenizer
        self._groups = [(file, group) for file in self.files for group in _row_groups(file)]
        self._id = content_id([sha256_file(file) for file in self.files])
        self._epoch = self._group = self._row = 0
        self._texts: list[str] | None = None
        if not self._groups:
            raise UserError(f"there is no document in the {len(self.files)} files; check the data sources")

    def __next__(self) -> np.ndarray:
        while True:
            if self._texts is None:
                self._texts = _read_group(*self._groups[self._group])
            if self._row < len(self._texts):
                text = self._texts[self._row]
                self._row += 1
                special = self.tokenizer.special
                return np.array([special["bos"], *self.tokenizer.encode(text), special["eos"]], np.int64)
            self._texts, self._row, self._group = None, 0, self._group + 1
            if self._group == len(self._groups):
                self._group, self._epoch = 0, self._epoch + 1

    def identity(self) -> dict[str, Any]:
        return {"kind": "parquet_documents", "files": self._id, "tokenizer": self.tokenizer.content_id}

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "group": self._group, "row": self._row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._epoch, self._group, self._row = state["epoch"], state["group"], state["row"]
        self._texts = None


class IterableDocuments:
    """Documents of any iterable that can be started anew; to go on, it reads again what it had read of the epoch."""

    def __init__(self, start: Callable[[], Iterable[np.ndarray]], *, id: str) -> None:
        """`start` begins an epoch, the same each time. `id` stands for its content in the state."""
        self.start, self.id = start, id
        self._read = 0
        self._items = iter(start())

    def __next__(self) -> np.ndarray:
        item = next(self._items, None)
        if item is None:
            self._items, self._read = iter(self.start()), 0
            item = next(self._items, None)
            if item is None:
                raise UserError(f"the stream {self.id!r} has no document; check the data sources")
        self._read += 1
        return np.asarray(item, np.int64)

    def identity(self) -> dict[str, Any]:
        return {"kind": "iterable_documents", "id": self.id}

    def state_dict(self) -> dict[str, Any]:
        return {"read": self._read}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._read = state["read"]
        self._items = islice(self.start(), self._read, None)


class BufferedRows:
    """A `RowStream` over a stream of documents: shuffle buffer, then one document after the other in rows of T tokens.

    The state holds the documents in the buffer, so going on is exact and needs no replay; its size is theirs. Every
    rank reads the whole stream.
    """

    def __init__(
        self, documents: DocumentStream, seq_len: int, pad_id: int, *, seed: int, buffer_documents: int = 1024
    ) -> None:
        """Raises UserError when the buffer holds nothing."""
        if buffer_documents < 1:
            raise UserError(f"buffer_documents is {buffer_documents}; the buffer needs room for at least one")
        self.documents, self.seq_len, self.pad_id = documents, seq_len, pad_id
        self.seed, self.buffer_documents = seed, buffer_documents
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._buffer: list[np.ndarray] = []
        self._begun = np.empty(0, np.int64)
        """What is left of the document that the last row cut."""

    def next_rows(self, count: int, mine: slice) -> PackedRows:
        cuts = [self._next_cut() for _ in range(count)]
        return lay_out(cuts[mine], self.seq_len, self.pad_id)

    def _next_cut(self) -> Cut:
        """The next row, with the token after it where its last document goes on."""
        parts, starts, filled = [self._begun], [], len(self._begun)
        while filled < self.seq_len:
            if filled:
                starts.append(filled)
            parts.append(self._draw())
            filled += len(parts[-1])
        tokens = np.concatenate(parts)
        self._begun = tokens[self.seq_len :]
        return Cut(tokens[: self.seq_len + 1], np.array(starts, np.int64))

    def _draw(self) -> np.ndarray:
        while len(self._buffer) < self.buffer_documents:
            self._buffer.append(next(self.documents))
        place = int(self._random.integers(self.buffer_documents))
        drawn, self._buffer[place] = self._buffer[place], next(self.documents)
        return drawn

    def metrics(self) -> dict[str, float]:
        return {"data/buffer_documents": float(len(self._buffer))}

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "buffered_rows",
            "documents": self.documents.identity(),
            "seq_len": self.seq_len,
            "pad_id": self.pad_id,
            "buffer_documents": self.buffer_documents,
            "seed": self.seed,
        }

    def state_dict(self) -> dict[str, Any]:
        return {
            "documents": self.documents.state_dict(),
            "random": self._random.bit_generator.state,
            "buffer": [_to_text(document) for document in self._buffer],
            "begun": _to_text(self._begun),
            "identity": self.identity(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_identity(state, self.identity())
        self.documents.load_state_dict(state["documents"])
        self._random.bit_generator.state = state["random"]
        self._buffer = [_from_text(text) for text in state["buffer"]]
        self._begun = _from_text(state["begun"])


def reservoir_sample(items: Iterable[T], count: int, *, seed: int) -> list[T]:
    """`count` items of a stream of unknown length, each subset equally likely; all of them when there are no more.

    Algorithm L (Li 1994, doi 10.1145/198429.198435): skips what it will not take, so the random numbers it needs grow
    with the logarithm of the stream.
    """
    source, uniform = iter(items), random.Random(seed)
    taken = list(islice(source, count))
    if len(taken) < count or not count:
        return taken
    weight = _open_uniform(uniform) ** (1 / count)
    while True:
        skipped = int(math.log(_open_uniform(uniform)) / math.log1p(-weight))
        following = list(islice(source, skipped, skipped + 1))
        if not following:
            return taken
        taken[uniform.randrange(count)] = following[0]
        weight *= _open_uniform(uniform) ** (1 / count)


def _open_uniform(uniform: random.Random) -> float:
    """A number above 0 and below 1."""
    return (uniform.getrandbits(52) + 0.5) / 2**52


def _row_groups(file: Path) -> list[int]:
    """The numbers of a file's row groups that are not empty."""
    try:
        metadata = pq.read_metadata(file)
        return [group for group in range(metadata.num_row_groups) if metadata.row_group(group).num_rows]
    except (OSError, pa.ArrowException) as error:
        raise _damaged(file, error) from None


def _read_group(file: Path, group: int) -> list[str]:
    try:
        with pq.ParquetFile(file) as parquet:
            return parquet.read_row_group(group, columns=["content"]).column(0).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"cannot read {file} ({str(error).splitlines()[0]}); build the data again")


def _to_text(ids: np.ndarray) -> str:
    return base64.b64encode(ids.astype("<u4").tobytes()).decode()


def _from_text(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<u4").astype(np.int64)
