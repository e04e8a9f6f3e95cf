"""web - one HTTP request, over TCP or a UNIX socket, without proxies."""

import http.client
import json
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from support.wait import PATIENCE


class Response(NamedTuple):
    status: int
    headers: dict  # names in lower case
    body: str

    def json(self):
        return json.loads(self.body)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _target(parts):
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def fetch(url, method="GET", body=None, headers=None, timeout=PATIENCE):
    """Send one request; body may be anything that JSON can hold, or bytes."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        path, _, target = parts.path.partition(":")
        connection = _UnixConnection(path, timeout)
    elif parts.scheme == "https":
        # The sandbox's own certificate; what trusts it is not tested here.
        connection = http.client.HTTPSConnection(
            parts.hostname,
            parts.port,
            timeout=timeout,
            context=ssl._create_unverified_context(),
        )
        target = _target(parts)
    else:
        connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=timeout
        )
        target = _target(parts)
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode("utf-8")
    try:
        connection.request(method, target or "/", body, headers or {})
        answer = connection.getresponse()
        return Response(
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read().decode("utf-8"),
        )
    finally:
        connection.close()
