"""What a daemon cannot do, once it runs: an attacker inside it tries."""

import errno
import os
import signal
import socket
import struct
from pathlib import Path

import pytest
from support.daemons import BUILD_DIR, Daemon
from support.directory import TOKEN
from support.load import sanitizers
from support.wait import wait_until

HOOK = BUILD_DIR / "tests" / "try_forbidden.so"
ORDER = struct.Struct("=32s200sii")
SANITIZED = bool(sanitizers())
PROGRAMS = ["userli-bridge-frontend", "userli-bridge-backend"]
not_in_a_sanitizers = pytest.mark.skipif(
    SANITIZED, reason="a sanitizer's runtime needs these itself"
)


class Victim(Daemon):
    """A daemon with an attacker's code in it."""

    def __init__(self, program, directory, **settings):
        self.order = directory / "order"
        self.order.write_bytes(bytes(ORDER.size))
        preload = os.environ.get("LD_PRELOAD", "")
        super().__init__(
            program,
            {
                "LD_PRELOAD": f"{HOOK}:{preload}",
                "TRY_FORBIDDEN": self.order,
                "USERLI_TOKEN": TOKEN,
                "USERLI_BASE_URL": "http://127.0.0.1:9",
                "BACKEND_LISTEN_URL": "tcp://127.0.0.1:0",
                "SOCKETMAP_LISTEN_ADDR": "127.0.0.1:0",
                "BACKEND_URLS": "tcp://127.0.0.1:9",
                "ASAN_OPTIONS": "verify_asan_link_order=0",
                **settings,
            },
        )

    def attempt(self, what, path=""):
        """What the system call returned, or minus errno; None if it was the end."""
        self.order.write_bytes(ORDER.pack(what.encode(), os.fsencode(path), 0, 0))
        self.signal(signal.SIGUSR2)

        def outcome():
            *_, done, result = ORDER.unpack(self.order.read_bytes())
            return ("done", result) if done else ("ended", None) if not self.running else None

        return wait_until(outcome, what=f"the attempt to {what}")[1]

    @property
    def landlock(self):
        """Its version, 0 where the kernel has none."""
        return self.wait_event("sandboxed")["landlock"]


@pytest.fixture(params=PROGRAMS)
def victim(request, keeper, tmp_path):
    """victim(SETTING=value…) starts either daemon."""

    def start(**settings):
        return keeper.add(Victim(request.param, tmp_path, **settings))

    return start


def threads(daemon, field):
    """The values of a field of /proc/PID/status in all its threads."""
    return {
        line.split()[1]
        for status in Path(f"/proc/{daemon.pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith(field + ":")
    }


def test_every_thread_is_sandboxed(victim):
    daemon = victim()
    assert threads(daemon, "Seccomp") == {"2"}
    assert threads(daemon, "NoNewPrivs") == {"1"}
    assert threads(daemon, "Threads") != {"1"}, "nng's are among them"


# CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, NET_BIND_SERVICE
POWERS = 0b10000001111


@not_in_a_sanitizers
def test_little_is_left_of_what_root_may_do(victim):
    daemon = victim()
    for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert {int(value, 16) & ~POWERS for value in threads(daemon, kind)} == {0}


def test_it_can_be_turned_off_which_the_log_says(victim):
    daemon = victim(SANDBOX="off")
    assert daemon.wait_event("the sandbox is off: SANDBOX=1 turns it on")["level"] == "warn"
    assert threads(daemon, "Seccomp") == threads(daemon, "NoNewPrivs") == {"0"}
    assert not daemon.find_events("sandboxed")


# What ends the daemon, and at once.
DEADLY = [
    "execve", "fork", "namespace", "ptrace", "setuid", "mount", "chroot", "bpf", "perf",
    "module", "keyctl", "other_memory",
]


@not_in_a_sanitizers
@pytest.mark.parametrize("what", DEADLY)
def test_what_only_an_attacker_would_do_ends_it(keeper, tmp_path, what):
    # Both have the same list.
    program = PROGRAMS[DEADLY.index(what) % 2]
    daemon = keeper.add(Victim(program, tmp_path))
    daemon.exit_codes = (-signal.SIGSYS,)
    assert daemon.attempt(what) is None
    assert daemon.wait() == -signal.SIGSYS


# What fails as on a kernel that does not have it.
REFUSED = [
    "raw_packets", "raw_ip", "kernel_crypto", "kill", "tgkill", "write_and_run",
    "make_executable", "dumpable", "memfd", "io_uring", "limits", "terminal",
]
SANITIZERS_NEED = {"kill", "tgkill", "write_and_run", "make_executable", "dumpable", "limits"}


def test_what_it_does_not_need_fails_and_it_goes_on(victim):
    daemon = victim()
    for what in REFUSED:
        if not (SANITIZED and what in SANITIZERS_NEED):
            assert daemon.attempt(what) == -errno.ENOSYS, what
    assert daemon.health().status == 200


def test_the_same_is_possible_without_the_sandbox(victim):
    daemon = victim(SANDBOX="0")
    for what in ("fork", "kill", "write_and_run", "make_executable", "memfd"):
        assert daemon.attempt(what) >= 0, what
    for what in REFUSED + ["namespace", "mount", "bpf", "keyctl", "setuid"]:
        assert daemon.attempt(what) != -errno.ENOSYS or what == "io_uring", what
    daemon.exit_codes = (0,)
    assert daemon.attempt("execve") is None and daemon.wait() == 0, "it has become true(1)"


class Places:
    """A directory that the settings name, and one that they do not."""

    def __init__(self, tmp_path):
        self.named, self.other = tmp_path / "named", tmp_path / "other"
        for directory in (self.named, self.other):
            directory.mkdir()
            (directory / "file").write_text("something")

    def attempts(self):
        yield "read", self.other / "file"
        yield "list", self.other
        yield "create", self.other / "new"
        yield "create", self.other / "file"
        yield "remove", self.other / "file"
        yield "bind", self.other / "socket"
        yield "create", "/tmp/userli-bridge-test"
        yield "create", "/dev/shm/userli-bridge-test"
        yield "create", "/etc/userli-bridge-test"
        yield "create", f"/proc/{os.getpid()}/oom_score_adj"
        yield "read", f"/proc/{os.getpid()}/environ"
        yield "list", "/"
        yield "list", "/var"


def settings_with(places, program):
    if program == "userli-bridge-backend":
        return {"CACHE_FILE": places.named / "cache", "ADMIN_SOCKET": places.named / "admin"}
    return {"SOCKETMAP_LISTEN_ADDR": f"127.0.0.1:0,{places.named / 'map'}"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_only_files_that_it_needs_are_left_to_it(keeper, tmp_path, program):
    places = Places(tmp_path)
    daemon = keeper.add(Victim(program, tmp_path, **settings_with(places, program)))
    if daemon.landlock < 1:
        pytest.skip("this kernel has no Landlock")
    for what, path in places.attempts():
        if SANITIZED and what in ("read", "list"):
            continue  # for its report
        assert daemon.attempt(what, path) == -errno.EACCES, (what, path)
    assert (places.other / "file").read_text() == "something"
    for path in ("/etc/resolv.conf", "/etc/passwd", "/proc/self/stat", "/dev/urandom"):
        assert not Path(path).exists() or daemon.attempt("read", path) >= 0, path
    assert daemon.attempt("bind", places.named / "another") == 0
    assert daemon.attempt("remove", places.named / "another") == 0
    # Only a backend keeps a file.
    got = daemon.attempt("create", places.named / "new")
    assert got >= 0 if program == PROGRAMS[1] else got == -errno.EACCES


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_files_are_left_to_it_without_the_sandbox(keeper, tmp_path, program):
    places = Places(tmp_path)
    daemon = keeper.add(Victim(program, tmp_path, SANDBOX="no"))
    assert daemon.attempt("read", places.other / "file") >= 0
    assert daemon.attempt("create", places.other / "new") >= 0
    assert daemon.attempt("bind", places.other / "socket") == 0


def test_a_secret_that_takes_the_place_of_another_can_be_read(keeper, tmp_path):
    # As Kubernetes does: a link to a link to a directory that is replaced.
    for version in "12":
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "token").write_text(f"token-number-{version}")
        (tmp_path / f"..{version}" / "token").chmod(0o600)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    daemon = keeper.add(
        Victim(PROGRAMS[1], tmp_path, USERLI_TOKEN=None, USERLI_TOKEN_FILE=tmp_path / "token")
    )
    (tmp_path / "fresh").symlink_to("..2")
    (tmp_path / "fresh").rename(tmp_path / "..data")
    daemon.signal(signal.SIGHUP)
    daemon.wait_event("settings taken over")


def test_sockets_of_the_host_are_reached_all_the_same(keeper, tmp_path):
    # As systemd's, which are where no setting names them.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        keeper.add(Victim(PROGRAMS[0], tmp_path, NOTIFY_SOCKET=tmp_path / "notify"))
        assert manager.recv(100) == b"READY=1"
