"""places - clocks, disks, networks and limits that are not as usual (Linux).

What this machine does not let us make raises netns.Unavailable.
"""

import contextlib
import ctypes
import os
import resource
import struct
import subprocess

from support.daemons import BUILD_DIR
from support.netns import Unavailable

CLONE_NEWNET = 0x40000000


def preloaded(name, **env):
    """Settings that start a daemon with tests/support/preload/NAME.c."""
    return {
        "LD_PRELOAD": BUILD_DIR / "tests" / f"{name}.so",
        "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0",
        **env,
    }


class Clock:
    """The wall clock of the programs that are started with .settings."""

    def __init__(self, path):
        self._path = path
        path.write_bytes(struct.pack("q", 0))
        self.settings = preloaded("jump_clock", JUMP_CLOCK=path)

    def jump(self, seconds):
        """Seconds off the right time from now on, for those that run, too."""
        with self._path.open("r+b", buffering=0) as file:
            file.write(struct.pack("q", seconds))


def in_namespace(command):
    """A launcher: the program sees the mounts that this shell command makes."""
    if os.geteuid() != 0:
        raise Unavailable("mount namespaces need root")
    launcher = ["unshare", "--mount", "sh", "-c", f'{command} && exec "$@"', "sh"]
    try:
        done = subprocess.run([*launcher, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        raise Unavailable("unshare is not installed") from None
    if done.returncode != 0:
        raise Unavailable(done.stderr.decode().strip())
    return launcher


def file_limit(count):
    """A launcher: the program may open so many files, however it asks."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if os.geteuid() != 0 and hard < count:
        raise Unavailable(f"no more than {hard} open files are allowed here")
    return ["prlimit", f"--nofile={count}:{count}"]


@contextlib.contextmanager
def files_allowed(count):
    """Within it, this process may open so many."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, before[1])))
    except (OSError, ValueError) as error:
        raise Unavailable(f"{count} open files: {error}") from None
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _libc(function, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        raise Unavailable(f"{function}: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def network(ipv4=True, ipv6=True):
    """Within it, this thread and what it starts have a loopback of their own,
    without any address of a family that is off.  Its ports are all free."""
    with open("/proc/thread-self/ns/net", encoding="ascii") as before:
        _libc("unshare", CLONE_NEWNET)
        try:
            _ip("link", "set", "lo", "up")
            if not ipv4:
                _ip("address", "del", "127.0.0.1/8", "dev", "lo")
            if not ipv6:
                _ip("-6", "address", "flush", "dev", "lo")
            yield
        finally:
            _libc("setns", before.fileno(), CLONE_NEWNET)


def _ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"ip {' '.join(arguments)}: {done.stderr.decode().strip()}")
