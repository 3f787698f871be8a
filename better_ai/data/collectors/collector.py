"""What every collector is: a list of parts that can be read one by one, anywhere, in any order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from better_ai.data.step import Stepped


@dataclass(frozen=True)
class Part:
    """What one worker reads in one go, some tens of megabytes."""

    name: str
    payload: dict[str, Any]
    """Plain JSON values: which files, which byte range, which revision."""
    state: str = ""
    """Differs when what the payload names has changed, such as by sizes and times of files. It decides whether a part
    is read again and stands in no document, since copies of the same files have other times."""


class Collector(Protocol):
    """Turns one source into documents. Made from its configuration by `make_collector`; picklable."""

    def parts(self) -> list[Part]:
        """List the parts, cheaply and always in the same order. Raises UserError when the source cannot be used."""
        ...

    def read(self, part: Part, *, max_document_bytes: int) -> Iterator[Stepped]:
        """Batches of documents with what could not be read. One bad file or record is a rejected row, never an error.

        The same part gives the same batches. Larger documents are turned away without holding them in memory.
        """
        ...
