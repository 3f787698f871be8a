"""The policy of the jail: what a run can see, what it may use, and the order in which its rights are taken away.

The root is a read-only tmpfs that holds nothing but the system's libraries and programs, Python's own and three
devices: no /proc (another process's environment can be read there), no /etc, no home. Each run adds a private /tmp.
"""

import fcntl
import os
import resource
from collections.abc import Callable, Iterable
from pathlib import Path

from better_ai.sandbox import linux
from better_ai.sandbox.limits import Limits

NOBODY = 65534
OUTER_NAMESPACES = linux.NEWNS | linux.NEWNET | linux.NEWIPC | linux.NEWUTS | linux.NEWPID | linux.NEWCGROUP
RUN_NAMESPACES = linux.NEWUSER | linux.NEWPID | linux.NEWNS | linux.NEWIPC
LINK_FD = 3
_RUN_UID = 1000
_SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
# The new root is built over /proc, whose files are reached through a descriptor: it exists wherever a jail can work.
_NEW_ROOT = "/proc"


def build_root(visible: Iterable[str]) -> None:
    """Move this process, alone in its mount namespace, to a new root that shows `visible` read-only."""
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", _NEW_ROOT, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=1m,mode=755")
    for path in filter(os.path.lexists, _SYSTEM):
        if Path(path).is_symlink():
            Path(_NEW_ROOT + path).symlink_to(Path(path).readlink())
        else:
            _bind(path, linux.READ_ONLY | linux.NO_SUID | linux.NO_DEVICES)
    for path in visible:
        if not Path(path).is_relative_to("/usr"):
            _bind(path, linux.READ_ONLY | linux.NO_SUID | linux.NO_DEVICES)
    for path in _DEVICES:
        _bind(path, linux.READ_ONLY | linux.NO_SUID | linux.NO_EXEC)
    Path(_NEW_ROOT, "tmp").mkdir(exist_ok=True)
    linux.pivot_into(_NEW_ROOT)
    # Shut the root itself as well: for an ordinary user the runs own it.
    linux.restrict_mount("/", linux.READ_ONLY | linux.NO_SUID)


def _bind(path: str, attributes: int) -> None:
    """Show `path` at the same place in the new root. The directories above it are made anew, open to be passed."""
    target = Path(_NEW_ROOT + path)
    if Path(path).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    linux.mount(path, str(target), flags=linux.MS_BIND | linux.MS_REC)
    linux.restrict_mount(str(target), attributes)


def enter(limits: Limits, proc: int, owner: tuple[int, int]) -> None:
    """Inside freshly cloned `RUN_NAMESPACES`: take an identity and a private /tmp.

    `owner` is the (uid, gid) of this process in the namespace around it, `proc` a descriptor of a /proc.
    """
    linux.set_dumpable(True)  # else its own files in /proc are not its own to write
    linux.offer_to_oom_killer(proc)
    linux.map_ids(proc, owner, _RUN_UID)
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount("tmpfs", "/tmp", "tmpfs", flags, f"size={limits.tmp_bytes},nr_inodes=1024,mode=777")
    os.chdir("/tmp")
    os.setsid()


def rewire(stdout: int, stderr: int, link: int, setup: int) -> int:
    """Keep an empty stdin, both outputs, the link as `LINK_FD` and the set-up pipe; close every other descriptor.

    An output or link of -1 stands for none. Returns the set-up pipe's new number; the caller closes it last.
    """
    null = os.open("/dev/null", os.O_RDWR)
    sources = [null if fd < 0 else fd for fd in (-1, stdout, stderr, link, setup)]
    # First out of the way, so that no target overwrites a source.
    for target, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD, len(sources)) for fd in sources]):
        os.dup2(fd, target)
    os.closerange(len(sources), 1 << 16)
    if link < 0:
        os.close(LINK_FD)
    return len(sources) - 1


def confine(limits: Limits, install_filter: Callable[[], None]) -> None:
    """Give up every right that untrusted code must not have. Only the set-up pipe remains to be closed after this."""
    for kind, ceiling in _ceilings(limits):
        hard = resource.getrlimit(kind)[1]  # the host may have set a lower one, which cannot be raised
        ceiling = ceiling if hard == resource.RLIM_INFINITY else min(ceiling, hard)
        resource.setrlimit(kind, (ceiling, ceiling))
    linux.drop_capabilities()
    linux.set_dumpable(False)
    install_filter()


def _ceilings(limits: Limits) -> Iterable[tuple[int, int]]:
    yield resource.RLIMIT_CPU, limits.cpu_seconds
    yield resource.RLIMIT_AS, limits.memory_bytes
    yield resource.RLIMIT_FSIZE, limits.file_bytes
    yield resource.RLIMIT_NPROC, limits.processes
    yield resource.RLIMIT_NOFILE, limits.open_files
    yield resource.RLIMIT_CORE, 0
    yield resource.RLIMIT_MEMLOCK, 0
    yield resource.RLIMIT_MSGQUEUE, 0
