"""The host's side: a pool of warm jailed workers that runs programs and judges solutions.

with Sandbox() as box:
    box.run("print(6 * 7)").stdout                                  # "42\\n"
    box.judge("def f(x): return x", "assert f(1) == 1", "f").passed  # True
"""

import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Literal, Self, TypeVar

from better_ai.errors import UserError
from better_ai.sandbox.judge import Order, Outcome, Script, execution, judgement
from better_ai.sandbox.launch import Zygote, launch, require_platform, unavailable
from better_ai.sandbox.limits import Limits
from better_ai.sandbox.orders import Reply
from better_ai.sandbox.result import ExecutionResult, JudgeJob, Tier, Verdict

T = TypeVar("T")

KEPT_OUTPUT_BYTES = 64 << 10  # of each stream
_MAX_REPLY_BYTES = 4096
_GRACE_SECONDS = 30.0  # beyond the wall limits of all that is queued, before a silent worker counts as lost
_QUEUED_PER_WORKER = 2  # one running, one waiting, so that no worker idles between two
_ATTEMPTS = 2
# Tried before the first real run: the limits and denials that everything else rests on.
_SELF_TEST = """
import os, socket
for forbidden in os.fork, socket.socket, lambda: os.listdir("/proc/1"), lambda: open("/x", "w"), lambda: os.kill(2, 0):
    try:
        forbidden()
    except OSError:
        continue
    raise SystemExit(f"not held back: {forbidden}")
"""


class Sandbox:
    """Runs untrusted programs in fresh namespaces, several at a time, and judges them.

    Any number of threads may use one sandbox. A child made by `os.fork` may not: it is refused there, and should open
    its own. When the host dies, or leaves the `with` block, everything inside the jail dies too. Left out: packages
    beyond the standard library, standard input, networks.

    Raises `SandboxUnavailable` where the system forbids what the jail is built from; it never runs anything unjailed.
    """

    tier: Tier = "jail"

    def __init__(self, workers: int | None = None, limits: Limits | None = None) -> None:
        """`workers` defaults to the CPUs this process may use; `limits` hold for runs that bring none of their own."""
        require_platform()
        self.workers = len(os.sched_getaffinity(0)) if workers is None else workers
        if self.workers < 1:
            raise UserError(f"a sandbox needs at least one worker, found workers={workers}")
        self.limits = limits or Limits()
        self._slots = threading.BoundedSemaphore(self.workers * _QUEUED_PER_WORKER)
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._longest_seconds = 0.0  # the longest wall limit yet: what may stand before an order in the queue
        self._zygote: Zygote | None = launch(self.workers)
        _open_sandboxes.add(self)
        self._self_test()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_zygote"):
            self.close()

    def close(self) -> None:
        """End the jail and every run in it. Closing twice is allowed."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.stop()

    def run(self, source: str, *, limits: Limits | None = None) -> ExecutionResult:
        """Run `source` as a program would run, with an empty stdin, /tmp as working directory and fixed seeds."""
        return self._drive([execution(source, limits or self.limits)])[0]

    def judge(
        self,
        candidate: str,
        tests: str,
        entry_point: str,
        *,
        integrity: Literal["split", "shared"] = "split",
        limits: Limits | None = None,
    ) -> Verdict:
        """Judge one solution; see `JudgeJob` for the arguments. Raises `UserError` for tests that test nothing."""
        return self.judge_many([JudgeJob(candidate, tests, entry_point, integrity, limits)])[0]

    def judge_many(self, jobs: Sequence[JudgeJob]) -> list[Verdict]:
        """Judge all jobs, all workers busy, and return the verdicts in the order of the jobs."""
        return self._drive([judgement(job, self.limits) for job in jobs])

    def _drive(self, scripts: Sequence[Script[T]]) -> list[T]:
        """Run many scripts at once: send each order, feed its outcome back, collect what the scripts return."""
        results: dict[int, T] = {}
        flights: dict[int, _Flight] = {}
        begun = slots = 0  # each script in progress holds one slot

        def advance(index: int, outcome: Outcome | None) -> None:
            nonlocal slots
            try:
                order = scripts[index].send(outcome) if outcome else next(scripts[index])
            except StopIteration as finished:
                results[index] = finished.value
                self._slots.release()
                slots -= 1
            else:
                self._depart(flights, _Flight(index, order))

        try:
            while len(results) < len(scripts):
                while begun < len(scripts) and self._slots.acquire(blocking=not flights):
                    slots += 1
                    begun += 1
                    advance(begun - 1, None)
                for flight in _landed(flights):
                    outcome = flight.outcome()
                    if outcome.reply is None and flight.zygote:
                        self._replace(flight.zygote)
                    if outcome.lost and flight.attempt < _ATTEMPTS:
                        self._depart(flights, _Flight(flight.index, flight.order, flight.attempt + 1))
                    else:
                        advance(flight.index, outcome)
        finally:
            for flight in flights.values():
                flight.close()
            for _ in range(slots):
                self._slots.release()
        return [results[index] for index in range(len(scripts))]

    def _depart(self, flights: dict[int, "_Flight"], flight: "_Flight") -> None:
        zygote = self._living()
        self._longest_seconds = max(self._longest_seconds, flight.order.limits.wall_seconds)
        flight.deadline = time.monotonic() + _QUEUED_PER_WORKER * self._longest_seconds + _GRACE_SECONDS
        flights[flight.reply.fileno()] = flight  # before it departs: an interruption from here on ends the run
        try:
            flight.depart(zygote)
        except OSError:  # it died while idle
            flight.depart(self._replace(zygote))

    def _living(self) -> Zygote:
        if os.getpid() != self._owner:
            raise UserError("this sandbox belongs to the process that opened it: open another one after a fork")
        if (zygote := self._zygote) is None:
            raise UserError("this sandbox is closed: use it inside its `with` block")
        return zygote

    def _replace(self, dead: Zygote) -> Zygote:
        """Start another jail in place of `dead`, unless another thread has already done so."""
        with self._lock:
            if self._living() is dead:
                dead.stop()
                self._zygote = launch(self.workers)
            return self._living()

    def _self_test(self) -> None:
        """Try what must be denied before anything untrusted runs."""
        result = self.run(_SELF_TEST, limits=Limits(processes=1))
        if result.status != "exit" or result.exit_code != 0:
            self.close()
            said = result.stderr.strip().splitlines()[-1:] or [f"its first run ended with {result.status}"]
            raise unavailable(f"a trial run was refused or not held back ({said[0]})")


class _Flight:
    """An order under way: the descriptors it travels with, and where its reply will arrive."""

    def __init__(self, index: int, order: Order, attempt: int = 1) -> None:
        self.index = index
        self.order = order
        self.attempt = attempt
        self.zygote: Zygote | None = None
        self.deadline = 0.0
        self.stdout, self.stderr = os.memfd_create("stdout"), os.memfd_create("stderr")
        self.reply, self._sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def depart(self, zygote: Zygote) -> None:
        payloads = [_memory_file(data) for data in (self.order.payload, self.order.solution) if data is not None]
        fds = [self._sender.fileno(), payloads[0], self.stdout, self.stderr, *payloads[1:]]
        try:
            zygote.send(self.order.limits, fds)
        finally:
            for fd in payloads:
                os.close(fd)
        self.zygote = zygote
        self._sender.close()  # the worker's copy is the only one left: if it dies, the reply ends

    def outcome(self) -> Outcome:
        """Call once, when something arrived or the deadline passed."""
        try:
            data = self.reply.recv(_MAX_REPLY_BYTES, socket.MSG_DONTWAIT)
        except OSError:
            data = b""
        sizes = [os.fstat(fd).st_size for fd in (self.stdout, self.stderr)]
        texts = [os.pread(fd, KEPT_OUTPUT_BYTES, 0).decode("utf-8", "replace") for fd in (self.stdout, self.stderr)]
        self.close()
        return Outcome(Reply.unpack(data) if data else None, texts[0], texts[1], sum(sizes))

    def close(self) -> None:
        """A worker that sees its reply unwanted ends the run."""
        self.reply.close()
        self._sender.close()
        os.close(self.stdout)
        os.close(self.stderr)


def _landed(flights: dict[int, _Flight]) -> list[_Flight]:
    """Wait for replies and take the flights that have one, or are overdue, out of `flights`."""
    poller = select.poll()
    for fd in flights:
        poller.register(fd, select.POLLIN)
    seconds = min((flight.deadline for flight in flights.values()), default=0.0) - time.monotonic()
    ready = [fd for fd, _ in poller.poll(max(0.0, seconds) * 1000)] if flights else []
    now = time.monotonic()
    overdue = [fd for fd, flight in flights.items() if flight.deadline <= now and fd not in ready]
    return [flights.pop(fd) for fd in (*ready, *overdue)]


def _memory_file(data: bytes) -> int:
    fd = os.memfd_create("payload")
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    return fd


_open_sandboxes: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _let_go_after_fork() -> None:
    """A forked child must not keep a jail alive after the host is gone."""
    for sandbox in _open_sandboxes:
        if zygote := sandbox._zygote:
            zygote.control.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_after_fork)
