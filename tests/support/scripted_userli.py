"""scripted_userli - a userli whose every answer is the test's, every request kept.

    with ScriptedUserli(answer) as userli: …

answer(request) gives the bytes to send, or None to close the connection without
any, or pieces to send one after the other (an iterable), behind which it closes
the connection; it may wait.  Each connection has a thread of its own.
"""

import contextlib
import socket
import threading
import time
from typing import NamedTuple


class Request(NamedTuple):
    at: float  # time.monotonic()
    path: str
    token: str
    connection: int  # the first is 1
    number: int  # on its connection; the first is 1

    @property
    def is_check(self):
        """The backend's own, not a lookup's."""
        return "health-check" in self.path


def reply(status="200 OK", body="false", **headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class ScriptedUserli:
    def __init__(self, answer, tls=None):
        """tls: an ssl.SSLContext to serve https with."""
        self.answer = answer
        self._tls = tls
        self._requests = []
        self._connections = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open = set()
        self._threads = []
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # close() alone would leave accept() waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)

    def requests(self, part=""):
        """All so far whose path has this part, in order of arrival."""
        with self._lock:
            return [r for r in self._requests if part in r.path]

    @property
    def connections(self):
        """How many were made so far, whatever came of them."""
        with self._lock:
            return self._connections

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            # What is sent leaves at once, not with the next acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(sock)
                self._connections += 1
                number = self._connections
            self._start(self._serve, sock, number)

    def _serve(self, sock, connection):
        stream = sock
        try:
            if self._tls:
                # The shutdown of __exit__() ends this one as well.
                stream = self._tls.wrap_socket(sock.dup(), server_side=True)
            self._serve_requests(stream, connection)
        except OSError:
            pass  # the backend has gone, or the test is over
        finally:
            with self._lock:
                self._open.discard(sock)
            stream.close()
            sock.close()

    def _serve_requests(self, sock, connection):
        received, number = b"", 0
        while True:
            while b"\r\n\r\n" not in received:
                data = sock.recv(65536)
                if not data:
                    return
                received += data
            head, received = received.split(b"\r\n\r\n", 1)
            number += 1
            request = _parse(head.decode("latin-1"), connection, number)
            with self._lock:
                self._requests.append(request)
            answer = self.answer(request)
            if answer is None:
                return
            if not isinstance(answer, bytes):
                for piece in answer:
                    sock.sendall(piece)
                return
            sock.sendall(answer)


def _parse(head, connection, number):
    first, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    token = headers.get("authorization", "").removeprefix("bearer ")
    return Request(time.monotonic(), first.split(" ")[1], token, connection, number)
