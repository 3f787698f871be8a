"""The system calls a jailed program may not make, as a classic BPF program (seccomp(2), linux/filter.h).

A deny list: Python programs make many harmless calls, and the namespaces, limits and empty capability sets already
hold what they can. This filter takes away kernel surface that has no use in a run (io_uring, bpf, userfaultfd, new
namespaces, mounts, keys), all sockets except connected stream pairs, and memory that no limit counts (memfd, SysV and
POSIX queues). Left out: an allow list, which breaks with every release of the C library.
"""

import errno
import platform
import struct

from better_ai.sandbox import linux, syscalls

DENIED = {
    "sockets other than connected pairs": "accept accept4 bind connect listen sendmmsg socket",
    "other processes": "kcmp pidfd_getfd process_madvise process_mrelease process_vm_readv process_vm_writev ptrace",
    "namespaces": "setns unshare",
    "mounts": "chroot fsconfig fsmount fsopen fspick listmount mount_setattr move_mount open_tree open_tree_attr "
    "pivot_root statmount umount2",
    "files by handle, device nodes": "mknod mknodat name_to_handle_at open_by_handle_at",
    "asynchronous rings": "io_setup io_uring_enter io_uring_register io_uring_setup",
    "memory that no limit counts": "memfd_create memfd_secret mq_open msgget semget shmget",
    "kernel code and memory tricks": "bpf delete_module fanotify_init finit_module init_module kexec_file_load "
    "kexec_load lookup_dcookie modify_ldt perf_event_open personality uselib userfaultfd",
    "keys": "add_key keyctl request_key",
    "placement and priority": "ioprio_set mbind migrate_pages move_pages sched_setattr set_mempolicy "
    "set_mempolicy_home_node setpriority",
    "the machine as a whole": "acct adjtimex clock_adjtime clock_settime ioperm iopl quotactl quotactl_fd reboot "
    "setdomainname sethostname settimeofday swapoff swapon syslog vhangup",
}

_MSG_OOB = 1
_NOT_STREAM = 0xE  # bits of the socket type that SOCK_STREAM (1) lacks and every other type has
# call: (argument, bits); denied while any of the bits is set. A datagram pair could address sockets of other runs.
DENIED_BITS = {"socketpair": (1, _NOT_STREAM), "sendto": (3, _MSG_OOB), "sendmsg": (2, _MSG_OOB)}
DENIED_TO_RUNS = {"other mounts": "mount"}
DENIED_BITS_TO_RUNS = {"clone": (0, linux.ALL_NAMESPACES)}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # offsets in struct seccomp_data
_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000


def worker_program(machine: str | None = None) -> bytes:
    """The first layer for `machine` (default: this one)."""
    return _assemble(DENIED, DENIED_BITS, machine or platform.machine())


def run_program(machine: str | None = None) -> bytes:
    """The second layer."""
    return _assemble(DENIED_TO_RUNS, DENIED_BITS_TO_RUNS, machine or platform.machine())


def _assemble(denied: dict[str, str], denied_bits: dict[str, tuple[int, int]], machine: str) -> bytes:
    """8 bytes per instruction. Raises `OSError` on an unknown architecture.

    A call of another ABI (32-bit, x32) kills the process. clone3 hides its flags from the filter, so it answers ENOSYS
    and the C library falls back to clone.
    """
    clone3 = syscalls.number("clone3", machine)
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
        (_EQUAL, 0, 1, clone3),
        (_RETURN, 0, 0, _FAIL | errno.ENOSYS),
    ]
    for name in " ".join(denied.values()).split():
        if (call := syscalls.number(name, machine)) is not None:
            code += [(_EQUAL, 0, 1, call), (_RETURN, 0, 0, _FAIL | errno.EPERM)]
    for name, (argument, bits) in denied_bits.items():
        code += [
            (_EQUAL, 0, 4, syscalls.number(name, machine)),
            (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument),  # the low half; both architectures are little-endian
            (_ANY_BIT, 0, 1, bits),
            (_RETURN, 0, 0, _FAIL | errno.EPERM),
            (_RETURN, 0, 0, _ALLOW),
        ]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
