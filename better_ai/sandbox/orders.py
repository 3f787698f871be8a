"""The messages between the host and the jail. Both ends are trusted; the run between them sees neither.

An order is one datagram: the limits, and descriptors for the reply, the payload (a memfd, so that the memory which
later runs inherit never holds anyone's code), both output files and, for a judged pair, the solution's payload.
The reply is one datagram too: how the run ended, how the solution beside it ended, and what went wrong in setting up.
"""

import array
import json
import os
import socket
import struct
from dataclasses import astuple, dataclass
from typing import Literal

from better_ai.sandbox.limits import Limits

Role = Literal["program", "tests", "solution", "shared"]
READY, REFUSED = b"ready", b"refused "  # the jail's first message
_ENDING = struct.Struct("=??iiddq")
_MAX_MESSAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended. `exit_code` counts if `signal` is 0."""

    hit_wall_limit: bool
    hit_cpu_limit: bool
    exit_code: int
    signal: int
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int

    @property
    def timed_out(self) -> bool:
        return self.hit_wall_limit or self.hit_cpu_limit


@dataclass(frozen=True, slots=True)
class Reply:
    main: Ending
    solution: Ending
    setup_error: str  # "" unless the jail could not be set up; unforgeable, unlike an exit code

    def pack(self) -> bytes:
        endings = _ENDING.pack(*astuple(self.main)) + _ENDING.pack(*astuple(self.solution))
        return endings + self.setup_error.encode("utf-8", "replace")[:1024]

    @classmethod
    def unpack(cls, data: bytes) -> "Reply":
        main, solution = (Ending(*_ENDING.unpack_from(data, index * _ENDING.size)) for index in range(2))
        return cls(main, solution, data[2 * _ENDING.size :].decode("utf-8", "replace"))


NOT_RUN = Ending(False, False, 0, 0, 0.0, 0.0, 0)


def payload(role: Role, **parts: str) -> bytes:
    return json.dumps([role, parts]).encode()


def read_payload(fd: int) -> tuple[Role, dict[str, str]]:
    role, parts = json.loads(os.pread(fd, os.fstat(fd).st_size, 0))
    return role, parts


def send(control: socket.socket, limits: Limits, fds: list[int]) -> None:
    control.sendmsg([limits.pack()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])


def receive(control: socket.socket) -> tuple[Limits, list[int]] | None:
    """The next order, or None when the host has hung up."""
    data, fds, _, _ = socket.recv_fds(control, _MAX_MESSAGE_BYTES, 8)
    return (Limits.unpack(data), fds) if data else None
