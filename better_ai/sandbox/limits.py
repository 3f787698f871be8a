"""What one run may use. The unit stands in each name; the kernel enforces all of them."""

import struct
from dataclasses import astuple, dataclass, fields

from better_ai.errors import UserError

_PACKED = struct.Struct("=qdqqqqq")


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one run. A judged run has two processes, the tests and the solution, and each gets these limits.

    Time is limited in CPU seconds so that a verdict does not depend on how busy the host is; the wall limit only ends
    programs that sleep or wait. Memory, CPU and file size hold for each process of the run, so a program that forks
    can reach `processes` times as much before the wall limit ends it.

    Raises `UserError` for a limit that is not positive.
    """

    cpu_seconds: int = 4
    wall_seconds: float = 20.0
    memory_bytes: int = 512 << 20  # address space, of which the interpreter itself takes about 30 MiB
    file_bytes: int = 8 << 20  # largest file, and most output, that a program may write
    tmp_bytes: int = 32 << 20  # size of its private /tmp
    processes: int = 16  # processes and threads together
    open_files: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < float("inf"):
                raise UserError(f"a sandbox limit must be positive and finite, found {field.name}={value!r}")
            if field.type is int and not isinstance(value, int):
                raise UserError(f"the kernel counts this limit in whole units, found {field.name}={value!r}")

    def pack(self) -> bytes:
        return _PACKED.pack(*astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> "Limits":
        return cls(*_PACKED.unpack(data))
