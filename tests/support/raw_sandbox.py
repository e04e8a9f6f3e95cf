"""raw_sandbox - the sandbox userli and a client that sees every byte of it."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD_DIR = Path(os.environ.get("BUILD_DIR") or REPOSITORY / "build").resolve()
PROGRAM = BUILD_DIR / "bin" / "userli-sandbox"
SAMPLE = REPOSITORY / "tests" / "sandbox" / "directory.json"
TOKEN = "e38a0bc6b5de5b7c6137eb9d383d1977"
OTHER_TOKEN = "0123456789abcdef0123456789abcdef"
PATIENCE = float(os.environ.get("TEST_PATIENCE", "60"))  # seconds
API = "/api/postfix/"


def sample_directory():
    return json.loads(SAMPLE.read_text())


def write(path, directory):
    path.write_text(json.dumps(directory))
    return path


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Response(NamedTuple):
    status: int
    headers: dict  # names in lower case
    body: bytes

    def json(self):
        return json.loads(self.body)


def request_bytes(target, method="GET", body=None, token=TOKEN, headers=()):
    """A whole request; the target goes out exactly as given."""
    if isinstance(target, str):
        target = target.encode("utf-8")
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: sandbox"]
    if token:
        lines.append(b"Authorization: Bearer " + token.encode())
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    lines += [header.encode() for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


class Client:
    """One connection."""

    def __init__(self, url, patience=PATIENCE):
        if url.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(patience)
            self.socket.connect(url.removeprefix("unix:"))
        else:
            scheme, host, port = re.fullmatch(
                r"(https?)://\[?([^]]+?)\]?:(\d+)", url
            ).groups()
            self.socket = socket.create_connection((host, int(port)), patience)
            if scheme == "https":
                # The test's own certificate; trusting it is not the point.
                context = ssl._create_unverified_context()
                self.socket = context.wrap_socket(self.socket)
        self._have = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next bytes, b"" at the end."""
        if self._have:
            have, self._have = self._have, b""
            return have
        return self.socket.recv(65536)

    def rest(self):
        """Everything until the peer closes."""
        got = b""
        while data := self.receive():
            got += data
        return got

    def _until(self, mark):
        while mark not in self._have:
            data = self.socket.recv(65536)
            assert data, f"closed after {self._have!r}"
            self._have += data
        found, self._have = self._have.split(mark, 1)
        return found

    def _exactly(self, size):
        while len(self._have) < size:
            data = self.socket.recv(65536)
            assert data, f"closed after {self._have!r}"
            self._have += data
        found, self._have = self._have[:size], self._have[size:]
        return found

    def head(self):
        """Status and headers of the next response; the body is left."""
        first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value for name, value in pairs}

    def response(self, bodiless=False):
        status, headers = self.head()
        size = 0 if bodiless else int(headers.get("content-length", 0))
        return Response(status, headers, self._exactly(size))

    def ask(self, target, method="GET", **options):
        self.send(request_bytes(target, method, **options))
        return self.response(bodiless=method == "HEAD")


class RawSandbox:
    """The program; listens on a free port unless told otherwise."""

    def __init__(self, directory=SAMPLE, *options, listen=("127.0.0.1:0",)):
        argv = [PROGRAM, "--directory", directory]
        for address in listen:
            argv += ["--listen", address]
        self._stderr = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            [*map(str, argv), *map(str, options)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )
        count = max(1, len(listen) + options.count("--listen-unix"))
        self.urls = [self._listening() for _ in range(count)]
        self.url = self.urls[0]

    def _listening(self):
        line = self.child.stdout.readline().decode()
        found = re.fullmatch(r"userli-sandbox listening on (\S+)\n", line)
        if not found:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{line!r}, and on stderr {self.stderr()}")
        return found[1]

    def stderr(self):
        self._stderr.seek(0)
        return self._stderr.read().decode()

    def connect(self, url=None, **options):
        return Client(url or self.url, **options)

    def ask(self, target, method="GET", **options):
        with self.connect() as client:
            return client.ask(target, method, **options)

    def api(self, path, **options):
        """The JSON of a successful answer."""
        response = self.ask(API + path, **options)
        assert response.status == 200, response
        return response.json()

    def control(self, path, method="GET", body=None):
        if body is not None:
            body = json.dumps(body).encode()
        return self.ask("/_sandbox/" + path, method, body=body, token=None)

    def stats(self):
        return self.control("stats").json()

    def faults(self, *rules):
        response = self.control("faults", "PUT", list(rules))
        assert response.status == 200, response

    def clear(self):
        assert self.control("faults", "DELETE").status == 200
        assert self.control("stats", "DELETE").status == 200

    def stop(self, number=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(number)
        try:
            status = self.child.wait(PATIENCE)
        finally:
            self.child.kill()
            self.child.wait()
            self.child.stdout.close()
        stderr = self.stderr()
        self._stderr.close()
        assert status == 0, (status, stderr)
        assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
