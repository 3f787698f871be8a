"""Starting the jail's zygote from the host, or saying loudly why it cannot be."""

import os
import platform
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from better_ai.errors import SandboxUnavailable
from better_ai.sandbox import orders, syscalls
from better_ai.sandbox.limits import Limits

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_ENVIRONMENT = {"HOME": "/tmp", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "TZ": "UTC"}
_CODE_ROOT = str(Path(__file__).parents[2])
# The interpreter takes nothing from the user's environment (-s, -P, a fixed environment) and no site packages (-S).
# Not -E: the hash seed is set through the environment.
_FLAGS = ("-s", "-P", "-S")
_BOOT = (
    "import sys; root, control, workers, *visible = sys.argv[1:]; sys.path.append(root); "
    "from better_ai.sandbox.zygote import main; sys.path.pop(); main(int(control), int(workers), visible)"
)
_MEND = (
    "Untrusted programs run only in Linux namespaces, and nothing was run without them. "
    "What usually helps: on Ubuntu 23.10 or later `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`; where "
    "user namespaces are switched off `sudo sysctl user.max_user_namespaces=15000` (older Debian: "
    "`kernel.unprivileged_userns_clone=1`); in a container, start it with `--security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined` or `--privileged`. Linux 5.14 or newer is needed."
)


@dataclass(frozen=True, slots=True)
class Zygote:
    """A running jail: the stub process that stands outside it, and the socket that takes orders."""

    process: subprocess.Popen[bytes]
    control: socket.socket

    def send(self, limits: Limits, fds: list[int]) -> None:
        """Raises `OSError` when the jail is gone."""
        orders.send(self.control, limits, fds)

    def stop(self) -> None:
        """Hang up: the zygote ends itself and with it every run."""
        self.control.close()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def launch(workers: int) -> Zygote:
    """Start a zygote with `workers` workers. Raises `SandboxUnavailable` naming what the system forbids."""
    python, visible = _interpreter()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [python, *_FLAGS, "-c", _BOOT, _CODE_ROOT, str(theirs.fileno()), str(workers), *visible],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the host, which then hangs up
        )
        theirs.close()
        zygote = Zygote(process, ours)
        answer = _first_message(ours)
        if answer == orders.READY:
            return zygote
        zygote.stop()
        errors.seek(0)
        said = answer.removeprefix(orders.REFUSED) or errors.read().strip().splitlines()[-1:] or [b"it ended silently"]
        raise unavailable((said if isinstance(said, bytes) else said[0]).decode("utf-8", "replace"))


def unavailable(why: str) -> SandboxUnavailable:
    return SandboxUnavailable(f"The sandbox cannot start: {why}. {_MEND}")


def _first_message(control: socket.socket) -> bytes:
    control.settimeout(_START_SECONDS)
    try:
        return control.recv(4096)
    except TimeoutError:
        return orders.REFUSED + f"the jail gave no sign of life within {_START_SECONDS:.0f} seconds".encode()
    except ConnectionError:
        return b""
    finally:
        control.settimeout(None)


def require_platform() -> None:
    """Raises `SandboxUnavailable` on a system whose kernel or architecture the jail does not know."""
    machine = platform.machine()
    if sys.platform != "linux":
        raise SandboxUnavailable(
            f"The sandbox cannot start: it is built from Linux namespaces and this is {sys.platform}. Nothing was run. "
            "Use a Linux machine, or a Linux virtual machine on this one."
        )
    if machine not in syscalls.ARCHITECTURES or sys.maxsize < 2**32:
        raise SandboxUnavailable(
            f"The sandbox cannot start: its system call filter knows 64-bit {' and '.join(syscalls.ARCHITECTURES)}, "
            f"and this is {sys.maxsize.bit_length() + 1}-bit Python on {machine}. Nothing was run. Use one of those."
        )


def _interpreter() -> tuple[str, list[str]]:
    """The interpreter behind a virtual environment, and what of its installation a run has to see.

    Not the whole prefix: that may be a home folder.
    """
    executable = getattr(sys, "_base_executable", None) or sys.executable
    if not executable:
        raise SandboxUnavailable(
            "The sandbox cannot start: this Python does not know its own interpreter (sys.executable is empty), so it "
            "cannot start one inside. Nothing was run. Start Python by its full path, not embedded in another program."
        )
    python = str(Path(executable).resolve())
    roots = dict.fromkeys((sys.base_prefix, sys.base_exec_prefix))
    folders = [str(Path(root, name)) for root in roots for name in dict.fromkeys(("lib", sys.platlibdir))]
    visible = [python, *filter(os.path.isdir, folders)]
    if hidden := [path for path in visible if Path(path).is_relative_to("/tmp")]:
        raise SandboxUnavailable(
            f"The sandbox cannot start: Python lies below /tmp ({hidden[0]}), and every run has a /tmp of its own. "
            "Nothing was run. Use a Python installed elsewhere; virtual environments and checkouts may stay in /tmp."
        )
    return python, visible
