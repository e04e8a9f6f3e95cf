"""socketmap - Postfix's side of the socketmap protocol, for tests.

Deliberately low-level: a test can pipeline, send byte by byte, or send what no
Postfix would.
"""

import re
import socket
from typing import NamedTuple

from support.wait import PATIENCE


class Reply(NamedTuple):
    status: str  # "OK", "NOTFOUND", "TEMP", "TIMEOUT", "PERM"
    data: str

    def __str__(self):
        return f"{self.status} {self.data}"


def netstring(payload):
    """b"5:hello," for b"hello"."""
    return b"%d:%s," % (len(payload), payload)


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def request(map_name, key):
    """The bytes of one request."""
    return netstring(as_bytes(map_name) + b" " + as_bytes(key))


def connect(address, timeout=PATIENCE):
    """A connected socket for "host:port", "[v6]:port" or "/path"."""
    if address.startswith("/"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect(address)
        return sock
    host, port = re.fullmatch(r"\[?([^\]]*)\]?:(\d+)", address).groups()
    sock = socket.create_connection((host, int(port)), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class SocketmapClient:
    """One connection.  Every wait is bounded by timeout seconds."""

    def __init__(self, address, timeout=PATIENCE, asked=None):
        self.sock = connect(address, timeout)
        self._received = b""
        self._asked = asked if asked is not None else set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, map_name, key):
        self._asked.add(as_bytes(key))
        self.send_raw(request(map_name, key))

    def lookup(self, map_name, key):
        self.send(map_name, key)
        return self.receive()

    def receive(self):
        """The next reply, strictly parsed."""
        status, space, data = self.receive_raw().partition(b" ")
        assert space, f"a reply without a space: {status!r}"
        return Reply(status.decode("ascii"), data.decode("utf-8"))

    def receive_raw(self):
        """The next reply's bytes, without the netstring around them."""
        while True:
            head, colon, rest = self._received.partition(b":")
            assert len(head) <= 9, f"not a netstring: {self._received[:40]!r}"
            if colon:
                length = int(head)
                assert head == b"%d" % length, f"length written as {head!r}"
                if len(rest) > length:
                    assert rest[length : length + 1] == b",", "no comma at the end"
                    self._received = rest[length + 1 :]
                    return rest[:length]
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionResetError(f"closed after {self._received[:80]!r}")
            self._received += data

    def at_end(self):
        """True when the server closes next; False when it says something."""
        if self._received:
            return False
        try:
            self._received = self.sock.recv(65536)
        except ConnectionResetError:
            return True
        return not self._received

    def open_and_silent(self):
        """True when the server has neither closed nor sent anything so far."""
        self.sock.setblocking(False)
        try:
            self._received += self.sock.recv(1)
            return False
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        finally:
            self.sock.settimeout(PATIENCE)
