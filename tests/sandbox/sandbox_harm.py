"""Programs that would hurt the host.

Most go through a list of tries, print ESCAPED where one got through, and say at the end that they got there.
"""

TOOLS = """
import ctypes, os, signal, socket, subprocess, sys, time
def attempt(name, action):
    try:
        result = action()
    except Exception as error:
        return print(name, "held:", type(error).__name__)
    if result is not False:
        print("ESCAPED", name, result)
def libc(name, *arguments):
    # An error is an OSError.
    ctypes.set_errno(0)
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    result = function(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result
def read(path):
    with open(path, "rb") as file:
        return file.read(100)
def write(path):
    with open(path, "w") as file:
        file.write("hurt")
"""


def tries(body: str) -> str:
    return f"{TOOLS}\n{body}\nprint('reached its end')\n"


HARM: dict[str, str] = {
    # Using up what there is.
    "fork more than allowed": tries("""
def crowd():
    alive = 0
    for _ in range(100):
        if os.fork() == 0:
            time.sleep(60)
        alive += 1
    return alive
attempt("100 processes", crowd)
"""),
    "memory bomb": """
blocks = []
while True:
    blocks.append(bytearray(1 << 24))
    print(len(blocks), flush=True)
""",
    "memory at one go": tries("""
attempt('allocate', lambda: len(bytearray(1 << 30)))
"""),
    "memory files beyond any limit": tries("""
attempt('memfd', lambda: os.memfd_create('x'))
"""),
    "shared memory segments": tries("""
attempt("shmget", lambda: libc("shmget", 0, 1 << 20, 0o1600))
attempt("semget", lambda: libc("semget", 0, 1, 0o1600))
attempt("msgget", lambda: libc("msgget", 0, 0o1600))
attempt("mq_open", lambda: libc("mq_open", b"/x", os.O_CREAT | os.O_RDWR, 0o600, None))
attempt("mlock", lambda: libc("mlockall", 3))
"""),
    "output flood": """
import os
block = b'x' * 65536
while True: os.write(1, block)
""",
    "output flood that is not text": """
import os
block = bytes(range(256)) * 256
while True: os.write(2, block)
""",
    "output file made huge": tries("""
attempt('truncate', lambda: os.ftruncate(1, 1 << 40))
"""),
    "disk filling": tries("""
def fill():
    for number in range(100):
        with open(f"/tmp/{number}", "wb") as file:
            file.write(bytes(1 << 20))
    return "100 MB written"
attempt("fill", fill)
"""),
    "a million files": tries("""
attempt('inodes', lambda: [open(f'/tmp/{n}', 'w').close() for n in range(5000)])
"""),
    "one large file": tries("""
attempt("seek and write", lambda: os.pwrite(os.open("/tmp/x", os.O_CREAT | os.O_RDWR), b"x", 1 << 30))
attempt("fallocate", lambda: os.posix_fallocate(os.open("/tmp/x", os.O_CREAT | os.O_RDWR), 0, 1 << 30))
"""),
    "descriptors": tries("""
attempt('open', lambda: [os.dup(1) for _ in range(5000)])
"""),
    "raising the limits again": tries("""
import resource
for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
    attempt(kind, lambda kind=kind: resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
"""),
    "priority": tries("""
attempt("nice", lambda: os.nice(-5))
attempt("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
"""),
    # Reaching out.
    "sockets": tries(r"""
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_VSOCK):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        attempt((family, kind), lambda family=family, kind=kind: socket.socket(family, kind))
attempt("abstract witness", lambda: socket.create_connection("\0witness"))
"""),
    "datagrams through a socket pair": tries(r"""
for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC):
    attempt(kind, lambda kind=kind: socket.socketpair(socket.AF_UNIX, kind))
stream = socket.socketpair()[0]
attempt("addressed stream", lambda: stream.sendto(b"x", "\0witness"))
attempt("urgent data", lambda: stream.send(b"x", socket.MSG_OOB))
attempt("urgent data by message", lambda: stream.sendmsg([b"x"], [], socket.MSG_OOB))
attempt("bind", lambda: stream.bind("\0mine"))
"""),
    "files outside": tries("""
for path in ("/x", "/usr/x", "/dev/x", "/etc/passwd", "/home/x", "/root/x", sys.prefix + "/x", os.__file__):
    attempt(path, lambda path=path: write(path))
attempt("mkdir", lambda: os.mkdir("/new"))
attempt("chmod root", lambda: os.chmod("/", 0o777))
attempt("chmod library", lambda: os.chmod(os.__file__, 0o777))
attempt("chmod device", lambda: os.chmod("/dev/null", 0))
attempt("delete library", lambda: os.unlink(os.__file__))
attempt("rename /tmp", lambda: os.rename("/tmp", "/old"))
attempt("device node", lambda: os.mknod("/tmp/sda", 0o60600, os.makedev(8, 0)))
attempt("truncate", lambda: os.truncate(os.__file__, 0))
"""),
    "escape of the root": tries("""
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("dots", lambda: False if sorted(os.listdir("/../../..")) == sorted(os.listdir("/")) else "left")
attempt("handle", lambda: libc("open_by_handle_at", 0, b"x" * 16, 0))
attempt("pivot_root", lambda: libc("syscall", 155, b"/tmp", b"/tmp"))
attempt("tmp is executable", lambda: (write("/tmp/x"), os.chmod("/tmp/x", 0o777), os.access("/tmp/x", os.X_OK))[2])
"""),
    "secrets": tries("""
for path in ("/etc/passwd", "/etc/shadow", "/etc/hostname", "/tmp/home/secret", "/proc/1/environ", "/proc/self/environ",
             "/proc/self/maps", "/proc/mounts", "/sys/kernel/uevent_helper", "/root", "/home", "/dev/kmsg", "/dev/mem"):
    attempt(path, lambda path=path: read(path))
attempt("link", lambda: (os.symlink("/tmp/../../../tmp/home/secret", "/tmp/link"), read("/tmp/link"))[1])
attempt("prefix", lambda: sys.prefix != "/usr" and set(os.listdir(sys.prefix)) - {"bin", "lib", "lib64"} or False)
attempt("environment", lambda: "xyzzy" in str(os.environ) and str(os.environ))
attempt("kernel log", lambda: libc("klogctl", 3, ctypes.create_string_buffer(100), 100))
"""),
    "the environment as the kernel keeps it": tries("""
environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
found = []
while environ[len(found)]:
    found.append(environ[len(found)])
attempt("environ", lambda: any(b"xyzzy" in entry or b"SECRET" in entry for entry in found) and found)
"""),
    "inherited descriptors": tries("""
def opened():
    found = []
    for number in range(3, 4096):
        try:
            found.append((number, os.fstat(number)))
        except OSError:
            pass
    return found or False
attempt("descriptors", opened)
attempt("standard input", lambda: sys.stdin.read() or False)
"""),
    "other code in memory": tries("""
import gc
mine = "in this very program"
def others():
    texts = [o for o in gc.get_objects() if isinstance(o, dict) for o in o.values() if isinstance(o, str)]
    return [text for text in texts if "assert f(" in text and "in this very program" not in text] or False
attempt("heap", others)
"""),
    # Other processes.
    "killing the parent": tries("""
attempt("parent", lambda: os.kill(os.getppid(), signal.SIGKILL) if os.getppid() else False)
for pid in range(2, 200):
    try:
        os.kill(pid, signal.SIGKILL)
        print("ESCAPED killed", pid)
    except ProcessLookupError:
        pass
attempt("group", lambda: os.killpg(2, signal.SIGKILL))
"""),
    "killing everything": """
import os, signal
print('reached its end', flush=True)
os.kill(-1, signal.SIGKILL)
""",
    "killing its group": """
import os
os.kill(0, 9)
""",
    "tracing": tries("""
for pid in range(0, 20):
    if pid != os.getpid():
        attempt(("attach", pid), lambda pid=pid: libc("ptrace", 16, pid, 0, 0))
attempt("traceme", lambda: libc("ptrace", 0, 0, 0, 0))
buffer = ctypes.create_string_buffer(16)
attempt("read", lambda: libc("process_vm_readv", os.getppid() or 1, buffer, 1, buffer, 1, 0))
attempt("take descriptors", lambda: libc("syscall", 438, os.pidfd_open(os.getpid()), 1, 0))
"""),
    "daemon that stays": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 64)
        time.sleep(10 ** 6)
    os._exit(0)
print('reached its end')
""",
    "daemon that spins": """
import os
if os.fork() == 0:
    os.setsid()
    while True: pass
print('reached its end')
""",
    # More rights.
    "new namespaces": tries("""
clone = 56 if os.uname().machine == "x86_64" else 220
for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
    attempt(("unshare", flag), lambda flag=flag: libc("unshare", flag))
    attempt(("clone", flag), lambda flag=flag: libc("syscall", clone, flag | 17, 0, 0, 0, 0))
    attempt(("clone3", flag), lambda flag=flag: libc("syscall", 435, flag.to_bytes(8, "little") + bytes(80), 88))
attempt("setns", lambda: libc("setns", 0, 0))
"""),
    "mounts": tries("""
attempt("tmpfs", lambda: libc("mount", b"x", b"/tmp", b"tmpfs", 0, None))
attempt("proc", lambda: (os.mkdir("/tmp/proc"), libc("mount", b"x", b"/tmp/proc", b"proc", 0, None)))
attempt("remount", lambda: libc("mount", b"x", b"/usr", None, 4096 | 32, None))
attempt("umount", lambda: libc("umount2", b"/usr", 2))
attempt("open_tree", lambda: libc("syscall", 428, -100, b"/", 1))
attempt("fsopen", lambda: libc("syscall", 430, b"tmpfs", 0))
attempt("mount_setattr", lambda: libc("syscall", 442, -100, b"/", 0, bytes(32), 32))
"""),
    "becoming root": tries(r"""
attempt("setuid", lambda: os.setuid(0))
attempt("setresuid", lambda: os.setresuid(65534, 0, 0))
attempt("setgid", lambda: os.setgid(0))
attempt("groups", lambda: os.setgroups([0]))
attempt("capset", lambda: libc("capset", b"\x22\x05\x08\x20" + bytes(4), b"\xff" * 24))
attempt("bounding set", lambda: libc("prctl", 23, 21, 0, 0, 0) == 1)
attempt("setuid program", lambda: subprocess.run(["/usr/bin/su", "-c", "true"], capture_output=True).returncode == 0)
attempt("new privileges", lambda: libc("prctl", 39, 0, 0, 0, 0) == 0)
"""),
    "kernel surface": tries("""
for name, number in dict(io_uring=425, memfd_secret=447, quotactl_fd=443, pidfd_getfd=438).items():
    attempt(name, lambda number=number: libc("syscall", number, 8, bytes(256), 0, 0, 0))
for name in ("keyctl", "add_key", "bpf", "perf_event_open", "userfaultfd", "init_module", "kexec_load", "personality"):
    numbers = dict(keyctl=250, add_key=248, bpf=321, perf_event_open=298, userfaultfd=323, init_module=175,
                   kexec_load=246, personality=135)
    if os.uname().machine == "x86_64":
        attempt(name, lambda name=name: libc("syscall", numbers[name], 0, bytes(128), 0, -1, 0))
attempt("hostname", lambda: socket.sethostname("mine"))
attempt("clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0))
attempt("reboot", lambda: libc("reboot", 0x01234567))
attempt("swap", lambda: libc("swapoff", b"/dev/vda"))
"""),
    "calls of another architecture": TOOLS
    + """
import mmap
if os.uname().machine == "x86_64":
    code = bytes.fromhex("b8140000 00cd80c3".replace(" ", ""))  # mov eax, 20 (getpid of i386); int 0x80; ret
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    print("ESCAPED", ctypes.CFUNCTYPE(ctypes.c_int)(address)())
""",
}

# Harm that only a limit ends.
UNENDING: dict[str, str] = {
    "fork bomb": """
import os
while True:
    try: os.fork()
    except OSError: pass
""",
    "thread bomb": """
import threading, time
while True:
    try: threading.Thread(target=time.sleep, args=(60,)).start()
    except RuntimeError: pass
""",
    "busy loop": """
while True: pass
""",
    "busy loop in a C function": """
sum(iter(int, 1))
""",
    "endless sleep": """
import time
time.sleep(10 ** 6)
""",
    "ignored signals": """
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
""",
    "stopped child waited for": """
import os, signal
pid = os.fork()
if pid == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
os.waitpid(pid, 0)
""",
}

# What one run leaves for the next: a program, and one that looks for its traces.
LEFT_BEHIND: dict[str, tuple[str, str]] = {
    "files": (
        """
with open("/tmp/left", "w") as file:
    file.write("x")
""",
        tries("""
attempt("found", lambda: os.listdir("/tmp") or False)
"""),
    ),
    "changed modules": (
        """
import builtins, json, random
json.dumps = builtins.sorted = random.random = None
""",
        tries("""
import json, random
attempt("changed", lambda: json.dumps(sorted([2, 1])) != "[1, 2]" or random.random is None)
"""),
    ),
    "processes": (
        """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(10 ** 6)
""",
        tries("""
attempt("neighbours", lambda: [pid for pid in range(2, 1000) if os.path.exists(f"/proc/{pid}")] or False)
for pid in range(2, 1000):
    try:
        os.kill(pid, 0)
        print("ESCAPED found", pid)
    except ProcessLookupError:
        pass
"""),
    ),
}
