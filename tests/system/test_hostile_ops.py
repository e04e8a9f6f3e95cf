"""Hostile clients of METRICS_LISTEN_ADDR: what they send and what they hold.

Each ends, counted under a reason; probes, webhooks and lookups go on meanwhile,
and memory comes back.  Bytes and limits one by one are in test_ops*.c, webhooks
that are forged in test_webhook.py.
"""

import socket
import threading
import time
from typing import NamedTuple

import pytest
from support import webhooks
from support.load import Load, sanitizers
from support.wait import PATIENCE, wait_until
from support.weight import raise_files, resident_bytes

MIB = 1 << 20
CLOSED = "userli_postfix_adapter_ops_connections_closed_total"
HOST = b" HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /webhook" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
IDLE = 2000


class Row(NamedTuple):
    name: str
    pieces: object  # sent until all are, or the daemon has had enough
    reason: str
    status: str = ""  # of the reply, if it must be read


def row(name, data, reason, status=""):
    return Row(name, data if callable(data) else lambda: [data], reason, status)


def repeat(head, piece, mib):
    yield head
    for _ in range(mib * MIB // len(piece)):
        yield piece


ROWS = [
    row("10_mb_of_headers",
        lambda: repeat(b"GET /health" + HOST, b"X-Header: " + b"x" * 1000 + b"\r\n", 10), "malformed"),
    row("one_header_of_10_mb", lambda: repeat(b"GET /health" + HOST + b"X: ", b"x" * 65536, 10),
        "malformed"),
    row("a_path_of_10_mb", lambda: repeat(b"GET /", b"x" * 65536, 10), "malformed"),
    row("a_query_of_10_mb", lambda: repeat(b"GET /?", b"x&y=" * 16384, 10), "malformed"),
    row("a_method_of_1_mb", lambda: repeat(b"", b"X" * 65536, 1), "malformed"),
    row("empty_lines", lambda: repeat(b"", b"\r\n" * 32768, 10), "*"),
    row("unknown_method", b"BREW /metrics" + HOST + b"\r\n", "refused", "405"),
    row("connect", b"CONNECT userli.example:443" + HOST + b"\r\n", "refused", "40"),
    row("trace", b"TRACE /metrics" + HOST + b"\r\n", "refused", "405"),
    row("options", b"OPTIONS *" + HOST + b"\r\n", "refused", "404"),
    row("another_site", b"GET http://evil.example/metrics" + HOST + b"\r\n", "refused", "404"),
    row("pipelined", (b"GET /health" + HOST + b"\r\n") * 1000, "answered"),
    row("smuggled", b"GET /health" + HOST + b"Content-Length: 5\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
        "answered"),
    row("http_2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100, "malformed"),
    row("http_0_9", b"GET /health\r\n\r\n", "malformed"),
    row("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff\r\n\r\n" * 100, "malformed"),
    row("nul_bytes", b"\0" * 100000, "malformed"),
    row("nul_in_a_header", b"GET /health" + HOST + b"X: \0\r\n\r\n", "*"),
    row("length_negative", POST + b"Content-Length: -1\r\n\r\n", "*"),
    row("length_of_10_gb", POST + b"Content-Length: 10000000000\r\n\r\n", "refused", "413"),
    row("length_beyond_numbers", POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", "*"),
    row("body_of_10_mb", lambda: repeat(POST + b"Content-Length: 1000000\r\n\r\n", b"x" * 65536, 10),
        "refused"),
    row("endless_chunks", lambda: repeat(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n", 10),
        "refused"),
    row("tiny_chunks", lambda: repeat(CHUNKED, b"1\r\nx\r\n" * 10000, 10), "refused"),
    # The only one that is not ended before it is idle for too long.
    row("chunk_extension_of_10_mb", lambda: repeat(CHUNKED + b"5;", b"x" * 65536, 10), "timeout"),
    row("chunk_size_beyond_numbers", CHUNKED + b"f" * 40 + b"\r\nx\r\n", "malformed"),
    row("no_chunks", CHUNKED + b"zz\r\n\r\n", "malformed"),
    row("gzip_bomb", POST + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n"
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff", "refused"),
    row("gone_at_once", None, "left"),
    row("gone_within_headers", b"GET /metrics HTTP/1.1\r\nHo", "left"),
    row("gone_within_a_body", POST + b"Content-Length: 1000\r\n\r\n{", "left"),
]


@pytest.fixture
def stack(make_stack):
    return make_stack(backend={"WEBHOOK_SECRET": webhooks.SECRET, "LOOKUP_CACHE_TTL": "1h"})


def connect(daemon):
    host, _, port = daemon.metrics_url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE)


def closed(daemon):
    """How many connections have ended, by reason."""
    samples = daemon.metrics().samples(CLOSED)
    return {dict(labels)["reason"]: int(value) for labels, value in samples.items()}


def send(daemon, hostile):
    """What is answered to it."""
    with connect(daemon) as sock:
        if hostile.pieces() == [None] or hostile.reason == "left":
            for piece in filter(None, hostile.pieces()):
                sock.sendall(piece)
            return b""
        try:
            for piece in hostile.pieces():
                sock.sendall(piece)
            got = b""
            while data := sock.recv(65536):
                got += data
            return got
        except OSError:
            return b""  # it was not read to its end


def ended(before, after):
    """The reasons of connections that ended between, our own looks apart."""
    grown = {reason: after[reason] - before[reason] for reason in after}
    grown["answered"] -= 1
    return {reason for reason, count in grown.items() if count > 0}


def test_what_is_no_request_is_refused_and_counted(stack):
    """The frontend's listener is the same."""
    daemon = stack.backend
    wrong = []
    for hostile in ROWS:
        before = closed(daemon)
        got = send(daemon, hostile)
        status = got.split(b" ", 2)[1].decode() if got.startswith(b"HTTP/1.1 ") else ""
        if not status.startswith(hostile.status):
            wrong.append((hostile.name, "status", got[:40]))
        reasons = wait_reasons(daemon, before)
        if not allowed(hostile, reasons):
            wrong.append((hostile.name, reasons))
        if daemon.health().status != 200:
            wrong.append((hostile.name, "not healthy"))
    assert not wrong
    assert stack.lookup("domain", "example.org").status == "OK"


def allowed(hostile, reasons):
    """Who leaves as soon as it is refused may have left before it is counted."""
    if hostile.reason == "malformed" and reasons == {"left"}:
        return True
    return reasons == {hostile.reason} or (hostile.reason == "*" and len(reasons) == 1)


def wait_reasons(daemon, before):
    looks = 0

    def reasons():
        nonlocal looks
        after = closed(daemon)
        after["answered"] -= looks
        looks += 1
        return ended(before, after)

    return wait_until(reasons, what="it is counted")


@pytest.mark.alone
def test_two_thousand_idle_connections_keep_nobody_out(stack, keeper, tmp_path):
    """They hold the places of probes, of webhooks and of scrapes."""
    count = IDLE if raise_files(IDLE + 100) else 500
    expected = tmp_path / "expected"
    expected.write_text("".join(
        f"alias list{n}@example.org\tOK member{n}@example.org\n" for n in range(100)
    ))
    load = keeper.add(Load(expected, [stack.frontend.address], 8))
    load.set_rate(500)
    time.sleep(0.5)  # until all are cached; then what is measured is time itself
    before = [resident_bytes(d) for d in (stack.backend, stack.frontend)]
    seen = []
    for daemon in (stack.backend, stack.frontend, stack.backend):
        load.phase("undisturbed")
        time.sleep(1)
        quiet = load.phase("idle connections").check_answered(50)
        hold_idle(daemon, count)
        noisy = load.phase("after").check_answered(50)
        seen.append((noisy.p99, quiet.p99))
    load.finish().check_answered(0)
    print(f"p99 with {count} idle connections and without, in ms: {seen}")
    # 20 ms: who connects so often needs the CPU, too.
    assert any(noisy <= 2 * quiet + 20 for noisy, quiet in seen), seen
    if not sanitizers():
        for daemon, was in zip((stack.backend, stack.frontend), before):
            wait_until(lambda d=daemon, w=was: resident_bytes(d) < w + 4 * MIB,
                       what="memory is back")


def hold_idle(daemon, count):
    """Connections that send nothing, or half a request, and who comes then."""
    before = closed(daemon)["evicted"]
    held = []
    try:
        for n in range(count):
            held.append(connect(daemon))
            if n % 2:
                held[-1].sendall(b"GET /health HTTP/1.1\r\nX: ")
        assert daemon.health().status == 200
        assert daemon.ready().status == 200
        assert closed(daemon)["evicted"] - before >= count - 64
        if daemon.name == "backend":
            body = webhooks.body(f"new{before}@example.org")
            assert webhooks.post(daemon, body).status in (200, 202, 204)
            assert webhooks.post(daemon, body, {}).status in (400, 401, 403)
    finally:
        for sock in held:
            sock.close()


def test_slow_senders_keep_nobody_out(stack):
    """A byte now and then keeps a connection from being idle."""
    over = threading.Event()
    socks = [connect(stack.backend) for _ in range(100)]

    def drip():
        while not over.wait(0.05):
            for sock in socks:
                try:
                    sock.send(b"x")
                except OSError:
                    pass  # it has made room

    for sock in socks:
        sock.sendall(b"GET /health HTTP/1.1\r\nX: ")
    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        for n in range(20):
            assert stack.backend.health().status == 200
            body = webhooks.body(f"new{n}@example.org")
            assert webhooks.post(stack.backend, body).status in (200, 202, 204)
    finally:
        over.set()
        dripping.join()
        for sock in socks:
            sock.close()
    assert closed(stack.backend)["evicted"] >= 100 - 64
