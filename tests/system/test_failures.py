"""Parts that are missing, slow, killed: an honest answer within the limit."""

import signal
import socket
import time

import pytest
from support.daemons import Backend, fault
from support.frames import call_frame, exchange, lookup_call, results
from support.wait import wait_until

MAPS = (
    ("alias", "info@example.org"),
    ("domain", "example.org"),
    ("mailbox", "alice@example.org"),
    ("senders", "alice@example.org"),
)


@pytest.fixture
def free_url():
    """An address for a backend that is to come back on it.

    The port is the kernel's choice; it is kept bound, without listening, so
    that nobody else is given it, and shared with SO_REUSEADDR by the backend.
    """
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{sock.getsockname()[1]}"


def test_without_a_backend_the_answer_is_temporary_within_the_limit(frontend):
    front = frontend(["tcp://127.0.0.1:9"], LOOKUP_TIMEOUT="2s")
    with front.client() as client:
        for name, key in MAPS:
            started = time.monotonic()
            reply = client.lookup(name, key)
            assert reply.status in ("TEMP", "TIMEOUT") and reply.data, reply
            assert time.monotonic() - started < 8
    assert front.ready().status == 503


def test_without_a_backend_what_needs_none_is_answered(frontend):
    front = frontend(["tcp://127.0.0.1:9"])
    assert front.lookup("alias", "example.org").status == "NOTFOUND"
    assert str(front.lookup("nosuchmap", "x")) == "PERM Unknown map name"


def test_a_backend_that_never_answers_is_waited_for_no_longer_than_the_limit(
    frontend,
):
    """A listener that accepts and says nothing at all."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        url = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        front = frontend([url], LOOKUP_TIMEOUT="1s")
        started = time.monotonic()
        reply = front.lookup("domain", "example.org")
        assert reply.status in ("TEMP", "TIMEOUT") and reply.data, reply
        assert time.monotonic() - started < 8


def test_a_stopped_backend_costs_no_more_than_the_limit(make_stack):
    stack = make_stack(frontend={"LOOKUP_TIMEOUT": "1s"})
    stack.backend.signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        reply = stack.lookup("domain", "example.org")
        assert reply.status in ("TEMP", "TIMEOUT"), reply
        assert time.monotonic() - started < 8
    finally:
        stack.backend.signal(signal.SIGCONT)
    wait_until(
        lambda: stack.lookup("domain", "example.org").status == "OK",
        what="an OK again",
    )


def test_a_lookup_never_takes_longer_than_the_limit(make_stack):
    """The frontend's limit is shorter than the backend's patience."""
    stack = make_stack(
        backend={"USERLI_TIMEOUT": "20s"}, frontend={"LOOKUP_TIMEOUT": "1s"}
    )
    stack.sandbox.set_faults(fault("domain", "example.org", hang=True))
    started = time.monotonic()
    reply = stack.lookup("domain", "example.org")
    assert reply.status in ("TEMP", "TIMEOUT"), reply
    assert time.monotonic() - started < 8
    # And only that lookup.
    assert stack.lookup("domain", "second.example").status == "OK"


def test_a_killed_backend_is_used_again_once_it_is_back(
    sandbox, frontend, keeper, free_url
):
    url = sandbox().url

    def start_backend():
        return keeper.add(Backend(url, BACKEND_LISTEN_URL=free_url))

    rear = start_backend()
    front = frontend([free_url], LOOKUP_TIMEOUT="2s").wait_ready()
    with front.client() as client:
        for name, key in MAPS:
            assert client.lookup(name, key).status == "OK"
        rear.kill()
        for name, key in MAPS:
            reply = client.lookup(name, key)
            assert reply.status in ("TEMP", "TIMEOUT") and reply.data, reply
        front.wait_not_ready()
        start_backend()
        front.wait_ready()
        # The same frontend, the same connection.
        for name, key in MAPS:
            wait_until(
                lambda n=name, k=key: client.lookup(n, k).status == "OK",
                what="an OK again",
            )


def test_a_backend_killed_with_lookups_in_flight_leaves_none_unanswered(make_stack):
    stack = make_stack(frontend={"LOOKUP_TIMEOUT": "3s"})
    stack.sandbox.set_faults(fault("mailbox", "alice@example.org", hang=True))
    clients = [stack.client() for _ in range(10)]
    for client in clients:
        client.send("mailbox", "alice@example.org")
    wait_until(lambda: stack.sandbox.targets(), what="userli is asked")
    stack.backend.kill()
    for client in clients:
        reply = client.receive()
        assert reply.status in ("TEMP", "TIMEOUT") and reply.data, reply
        client.close()


def test_a_frontend_that_starts_first_waits_for_its_backend(
    sandbox, frontend, backend, free_url
):
    front = frontend([free_url])
    assert front.ready().status == 503
    backend(sandbox().url, BACKEND_LISTEN_URL=free_url)
    front.wait_ready()
    assert str(front.lookup("domain", "example.org")) == "OK 1"


def test_rude_connections_to_the_backend_harm_nobody(stack):
    host, port = stack.backend.urls[0].removeprefix("tcp://").rsplit(":", 1)
    call = lookup_call(1, "domain", b"example.org")
    for data in (
        b"",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\0SP\0\0\x30\0\0",  # half a handshake, then gone
        b"\0SP\0\0\x30\0\0" + b"\xff" * 64,  # a message of 2^64-1 bytes
        b"\0SP\0\0\x30\0\0" + (4).to_bytes(8, "big") + b"\x80\0\0\1",
        b"\0SP\0\0\x30\0\0" + (12).to_bytes(8, "big") + b"\x80\0\0\1" + b"\xdd" * 8,
        b"\0SP\0\0\x30\0\0" + (8).to_bytes(8, "big") + b"\0\0\0\1\0\0\0\1",
    ):
        for _ in range(5):
            with socket.create_connection((host, int(port))) as sock:
                sock.sendall(data)
        assert stack.lookup("domain", "example.org").status == "OK"
        # Nor those who connect after them.
        reply = exchange(stack.backend.urls[0], call_frame(call))
        assert results(reply) == {1: ("OK", "1")}


def test_several_backends_are_all_used(sandbox, backend, frontend):
    server = sandbox()
    rears = [backend(server.url).wait_ready() for _ in range(3)]
    front = frontend([url for rear in rears for url in rear.urls]).wait_ready()
    with front.client() as client:
        for number in range(100):
            key = f"list{number}@example.org"
            assert client.lookup("alias", key).data == f"member{number}@example.org"
    name = "userli_postfix_adapter_http_client_requests_total"
    shares = [rear.metrics().total(name, endpoint="alias") for rear in rears]
    assert sum(shares) == 100
    assert min(shares) >= 10, "each key meets one backend, the keys all of them"


def test_equal_keys_meet_the_same_backend(sandbox, backend, frontend):
    server = sandbox()
    rears = [backend(server.url).wait_ready() for _ in range(3)]
    front = frontend([url for rear in rears for url in rear.urls]).wait_ready()
    for _ in range(10):
        assert front.lookup("alias", "info@example.org").status == "OK"
    name = "userli_postfix_adapter_http_client_requests_total"
    shares = [rear.metrics().total(name, endpoint="alias") for rear in rears]
    assert shares.count(0) == 2, shares
