"""The pool: order, threads, lost jails, the end of the host, and systems that forbid the jail."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from better_ai.errors import SandboxUnavailable, UserError
from better_ai.sandbox import JudgeJob, Limits, Sandbox, launch, orders, sandbox

CODE_ROOT = Path(__file__).parents[2]
GIVE_UP_SECONDS = 60


def jobs(count: int) -> list[JudgeJob]:
    """Every third fails, and says which it is."""
    return [JudgeJob(f"def f(x): return x + {n % 3}", f"assert f(1) in (1, 2)  # job {n}", "f") for n in range(count)]


def expected(count: int) -> list[tuple[str, str]]:
    return [
        ("failed", f"assertion failed: assert f(1) in (1, 2)  # job {n}")
        if n % 3 == 2
        else ("passed", "all tests passed")
        for n in range(count)
    ]


def test_verdicts_come_in_the_order_of_the_jobs(box: Sandbox) -> None:
    verdicts = box.judge_many(jobs(60))
    assert [(verdict.status, verdict.reason) for verdict in verdicts] == expected(60)
    assert box.judge_many([]) == []


def test_a_slow_job_does_not_hold_up_the_others(box: Sandbox) -> None:
    slow = JudgeJob("import time\ndef f(x):\n    time.sleep(0.5)\n    return x", "assert f(1) == 1", "f")
    verdicts = box.judge_many([slow, *jobs(20)])
    assert verdicts[0].passed
    assert [(verdict.status, verdict.reason) for verdict in verdicts[1:]] == expected(20)


def test_many_threads_may_share_a_sandbox(box: Sandbox) -> None:
    with ThreadPoolExecutor(8) as threads:
        for verdicts in threads.map(lambda count: box.judge_many(jobs(count)), [9] * 16):
            assert [(verdict.status, verdict.reason) for verdict in verdicts] == expected(9)


def test_no_descriptor_is_leaked_and_no_slot_kept(box: Sandbox) -> None:
    box.judge_many(jobs(4))
    before = sorted(Path("/proc/self/fd").iterdir())
    box.judge_many(jobs(8))
    box.run("print(1)")
    with pytest.raises(ZeroDivisionError):
        box._drive([iter_failing()])
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    assert box._slots._value == box.workers * 2  # type: ignore[attr-defined]


def iter_failing() -> Any:
    yield sandbox.Order(Limits(), orders.payload("program", source="pass"))
    raise ZeroDivisionError


# ---- losing the jail


def test_a_jail_that_died_idle_is_started_again() -> None:
    with Sandbox(workers=1) as box:
        assert box._zygote
        box._zygote.process.kill()
        box._zygote.process.wait()
        assert box.run("print(1)").stdout == "1\n"


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Kills the jail right after each order that it counts down for."""
    remaining = [0]
    depart = sandbox._Flight.depart

    def depart_and_kill(flight: Any, zygote: Any) -> None:
        depart(flight, zygote)
        if remaining[0]:
            remaining[0] -= 1
            zygote.process.kill()

    monkeypatch.setattr(sandbox._Flight, "depart", depart_and_kill)
    yield remaining


SLEEPER = JudgeJob("import time\ntime.sleep(0.2)\ndef f(x): return x", "assert f(1) == 1", "f")


def test_jobs_lost_with_the_jail_are_tried_again(deadly: list[int]) -> None:
    with Sandbox(workers=2) as box:
        deadly[0] = 1
        assert [verdict.status for verdict in box.judge_many([SLEEPER] * 4)] == ["passed"] * 4


def test_jobs_lost_twice_are_lost_and_not_failed(deadly: list[int]) -> None:
    with Sandbox(workers=1) as box:
        deadly[0] = 2
        verdict = box.judge_many([SLEEPER])[0]
        assert (verdict.passed, verdict.status) == (False, "lost")
        assert "died twice" in verdict.reason
        deadly[0] = 2
        result = box.run("import time\ntime.sleep(0.2)")
        assert (result.status, result.exit_code, result.signal) == ("lost", None, None)
        assert box.judge_many([SLEEPER])[0].passed


def test_a_run_that_cannot_be_set_up_is_an_error_of_the_jail(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "payload", lambda role, **parts: b"{")
    result = box.run("print(1)")
    assert (result.status, result.exit_code) == ("error", None)
    assert "JSONDecodeError" in result.stderr
    verdict = box.judge("def f(): pass", "assert f() is None", "f")
    assert (verdict.status, verdict.passed) == ("lost", False)
    assert "could not be set up" in verdict.reason


def test_a_set_up_error_cannot_be_forged(box: Sandbox) -> None:
    source = dedent("""
        import os
        for fd in range(3, 64):
            try: os.write(fd, b"OSError: set-up")
            except OSError: pass
        os._exit(1)
    """)
    assert box.run(source).status == "exit"


def test_an_overdue_worker_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(workers=1) as box:
        monkeypatch.setattr(sandbox, "_GRACE_SECONDS", -1000.0)
        assert box.run("import time\ntime.sleep(1000)").status == "lost"
        monkeypatch.undo()
        assert box.run("print(1)").status == "exit"


# ---- closing, forking, dying


def test_a_closed_sandbox_says_so() -> None:
    with Sandbox(workers=1) as box:
        zygote = box._zygote
    assert zygote and zygote.process.poll() is not None
    box.close()
    with pytest.raises(UserError, match="closed"):
        box.run("print(1)")


def test_a_forked_child_is_refused_and_does_not_keep_the_jail_alive() -> None:
    with Sandbox(workers=1) as box:
        reader, writer = os.pipe()
        hold, release = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(release)
            try:
                box.run("print(1)")
            except UserError as error:
                os.write(writer, str(error).encode())
            os.read(hold, 1)
            os._exit(0)
        assert b"fork" in os.read(reader, 1000)
        assert box.run("print(1)").stdout == "1\n"
        assert box._zygote
        process = box._zygote.process
    assert process.returncode == 0, "it ended by itself when this process hung up"
    os.close(release)
    os.waitpid(pid, 0)
    for fd in (reader, writer, hold):
        os.close(fd)


HOST = """
import threading
from better_ai.sandbox import Sandbox
with Sandbox(workers=2) as box:
    print(box._zygote.process.pid, flush=True)
    box.judge("import time\\ntime.sleep(10 ** 6)", "assert f()", "f")
"""


def descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(entry.parent.name))
    tree = [pid]
    for member in tree:
        tree += parents.get(member, [])
    return tree


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_outlives_the_host(ending: signal.Signals) -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", HOST], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert host.stdout
    stub = int(host.stdout.readline())
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while len(tree := descendants(stub)) < 6:  # stub, zygote, two workers, tests and solution
        assert time.monotonic() < deadline, tree
    endings = [os.pidfd_open(pid) for pid in tree]
    os.killpg(host.pid, ending)  # as Ctrl-C does, to the whole foreground group
    host.communicate(timeout=GIVE_UP_SECONDS)
    for fd in endings:
        assert select.select([fd], [], [], GIVE_UP_SECONDS)[0], "still alive"
        os.close(fd)


@pytest.mark.parametrize("where", ["while waiting", "just after sending"])
def test_an_interrupted_call_frees_its_workers_at_once(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    send = launch.Zygote.send

    def wait_and_interrupt(flights: object) -> None:
        raise KeyboardInterrupt

    def send_and_interrupt(self: launch.Zygote, limits: Limits, fds: list[int]) -> None:
        send(self, limits, fds)
        raise KeyboardInterrupt

    with Sandbox(workers=1, limits=Limits(wall_seconds=1000)) as box:
        with monkeypatch.context() as patch:
            if where == "while waiting":
                patch.setattr(sandbox, "_landed", wait_and_interrupt)
            else:
                patch.setattr(launch.Zygote, "send", send_and_interrupt)
            with pytest.raises(KeyboardInterrupt):
                box.run("import time\ntime.sleep(10 ** 6)")
        assert box.run("print(1)").stdout == "1\n"


# ---- systems that forbid it

DENIED = """
import errno, struct, sys
from better_ai.errors import SandboxUnavailable
from better_ai.sandbox import Sandbox, linux, syscalls
name, argument, bits = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
number = syscalls.number(name)
rules = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16 + 8 * argument), (0x45, 0, 1, bits)]
rules += [(0x06, 0, 0, 0x00050000 | errno.EPERM), (0x06, 0, 0, 0x7FFF0000)]
linux.seccomp_installer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))()
try:
    with Sandbox(workers=1) as box:
        print("RUNS", box.run("print(1)"))
except SandboxUnavailable as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("call", "argument", "bits", "named"),
    [
        ("unshare", 0, 0xFFFFFFFF, "unshare"),
        ("clone", 0, 0x10000000, "clone"),
        ("mount", 3, 0xFFFFFFFF, "mount"),
        ("mount_setattr", 4, 0xFFFFFFFF, "mount_setattr"),
        ("pivot_root", 0, 0xFFFFFFFF, "pivot_root"),
        ("capset", 0, 0xFFFFFFFF, "capset"),
    ],
)
def test_a_kernel_that_forbids_a_part_is_refused_by_name(call: str, argument: int, bits: int, named: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DENIED, call, str(argument), str(bits)],
        capture_output=True,
        text=True,
        timeout=GIVE_UP_SECONDS,
    )
    assert done.stdout.startswith("The sandbox cannot start"), done
    assert named in done.stdout and "Operation not permitted" in done.stdout and "sysctl" in done.stdout
    assert done.stdout.count("\n") == 1, "one paragraph"


def test_a_jail_that_holds_nothing_back_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_SELF_TEST", sandbox._SELF_TEST.replace("os.fork,", "os.fork, os.getpid,"))
    with pytest.raises(SandboxUnavailable, match=r"not held back.*getpid"):
        Sandbox(workers=1)


def test_other_systems_and_processors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.platform, "machine", lambda: "riscv64")
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        Sandbox()
    monkeypatch.setattr(launch.sys, "platform", "darwin")
    with pytest.raises(SandboxUnavailable, match=r"Linux namespaces and this is darwin.*Use a Linux machine"):
        Sandbox()


def test_a_library_that_the_jail_cannot_see_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_interpreter", lambda: (str(Path(sys.executable).resolve()), []))
    if Path(os.__file__).is_relative_to("/usr"):
        pytest.skip("this Python lies in /usr, which every run sees")
    with pytest.raises(SandboxUnavailable, match=r"cannot read Python's library.*chmod"):
        Sandbox()


def test_a_python_that_every_run_would_hide_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.sys, "_base_executable", "/tmp/python/bin/python3")
    with pytest.raises(SandboxUnavailable, match=r"lies below /tmp .*elsewhere"):
        Sandbox()


def test_an_embedded_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.sys, "_base_executable", "")
    monkeypatch.setattr(launch.sys, "executable", "")
    with pytest.raises(SandboxUnavailable, match="full path"):
        Sandbox()


def test_an_interpreter_that_cannot_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_BOOT", "raise SystemExit('no such luck')")
    with pytest.raises(SandboxUnavailable, match="no such luck"):
        Sandbox()


def test_the_number_of_workers_must_make_sense() -> None:
    with pytest.raises(UserError, match="workers=0"):
        Sandbox(workers=0)
    with Sandbox() as box:
        assert box.workers == len(os.sched_getaffinity(0))


def test_the_jailed_side_loads_no_heavy_part() -> None:
    code = dedent("""
        import sys
        from better_ai.sandbox import zygote
        print(sorted(name for name in sys.modules if name.split(".")[0] in ("better_ai", "torch", "numpy", "pydantic")))
    """)
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=CODE_ROOT, check=True)
    allowed = ["jail", "limits", "linux", "orders", "programs", "seccomp", "syscalls", "wire", "zygote"]
    assert eval(done.stdout) == ["better_ai", "better_ai.errors", "better_ai.sandbox"] + [
        f"better_ai.sandbox.{name}" for name in allowed
    ]
