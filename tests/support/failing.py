"""failing - system calls of a daemon that fail, one at a time.

A FailCalls is what fail_call.so (preload/fail_call.c) shares with the program
that it is loaded into: counts of the calls, and the plan for one that fails.
"""

import errno
import mmap
import struct

from support.daemons import BUILD_DIR

LIBRARY = BUILD_DIR / "tests" / "fail_call.so"
PLAN = struct.Struct("QqqQ")
FUNCTION = struct.Struct("16sQQ")

_INTERNET = "EINTR EAGAIN ECONNRESET ETIMEDOUT ENOMEM"
_EDGES = "EINTR ECONNRESET ETIMEDOUT ENOMEM"
_SENDING = "EINTR EAGAIN EPIPE ECONNRESET ENOBUFS ENOMEM"
_ACCEPTING = "EINTR EAGAIN ECONNABORTED EMFILE ENFILE ENOBUFS ENOMEM EPROTO EPERM"
_FILES = "EMFILE ENFILE ENOMEM"

# What the man pages make plausible.  Left out are calls that only wake a loop
# or a thread through an event's descriptor or a pipe of the program's own, and
# EAGAIN of recv(2), which libmicrohttpd may take as a promise of EPOLLET that
# there will be another event.
ERRORS = {
    "read_file": "EINTR EIO",
    "read_socket": _INTERNET,
    "readv_socket": _INTERNET,
    "recv": _EDGES,
    "recvfrom": _INTERNET,
    "recvmsg": _INTERNET,
    "write_file": "EINTR EIO ENOSPC",
    "write_socket": _SENDING,
    "write_log": "EINTR EAGAIN EPIPE ENOMEM EIO",
    "writev_socket": _SENDING,
    "send": _SENDING,
    "sendto": _SENDING,
    "sendmsg": _SENDING,
    "accept": _ACCEPTING,
    "accept4": _ACCEPTING,
    "socket": _FILES + " ENOBUFS EAFNOSUPPORT",
    "socketpair": _FILES,
    "bind": "EADDRINUSE EACCES ENOMEM EADDRNOTAVAIL",
    "listen": "EADDRINUSE",
    "connect": "EINTR EAGAIN ECONNREFUSED ENETUNREACH ETIMEDOUT EADDRNOTAVAIL",
    "getsockname": "ENOBUFS",
    "setsockopt": "ENOBUFS ENOMEM",
    "shutdown": "ENOTCONN",
    "epoll_create1": _FILES,
    "epoll_add": "ENOMEM ENOSPC",
    "epoll_wait": "EINTR",
    "epoll_pwait": "EINTR",
    "poll": "EINTR ENOMEM",
    "eventfd": _FILES,
    "pipe": _FILES,
    "pipe2": _FILES,
    "close": "EINTR EIO",
    "open": _FILES + " EACCES EIO",
    "fopen": _FILES + " EACCES EIO",
    "opendir": _FILES,
    "stat": "ENOMEM EIO",
    "lstat": "ENOMEM EIO",
    "fstat": "ENOMEM EIO",
    "access": "ENOMEM EIO",
    "fsync": "EIO ENOSPC",
    "rename": "EIO ENOSPC",
    "flock": "EINTR ENOLCK",
    "unlink": "EIO",
    "chmod": "EIO",
    "mmap": "ENOMEM",
    "getrandom": "EINTR ENOSYS",
    "pthread_create": "EAGAIN",
    "timer_create": "EAGAIN ENOMEM",
    "setrlimit": "EPERM",
    # Of getaddrinfo(3): EAI_NONAME, EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_SYSTEM.
    "getaddrinfo": "-2 -3 -4 -10 -11",
}

# Of nng's own calls.  nng 1.5.2 panics without random numbers (nni_random()),
# when a connection that it dials cannot be watched (nni_tcp_dial() unlocks what
# it has not locked), and crashes or panics when one of its threads cannot be
# made (nni_init() ends what has not begun).  The daemons see before whether
# there is room for a watch and for the threads; an answer of the kernel that
# changes in between is beyond help.
NNG_ERRORS = {
    "write_pipe": "ENOMEM",  # wakes the loop for a message
    "getrandom": "",
    "epoll_add": "",
    "pthread_create": "",
}


def number_of(name):
    return int(name) if name.startswith("-") else getattr(errno, name)


class FailCalls:
    """The file that one program and the test share."""

    def __init__(self, path):
        path.write_bytes(bytes(mmap.PAGESIZE))
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def environment(self):
        """For the program whose calls shall fail."""
        return {
            "LD_PRELOAD": LIBRARY,
            "FAIL_CALL": self.path,
            "ASAN_OPTIONS": "verify_asan_link_order=0",
        }

    def calls(self):
        """{(function, whether nng calls it): (its number, calls so far)}."""
        found = {}
        at = PLAN.size
        index = 0
        while at + FUNCTION.size <= len(self._map):
            name, *counts = FUNCTION.unpack_from(self._map, at)
            if not name.strip(b"\0"):
                break
            for is_nng, count in enumerate(counts):
                slot = (name.rstrip(b"\0").decode(), bool(is_nng))
                found[slot] = (index * 2 + is_nng, count)
            at += FUNCTION.size
            index += 1
        return found

    def arm(self, what, error, nth):
        """Let the nth call from now on of function number `what` fail."""
        PLAN.pack_into(self._map, 0, what, number_of(error), 0, 0)
        struct.pack_into("q", self._map, 16, nth)

    def disarm(self):
        """Whether the fault has happened."""
        struct.pack_into("q", self._map, 16, 0)
        return PLAN.unpack_from(self._map)[3] != 0

    def close(self):
        self._map.close()
