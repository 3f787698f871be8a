"""The Linux calls that the standard library lacks, through ctypes: namespaces, mounts, capabilities, prctl.

Each raises `OSError` with the name of what was refused. Nothing here decides policy; `jail.py` does.
"""

import ctypes
import os
import signal
import struct
from collections.abc import Callable

from better_ai.sandbox import syscalls

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
ALL_NAMESPACES = NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8  # MOUNT_ATTR_*

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_SECCOMP_MODE_FILTER = 2
_AT_FDCWD, _AT_RECURSIVE, _MNT_DETACH = -100, 0x8000, 2
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
_raw_clone = ctypes.PyDLL(None, use_errno=True).syscall  # PyDLL: the child wakes up holding the interpreter's lock
_raw_clone.argtypes = [ctypes.c_long, ctypes.c_ulong, *[ctypes.c_void_p] * 4]


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _number(name: str) -> int:
    value = syscalls.number(name)
    assert value is not None, f"{name} exists on every architecture the jail knows"
    return value


def _prctl(option: int, argument: int, another: int = 0) -> int:
    return _libc.prctl(option, argument, another, 0, 0)


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare (new namespaces)")


def clone(flags: int) -> int:
    """Fork into new namespaces: 0 in the child, its pid in the parent. Valid only in a process with one thread.

    Unlike `os.fork` this runs none of the interpreter's fork hooks: they mend locks and threads, of which one thread
    leaves none to mend, and reseed `random`; running them costs as much as the fork itself.
    """
    pid: int = _raw_clone(_number("clone"), flags | signal.SIGCHLD, None, None, None, None)
    return _check(pid, "clone (new user, pid, mount and ipc namespaces)")


def map_ids(proc: int, outer: tuple[int, int], inner: int) -> None:
    """In a new user namespace: this process, (uid, gid) `outer` outside, becomes uid and gid `inner`.

    `proc` is a descriptor of a /proc that knows this process; its files can be written while the process is dumpable.
    """
    for name, text in (
        ("setgroups", "deny"),
        ("gid_map", f"{inner} {outer[1]} 1"),
        ("uid_map", f"{inner} {outer[0]} 1"),
    ):
        _write(proc, name, text)


def offer_to_oom_killer(proc: int) -> None:
    """Be the first to go when the machine runs out of memory."""
    _write(proc, "oom_score_adj", "1000")


def _write(proc: int, name: str, text: str) -> None:
    file = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _check(result, f"mount {source} on {target}")


def restrict_mount(target: str, attributes: int) -> None:
    """Set mount attributes on `target` and everything mounted below it (Linux 5.12). None is ever taken away."""
    request = struct.pack("=QQQQ", attributes, 0, 0, 0)
    path = os.fsencode(target)
    result = _libc.syscall(_number("mount_setattr"), _AT_FDCWD, path, _AT_RECURSIVE, request, len(request))
    _check(result, f"mount_setattr {target}")


def pivot_into(new_root: str) -> None:
    """Make `new_root`, a mount point, the root directory and let go of the old one."""
    os.chdir(new_root)
    _check(_libc.syscall(_number("pivot_root"), b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount2 of the old root")
    os.chdir("/")


def die_with_parent() -> None:
    """SIGKILL this process when its parent dies. A change of uid takes this back."""
    _check(_prctl(_PR_SET_PDEATHSIG, signal.SIGKILL), "prctl PR_SET_PDEATHSIG")


def set_dumpable(value: bool) -> None:
    """Whether other processes of the same uid may trace this one or open its files in /proc."""
    _check(_prctl(_PR_SET_DUMPABLE, int(value)), "prctl PR_SET_DUMPABLE")


def drop_capabilities() -> None:
    """Empty the bounding, ambient, effective, permitted and inheritable sets."""
    capability = 0
    while _prctl(_PR_CAPBSET_DROP, capability) == 0:
        capability += 1
    _check(_prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL), "prctl PR_CAP_AMBIENT_CLEAR_ALL")
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.syscall(_number("capset"), header, bytes(24)), "capset")


def seccomp_installer(program: bytes) -> Callable[[], None]:
    """Prepare a BPF program (8-byte instructions) once; the result installs it on the calling process for good."""
    instructions = ctypes.create_string_buffer(program, len(program))
    descriptor = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions))
    buffer = ctypes.create_string_buffer(descriptor, len(descriptor))

    def install() -> None:
        assert instructions, "the descriptor points into this buffer"
        _check(_prctl(_PR_SET_NO_NEW_PRIVS, 1), "prctl PR_SET_NO_NEW_PRIVS")
        _check(_prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(buffer)), "prctl PR_SET_SECCOMP")

    return install
