"""An outer wall for attack programs: a process that holds a `Sandbox` and can itself do no harm.

Whatever the jail should fail to hold meets a second set of namespaces with a root of its own, a cap on processes,
memory and CPU of the whole user, and a kill of everything at the end. Requests and answers are lines of JSON.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from better_ai.sandbox import JudgeJob, Limits, Sandbox, linux

CODE_ROOT = Path(__file__).parents[2]
ORDINARY_UID = 61234
SECRET = "xyzzy-4711"
ATTACK_LIMITS = {"memory_bytes": 256 << 20, "tmp_bytes": 4 << 20, "file_bytes": 2 << 20}
GOOD = JudgeJob("def f(x):\n    return sorted(x)", "assert f([2, 1]) == [1, 2]", "f")
BAD = JudgeJob("def f(x):\n    return x", "assert f([2, 1]) == [1, 2]", "f")


class Contained:
    """The test's end. `identity` is "ordinary user" or, where the tests run as root, "root"."""

    def __init__(self, identity: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [getattr(sys, "_base_executable", sys.executable), __file__, identity, self._folder.name],
            env={"PYTHONPATH": str(CODE_ROOT), "SECRET": SECRET},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._receive() == "ready"

    def ask(self, what: str, wall_seconds: float = 30.0, **arguments: Any) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps([what, wall_seconds, arguments]) + "\n")
        self._process.stdin.flush()
        return self._receive()

    def _receive(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the process that held the sandbox is gone"
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()  # its child, pid 1 inside, dies with it
        self._process.communicate()
        self._folder.cleanup()


def enter(identity: str, folder: str) -> None:
    """Give this process limits, namespaces, a root of its own, and the identity asked for."""
    ceilings = {resource.RLIMIT_NPROC: 400, resource.RLIMIT_AS: 4 << 30, resource.RLIMIT_FSIZE: 64 << 20}
    for kind, ceiling in (ceilings | {resource.RLIMIT_CPU: 300, resource.RLIMIT_CORE: 0}).items():
        resource.setrlimit(kind, (ceiling, ceiling))
    owner = os.geteuid(), os.getegid()
    proc = os.open("/proc", os.O_PATH)
    namespaces = linux.NEWPID | linux.NEWNS | linux.NEWNET | linux.NEWIPC
    linux.unshare(namespaces | (0 if owner[0] == 0 else linux.NEWUSER))
    if owner[0]:
        linux.map_ids(proc, owner, 0)
    if pid := os.fork():
        linux.die_with_parent()
        os.waitpid(pid, 0)
        os._exit(0)
    linux.die_with_parent()
    build_root(Path(folder))
    if owner[0] == 0 and identity == "ordinary user":
        os.setgroups([])
        os.setresgid(ORDINARY_UID, ORDINARY_UID, ORDINARY_UID)
        os.setresuid(ORDINARY_UID, ORDINARY_UID, ORDINARY_UID)
        linux.die_with_parent()
        linux.set_dumpable(True)  # as after any login


def build_root(root: Path) -> None:
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", str(root), "tmpfs", linux.MS_NOSUID, "mode=755")
    (root / "tmp").mkdir()  # first, since the checkout may lie below it
    linux.mount("tmpfs", str(root / "tmp"), "tmpfs", linux.MS_NOSUID, "mode=777,size=64m")
    devices = [f"/dev/{name}" for name in ("null", "zero", "urandom")]
    for path in ("/usr", "/bin", "/lib", "/lib64", "/etc", "/proc", sys.base_prefix, str(CODE_ROOT), *devices):
        target = Path(f"{root}{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(path).is_symlink():
            target.symlink_to(Path(path).readlink())
            continue
        if Path(path).is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.touch()
        linux.mount(path, str(target), flags=linux.MS_BIND | linux.MS_REC)
        if path != "/proc":
            linux.restrict_mount(str(target), linux.READ_ONLY | linux.NO_SUID)
    linux.pivot_into(str(root))


def processes() -> list[int]:
    """Every process in this pid namespace, found by asking for each number that was ever given out."""
    probe = os.fork()
    if probe == 0:
        os._exit(0)
    os.waitpid(probe, 0)
    return [pid for pid in range(1, probe) if exists(pid)]


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def serve() -> None:
    home = Path("/tmp/home")
    home.mkdir(mode=0o777)
    for name, text in (("secret", SECRET), ("witness", "whole")):
        (home / name).write_text(text)
        (home / name).chmod(0o666)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0witness")
    listener.listen()
    with Sandbox(workers=2) as box:
        before = processes()
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            what, wall_seconds, arguments = json.loads(line)
            limits = Limits(wall_seconds=wall_seconds, **ATTACK_LIMITS)
            answer = asdict(getattr(box, what)(**arguments, limits=limits))
            good, bad = box.judge_many([GOOD, BAD])
            answer["aftermath"] = {
                "right verdicts": (good.status, bad.status) == ("passed", "failed"),
                "same processes": processes() == before,
                "files": {path.name: path.read_text() for path in home.iterdir()}
                == {"secret": SECRET, "witness": "whole"},
            }
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    enter(*sys.argv[1:])
    serve()
