"""sp_stream - a REQ peer by hand: nng's wire over a TCP, UNIX or TLS stream.

As nng's transports have it: eight bytes of greeting each way, then messages,
each after its length; over a UNIX socket a byte 1 stands before the length.
"""

import contextlib
import socket
import ssl
import struct
import time

from support.frames import HEALTH, call_frame, results

GREETING = b"\0SP\0\0\x30\0\0"
ANSWER = b"\0SP\0\0\x31\0\0"
REQUEST_ID = struct.pack(">I", 0x80000001)
PATIENCE = 20  # seconds


class Refused(Exception):
    """The peer ended the connection, or let us wait, before it greeted."""


def connect(url, timeout=PATIENCE):
    """A stream to the address of a url; TLS is not spoken on it yet."""
    scheme, address = url.split("://")
    if scheme == "ipc":
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(timeout)
        stream.connect(address)
        return stream
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout)


def tls_context(ca, own=None):
    """Believes the CA, whatever the name; shows own, if given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(ca.cert)
    if own is not None:
        context.load_cert_chain(own.cert, own.key)
    return context


class Peer:
    """A connection that has been greeted; Refused if it was not."""

    def __init__(self, url, context=None, timeout=PATIENCE):
        self._prefix = b"\1" if url.startswith("ipc:") else b""
        stream = connect(url, timeout)
        try:
            if context is not None:
                stream = context.wrap_socket(stream)
            self.stream = stream
            stream.sendall(GREETING)
            if self._receive(len(ANSWER)) != ANSWER:
                raise Refused("another greeting")
        except (OSError, EOFError) as error:
            stream.close()
            raise Refused(str(error)) from error

    def _receive(self, size):
        data = b""
        while len(data) < size:
            part = self.stream.recv(size - len(data))
            if not part:
                raise EOFError("the peer closed")
            data += part
        return data

    def ask(self, frame):
        """One request; the frame that answers it."""
        message = REQUEST_ID + frame
        self.stream.sendall(self._prefix + struct.pack(">Q", len(message)) + message)
        self._receive(len(self._prefix))
        size = struct.unpack(">Q", self._receive(8))[0]
        assert self._receive(4) == REQUEST_ID
        return self._receive(size - 4)

    def is_healthy(self):
        return results(self.ask(call_frame({1: 3, 2: HEALTH, 3: 1000})))[3][0] == "OK"

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def answers(url, context=None, timeout=1):
    """Whether a new connection is served."""
    with contextlib.suppress(Refused, OSError, EOFError):
        with Peer(url, context, timeout) as peer:
            return peer.is_healthy()
    return False


def hang_up(url, times=1):
    """Connect, and leave without a word."""
    for _ in range(times):
        with contextlib.suppress(OSError):
            connect(url, 5).close()


def seconds_until_served(url, context=None, limit=30):
    """How long it takes until a new connection is served."""
    started = time.monotonic()
    while not answers(url, context):
        assert time.monotonic() - started < limit, f"{url} is not served"
        time.sleep(0.05)
    return time.monotonic() - started
