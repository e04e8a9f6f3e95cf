"""sp - nng's wire between the tiers, spoken by hand: TCP and IPC.

A connection begins with eight bytes each way (who speaks which protocol), then
carries messages, each with its length in front; on IPC a byte 1 comes before
that.  A request's body begins with the id that its reply must repeat.
"""

import socket
import struct
import threading

from support.wait import PATIENCE

REQ, REP, PUB = 0x30, 0x31, 0x20
HEADER_SIZE = 8
REQUEST_BIT = 0x80000000


def header(protocol):
    return struct.pack(">4sHH", b"\0SP\0", protocol, 0)


def dial(url, timeout=PATIENCE):
    """A connected socket that has said nothing yet."""
    scheme, _, rest = url.partition("://")
    if scheme == "ipc":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect(rest)
        return sock
    host, _, port = rest.rpartition(":")
    return socket.create_connection((host, int(port)), timeout)


def reset(sock):
    """Close with a RST, as a host that has forgotten the connection would."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def frame(body, ipc=False):
    return (b"\1" if ipc else b"") + struct.pack(">Q", len(body)) + body


class Peer:
    """One connection after the exchange of headers."""

    def __init__(self, sock, protocol, ipc=False):
        self.sock = sock
        self.ipc = ipc
        sock.sendall(header(protocol))
        self.greeting = self.read(HEADER_SIZE)

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise ConnectionResetError(f"closed after {data!r}")
            data += more
        return data

    def send(self, body):
        self.sock.sendall(frame(body, self.ipc))

    def receive(self):
        if self.ipc:
            assert self.read(1) == b"\1"
        return self.read(struct.unpack(">Q", self.read(8))[0])

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Requester(Peer):
    """A frontend's side: requests with ids, replies in any order."""

    def __init__(self, url, timeout=PATIENCE):
        super().__init__(dial(url, timeout), REQ, url.startswith("ipc"))
        assert self.greeting == header(REP), self.greeting
        self._next = 1

    def ask(self, body):
        self._next += 1
        self.send(struct.pack(">I", REQUEST_BIT | self._next) + body)
        return REQUEST_BIT | self._next

    def reply(self):
        """(id, body) of the next reply."""
        message = self.receive()
        return struct.unpack(">I", message[:4])[0], message[4:]


class FakeBackend:
    """Listens, and answers each request's body as answer(body) says.

    answer returns a list of bodies, which may be empty.  It runs in threads.
    """

    def __init__(self, address, answer):
        self._answer = answer
        self._listener = socket.create_server((address, 0))
        self.url = "tcp://{}:{}".format(*self._listener.getsockname())
        self._peers = []
        self.errors = []  # exceptions of answer()
        self.requests = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._peers.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            peer = Peer(sock, REP)
            while True:
                message = peer.receive()
                self.requests += 1
                try:
                    bodies = self._answer(message[4:])
                except Exception as error:  # shown by the test
                    self.errors.append(error)
                    raise
                for body in bodies:
                    peer.send(message[:4] + body)
        except OSError:
            pass

    def close(self):
        # accept() in another thread ends only when told.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._peers:
            sock.close()
        self._thread.join()
