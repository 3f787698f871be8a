"""The warm pool inside the jail.

    host ── zygote: pid 1 of its own namespaces, rights dropped, standard library loaded
              ├─ worker: takes an order, clones a run into namespaces of its own, waits, replies
              │    └─ run (or a pair: tests and solution): confined, executes the payload, is gone
              └─ ... one worker per core

Everything slow (interpreter, imports, the outer namespaces) happens once. The zygote then only watches: when the host
goes away or a worker dies it ends, and the kernel ends everything below it.
"""

import contextlib
import gc
import os
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from better_ai.sandbox import jail, linux, orders, programs, seccomp
from better_ai.sandbox.limits import Limits
from better_ai.sandbox.wire import Link

# What solutions import most; a run pays for each by the page tables it inherits, and saves the import.
PRELOADED = """
    abc bisect cmath collections contextlib copy dataclasses datetime decimal enum fractions functools hashlib heapq
    itertools json math numbers operator random re statistics string struct time traceback typing
"""
_LONGEST_POLL_MS = 2**31 - 1
_CPU_LIMIT_REACHED = 0.5  # of the limit, which the kernel counts in ticks, as seen in the exact time it reports


@dataclass(frozen=True, slots=True)
class Ground:
    """What a worker needs to start runs."""

    proc: int  # descriptor of the outer /proc, for id maps
    owner: tuple[int, int]  # uid and gid of zygote and workers
    install_filter: Callable[[], None]


def main(control_fd: int, workers: int, visible: list[str]) -> NoReturn:
    """What the interpreter that the host starts does. Its first message is `READY`, or `REFUSED` and why.

    Runs see the paths in `visible` beside the system's programs and libraries.
    """
    control = socket.socket(fileno=control_fd)
    try:
        ground = _enter(visible)
        children = [_fork_worker(control, ground) for _ in range(workers)]
    except Exception as error:
        control.send(orders.REFUSED + str(error).encode("utf-8", "replace")[:1000])
        os._exit(1)
    control.send(orders.READY)
    _watch(control, children)


def _enter(visible: list[str]) -> Ground:
    """Become pid 1 of a jail of its own. The parent stays outside as a stub that waits for it."""
    for module in PRELOADED.split():
        import_module(module)
    os.umask(0o022)
    install_filter = linux.seccomp_installer(seccomp.run_program())
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    owner = os.geteuid(), os.getegid()
    # The kernel exempts real root from process limits, even in a user namespace: become somebody else where possible.
    becomes_nobody = owner[0] == 0 and _maps_nobody()
    linux.unshare(jail.OUTER_NAMESPACES | (0 if becomes_nobody else linux.NEWUSER))
    if not becomes_nobody:
        linux.map_ids(proc, owner, 0)
        owner = 0, 0
    if pid := os.fork():
        _stand_outside(pid)
    linux.die_with_parent()
    jail.build_root(visible)
    if becomes_nobody:
        owner = jail.NOBODY, jail.NOBODY
        os.setgroups([])
        os.setresgid(jail.NOBODY, jail.NOBODY, jail.NOBODY)
        os.setresuid(jail.NOBODY, jail.NOBODY, jail.NOBODY)
        linux.die_with_parent()
    linux.set_dumpable(False)
    _require_readable_library()
    linux.seccomp_installer(seccomp.worker_program())()
    sys.dont_write_bytecode = True
    gc.collect()
    gc.freeze()
    return Ground(proc, owner, install_filter)


def _require_readable_library() -> None:
    """Every late import of a run would fail otherwise."""
    try:
        Path(os.__file__).read_bytes()
    except OSError as error:
        folder = Path(os.__file__).parent
        raise OSError(f"the jail's user cannot read Python's library ({error}): run `chmod -R o+rX {folder}`") from None


def _maps_nobody() -> bool:
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    ranges = [[int(field) for field in line.split()] for line in lines]
    return any(inside <= jail.NOBODY < inside + count for inside, _, count in ranges)


def _stand_outside(pid: int) -> NoReturn:
    os.closerange(3, 1 << 16)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    os._exit(0)


def _fork_worker(control: socket.socket, ground: Ground) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _work(control, ground)
        finally:
            os._exit(1)
    return pid


def _watch(control: socket.socket, children: list[int]) -> NoReturn:
    """End the whole jail when the host hangs up or a worker is lost; the host starts another."""
    poller = select.poll()
    poller.register(control, 0)  # a hang-up is always reported
    for pid in children:
        poller.register(os.pidfd_open(pid), select.POLLIN)
    poller.poll()
    os._exit(0)


def _work(control: socket.socket, ground: Ground) -> None:
    while order := orders.receive(control):
        limits, fds = order
        reply_fd, payload, stdout, stderr, *solution = fds
        try:
            reply = _judge_pair if solution else _run_alone
            answer = reply(ground, limits, reply_fd, payload, stdout, stderr, *solution)
        except OSError as error:
            answer = orders.Reply(orders.NOT_RUN, orders.NOT_RUN, str(error))
        with contextlib.suppress(OSError):  # the host gave up waiting
            os.write(reply_fd, answer.pack())
        for fd in fds:
            os.close(fd)


@dataclass(slots=True)
class _Run:
    """A cloned process, and the pipe that says whether it got as far as its payload."""

    pid: int
    setup: int
    started: float

    def wait(self, limits: Limits, *, hit_wall_limit: bool = False) -> tuple[orders.Ending, str]:
        _, status, usage = os.wait4(self.pid, 0)
        signal_number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        cpu_seconds = usage.ru_utime + usage.ru_stime
        ending = orders.Ending(
            hit_wall_limit=hit_wall_limit,
            # At the limit comes a plain SIGKILL. No process inside can send one to the first of its namespace.
            hit_cpu_limit=signal_number == signal.SIGKILL and cpu_seconds >= _CPU_LIMIT_REACHED * limits.cpu_seconds,
            exit_code=os.WEXITSTATUS(status),
            signal=signal_number,
            wall_seconds=time.monotonic() - self.started,
            cpu_seconds=cpu_seconds,
            peak_memory_bytes=usage.ru_maxrss * 1024,
        )
        setup_error = os.read(self.setup, 1024).decode("utf-8", "replace")
        os.close(self.setup)
        return ending, setup_error


def _run_alone(ground: Ground, limits: Limits, reply: int, payload: int, stdout: int, stderr: int) -> orders.Reply:
    run = _start(ground, limits, payload, stdout, stderr, link=-1)
    late = _await(run.pid, limits.wall_seconds, reply)
    ending, setup_error = run.wait(limits, hit_wall_limit=late)
    return orders.Reply(ending, orders.NOT_RUN, setup_error)


def _judge_pair(
    ground: Ground, limits: Limits, reply: int, payload: int, stdout: int, stderr: int, solution_payload: int
) -> orders.Reply:
    """The tests' process gives the verdict; the solution's answers its calls and is killed when the tests end."""
    near, far = socket.socketpair()
    with near, far:
        solution = _start(ground, limits, solution_payload, stdout=-1, stderr=-1, link=far.fileno())
        far.close()
        try:
            tests = _start(ground, limits, payload, stdout, stderr, link=near.fileno())
        except OSError:
            os.kill(solution.pid, signal.SIGKILL)
            solution.wait(limits)
            raise
    late = _await(tests.pid, limits.wall_seconds, reply)
    main, setup_error = tests.wait(limits, hit_wall_limit=late)
    os.kill(solution.pid, signal.SIGKILL)
    other, other_setup_error = solution.wait(limits)
    return orders.Reply(main, other, setup_error or other_setup_error)


def _await(pid: int, seconds: float, reply: int) -> bool:
    """Wait for a run and kill it, hence its whole namespace, when the host stops waiting or (then True) time is up."""
    pidfd = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.register(reply, 0)
        events = poller.poll(min(seconds * 1000, _LONGEST_POLL_MS))
        if (pidfd, select.POLLIN) not in events:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return not events
    finally:
        os.close(pidfd)


def _start(ground: Ground, limits: Limits, payload: int, stdout: int, stderr: int, link: int) -> _Run:
    setup, child_setup = os.pipe()
    started = time.monotonic()
    try:
        pid = linux.clone(jail.RUN_NAMESPACES)
        if pid == 0:
            _become_run(ground, limits, payload, stdout, stderr, link, child_setup)
        return _Run(pid, setup, started)
    except OSError:
        os.close(setup)
        raise
    finally:
        os.close(child_setup)


def _become_run(
    ground: Ground, limits: Limits, payload: int, stdout: int, stderr: int, link: int, setup: int
) -> NoReturn:
    try:
        role, parts = orders.read_payload(payload)
        jail.enter(limits, ground.proc, ground.owner)
        setup = jail.rewire(stdout, stderr, link, setup)
        random.seed(0)
        jail.confine(limits, ground.install_filter)
    except BaseException as error:
        os.write(setup, f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:1000])
        os._exit(1)
    status = 1
    try:
        os.close(setup)
        status = programs.perform(role, parts, Link(jail.LINK_FD) if link >= 0 else None)
    finally:
        os._exit(status)
