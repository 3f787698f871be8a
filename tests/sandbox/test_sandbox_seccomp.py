"""The system call filter, interpreted here for both architectures, and its numbers."""

import errno
import re
import struct
from pathlib import Path

import pytest

from better_ai.sandbox import linux, seccomp, syscalls

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386 = 0x40000003


def evaluate(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """Run a classic BPF program on a struct seccomp_data, as the kernel does."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    position = accumulator = 0
    while True:
        code, if_true, if_false, operand = struct.unpack_from("<HBBI", program, 8 * position)
        position += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        else:
            outcome = {
                0x15: accumulator == operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }[code]
            position += if_true if outcome else if_false


@pytest.fixture(params=syscalls.ARCHITECTURES)
def machine(request: pytest.FixtureRequest) -> str:
    return request.param


def call(machine: str, name: str, *arguments: int) -> int:
    number = syscalls.number(name, machine)
    assert number is not None
    return both_layers(machine, AUDIT[machine], number, *arguments)


def both_layers(machine: str, architecture: int, number: int, *arguments: int) -> int:
    """The kernel takes the stricter answer: kill before error before allow."""
    answers = [
        evaluate(layer(machine), architecture, number, *arguments)
        for layer in (seccomp.worker_program, seccomp.run_program)
    ]
    return KILL if KILL in answers else min(answers)


def test_denied_calls_fail_and_others_pass(machine: str) -> None:
    tables = seccomp.DENIED | seccomp.DENIED_TO_RUNS
    denied = {syscalls.number(name, machine) for names in tables.values() for name in names.split()} - {None}
    for number in range(600):
        expected = EPERM if number in denied else ENOSYS if number == 435 else ALLOW
        assert both_layers(machine, AUDIT[machine], number) == expected


def test_workers_keep_what_sets_up_a_run_and_no_more(machine: str) -> None:
    program = seccomp.worker_program(machine)
    kept = {"mount", "clone", "socketpair", "sendto", "sendmsg", "capset"}
    for name in syscalls.NUMBERS:
        number = syscalls.number(name, machine)
        if number is not None and name != "clone3":
            assert evaluate(program, AUDIT[machine], number) == (ALLOW if name in kept else EPERM), name


def test_new_namespaces_are_denied_and_threads_are_not(machine: str) -> None:
    assert call(machine, "clone3") == ENOSYS
    thread = 0x3D0F00  # what the C library asks for
    assert call(machine, "clone", thread) == call(machine, "clone", 17) == ALLOW
    for flag in (linux.NEWNS, linux.NEWCGROUP, linux.NEWUTS, linux.NEWIPC, linux.NEWUSER, linux.NEWPID, linux.NEWNET):
        assert call(machine, "clone", thread | flag) == call(machine, "clone", 17 | flag) == EPERM


def test_only_connected_stream_pairs_exist(machine: str) -> None:
    nonblocking_and_cloexec = 0o4000 | 0o2000000
    assert call(machine, "socketpair", 1, 1) == call(machine, "socketpair", 1, 1 | nonblocking_and_cloexec) == ALLOW
    for kind in (2, 3, 4, 5, 6, 10):
        assert call(machine, "socketpair", 1, kind) == call(machine, "socketpair", 1, kind | 0o4000) == EPERM
    assert call(machine, "sendto", 3, 0, 1, 0) == call(machine, "sendmsg", 3, 0, 0x4000) == ALLOW
    assert call(machine, "sendto", 3, 0, 1, 1) == call(machine, "sendmsg", 3, 0, 0x4001) == EPERM


def test_other_abis_are_killed(machine: str) -> None:
    for program in (seccomp.worker_program(machine), seccomp.run_program(machine)):
        assert evaluate(program, I386, 20) == KILL
        assert evaluate(program, AUDIT[machine], 0x40000000 | 1) == KILL


def test_other_architectures_are_refused() -> None:
    with pytest.raises(OSError, match="riscv64"):
        seccomp.run_program("riscv64")


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        ("aarch64", "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_numbers_agree_with_the_kernel_headers(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip(f"{header} is not installed")
    text = Path(header).read_text()
    defined = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    known = {name: syscalls.number(name, machine) for name in syscalls.NUMBERS}
    assert {name: number for name, number in known.items() if name in defined} == {
        name: defined[name] for name in known if name in defined
    }
    newer_than_some_headers = {"listmount", "open_tree_attr", "statmount"}
    missing = {name for name, number in known.items() if number is not None and name not in defined}
    assert missing <= newer_than_some_headers
