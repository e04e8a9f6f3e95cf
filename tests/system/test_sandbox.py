"""The sandbox userli answers as userli does, and counts what it is asked."""

import socket
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.raw_sandbox import (  # noqa: E402
    API,
    OTHER_TOKEN,
    SAMPLE,
    RawSandbox,
    request_bytes,
    sample_directory,
    wait_for,
    write,
)


@pytest.fixture(scope="module")
def module_userli():
    program = RawSandbox()
    yield program
    program.stop()


@pytest.fixture
def userli(module_userli):
    module_userli.clear()
    return module_userli


@pytest.fixture
def start():
    """start(directory, *options, listen=…) starts one that ends with the test."""
    programs = []

    def start_one(*arguments, **options):
        programs.append(RawSandbox(*arguments, **options))
        return programs[-1]

    yield start_one
    for program in programs:
        program.stop()


# --- The API


@pytest.mark.parametrize(
    "path, want",
    [
        ("alias/info@example.org", ["alice@example.org"]),
        ("alias/team@example.org", ["alice@example.org", "bob@example.org"]),
        ("alias/TEAM@Example.ORG", ["alice@example.org", "bob@example.org"]),
        ("alias/team%40example.org", ["alice@example.org", "bob@example.org"]),
        ("alias/alice@example.org", []),
        ("alias/nobody@example.org", []),
        ("alias/example.org", []),
        ("alias/postmaster@example.com", ["postmaster@example.org"]),
        ("alias/Abuse@example.com", ["abuse@example.org"]),
        ("alias/postmaster@elsewhere.example", []),
        ("alias/abuse@", []),
        ("domain/example.org", True),
        ("domain/EXAMPLE.org", True),
        ("domain/xn--bcher-kva.example", True),
        ("domain/" + quote("bücher.example"), True),
        ("domain/example.net", False),
        ("mailbox/alice@example.org", True),
        ("mailbox/ALICE@example.org", True),
        ("mailbox/info@example.org", False),
        ("mailbox/alice", False),
        ("mailbox/" + "x" * 10000 + "@example.org", False),
        ("mailbox/alice@example.org%00", False),
        ("mailbox/alice%2540example.org", False),  # decoded once only
        ("mailbox/alice@example.org?x=1", True),
        ("mailbox/al+ice@example.org", False),
        ("senders/alice@example.org", ["alice@example.org"]),
        ("senders/team@example.org", ["alice@example.org", "bob@example.org"]),
        ("senders/carol@example.com", ["carol@example.com", "alice@example.org"]),
        ("senders/nobody@example.org", []),
        ("smtp_quota/alice@example.org", {"per_hour": 100, "per_day": 1000}),
        ("smtp_quota/bob@example.org", {"per_hour": 0, "per_day": 0}),
    ],
)
def test_a_call_is_answered_from_the_directory(userli, path, want):
    got = userli.ask(API + path)
    assert (got.status, got.json()) == (200, want)
    assert got.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/api/postfix",
        API,
        API + "alias",
        API + "alias/",
        API + "alias/a/b",
        API + "alias/a%2Fb@example.org",
        API + "alias/.",
        API + "alias/..",
        API + "alias/%2e%2e",
        API + "other/alice@example.org",
        API + "auth/x",
        API + "smtp_quota/nobody@example.org",
        "/userli" + API + "domain/example.org",
        "/x" + API + "domain/example.org",
    ],
)
def test_what_is_not_there_is_a_json_404(userli, target):
    got = userli.ask(target)
    assert got.status == 404
    assert list(got.json()) == ["error"]


@pytest.mark.parametrize("name", ("alias", "domain", "mailbox", "senders"))
def test_a_token_is_required_and_needs_the_scope(userli, name):
    path = f"{API}{name}/alice@example.org"
    for token, status in ((None, 401), ("wrong", 401), (OTHER_TOKEN, 403)):
        got = userli.ask(path, token=token)
        assert (got.status, list(got.json())) == (status, ["error"])
    assert userli.stats()["unauthorized"] == 3


@pytest.mark.parametrize(
    "body, status",
    [
        ('{"email":"alice@example.org","password":"alice-password"}', 200),
        ('{"email":"ALICE@example.org","password":"alice-password"}', 200),
        ('{"email":"alice@example.org","password":"wrong"}', 401),
        ('{"email":"nobody@example.org","password":"x"}', 401),
        ('{"email":"bob@example.org","password":"bob-password"}', 403),
        ('{"email":"bob@example.org","password":"wrong"}', 401),
        ('{"email":"carol@example.com","password":"carol-password"}', 403),
        ('{"email":"alice@example.org"}', 400),
        ('{"email":1,"password":"x"}', 400),
        ("[]", 400),
        ("{", 400),
        ("", 400),
    ],
)
def test_auth_judges_a_password(userli, body, status):
    got = userli.ask(API + "auth", "POST", body=body.encode())
    assert got.status == status
    if status == 200:
        assert got.body == b'{"message":"success"}'


@pytest.mark.parametrize("method", ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"))
def test_another_method_is_405(userli, method):
    with userli.connect() as client:
        got = client.ask(API + "domain/example.org", method)
        assert (got.status, got.headers["allow"]) == (405, "GET")
        assert client.ask(API + "domain/example.org").status == 200
    assert userli.ask(API + "auth").status == 405


def test_json_is_escaped_as_symfony_does_it(start, tmp_path):
    odd = "a/b\\<>&'\"é😀\x7f\n\x01@example.org"
    alias = {"source": "a@example.org", "destinations": [odd]}
    userli = start(write(tmp_path / "d.json", {**sample_directory(), "aliases": [alias]}))
    want = (
        rb'["a\/b\\\u003C\u003E\u0026\u0027\u0022\u00e9\ud83d\ude00'
        b"\x7f"
        rb'\n\u0001@example.org"]'
    )
    assert userli.ask(API + "alias/a@example.org").body == want


def test_senders_is_an_object_where_duplicates_left_a_gap(start, tmp_path):
    settings = {"senders_as_object": True}
    userli = start(write(tmp_path / "d.json", {**sample_directory(), "settings": settings}))
    got = userli.ask(API + "senders/carol@example.com").body
    assert got == b'{"0":"carol@example.com","2":"alice@example.org"}'
    assert userli.api("senders/team@example.org") == [
        "alice@example.org",
        "bob@example.org",
    ]
    # Without an address in the settings, the roles are not there.
    assert userli.api("alias/postmaster@example.com") == []


def test_an_alias_beats_the_settings_and_equal_sources_are_one(start, tmp_path):
    aliases = [
        {"source": "abuse@example.com", "destinations": ["x@example.org"]},
        {"source": "Abuse@Example.com", "destinations": ["y@example.org"]},
    ]
    userli = start(write(tmp_path / "d.json", {**sample_directory(), "aliases": aliases}))
    want = ["x@example.org", "y@example.org"]
    assert userli.api("alias/abuse@example.com") == want


def test_the_api_is_below_the_prefix_alone(start):
    userli = start(SAMPLE, "--prefix", "/userli")
    assert userli.ask("/userli" + API + "domain/example.org").json() is True
    for target in (API + "domain/example.org", "/userlix" + API + "domain/example.org"):
        assert userli.ask(target).status == 404
    userli.faults({"match": "/api/postfix/domain/*", "status": 500})
    assert userli.ask("/userli" + API + "domain/example.org").status == 500


# --- HTTP


def test_pipelined_requests_are_answered_in_order(userli):
    names = [f"{n}@example.org" for n in range(200)]
    wanted = [API + "alias/info@example.org", API + "domain/example.org"]
    targets = [wanted[n % 2] if n % 3 else API + "mailbox/" + names[n] for n in range(200)]
    answers = [[["alice@example.org"], True][n % 2] if n % 3 else False for n in range(200)]
    with userli.connect() as client:
        client.send(b"".join(map(request_bytes, targets)))
        assert [client.response().json() for _ in targets] == answers


def test_a_request_may_come_byte_by_byte(userli):
    body = b'{"email":"alice@example.org","password":"alice-password"}'
    with userli.connect() as client:
        for byte in request_bytes(API + "auth", "POST", body):
            client.send(bytes((byte,)))
        assert client.response().status == 200


def test_a_body_waits_for_the_continue_that_was_asked_for(userli):
    body = b"[]"
    with userli.connect() as client:
        whole = request_bytes(
            "/_sandbox/faults", "PUT", body, headers=["Expect: 100-continue"]
        )
        client.send(whole[: -len(body)])
        assert client.head()[0] == 100
        client.send(body)
        assert client.response().status == 200


@pytest.mark.parametrize(
    "data, status",
    [
        (b"hello\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /x HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"GET /" + b"x" * 140000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 65 + b"\r\n", 431),
    ],
    ids=lambda v: None if isinstance(v, bytes) else str(v),
)
def test_what_is_no_request_ends_its_connection_alone(userli, data, status):
    with userli.connect() as other, userli.connect() as client:
        assert other.ask(API + "domain/example.org").status == 200
        client.send(data)
        got = client.response()
        assert (got.status, got.headers["connection"]) == (status, "close")
        assert client.rest() == b""
        assert other.ask(API + "domain/example.org").status == 200


def test_a_client_decides_when_its_connection_ends(userli):
    path = API + "domain/example.org"
    with userli.connect() as client:
        assert "connection" not in client.ask(path).headers
        got = client.ask(path, headers=["Connection: close"])
        assert got.headers["connection"] == "close"
        assert client.rest() == b""
    with userli.connect() as client:
        client.send(request_bytes(path).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert client.response().headers["connection"] == "close"
        assert client.rest() == b""
    with userli.connect() as client:
        client.send(request_bytes(path))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.response().json() is True
        assert client.rest() == b""


def test_hundreds_of_connections_work_at_once(userli):
    clients = [userli.connect() for _ in range(600)]
    try:
        for _ in range(2):
            for client in clients:
                client.send(request_bytes(API + "mailbox/alice@example.org"))
            assert all(client.response().json() is True for client in clients)
        stats = userli.stats()
        assert stats["connections_open"] >= 600
        assert stats["api_connections"] == 600
        assert stats["requests"] == 1200
    finally:
        for client in clients:
            client.socket.close()


# --- Statistics


def test_requests_are_counted_by_what_they_were(userli):
    for path in ("alias/a", "alias/a", "alias/a%40b", "domain/x", "smtp_quota/x"):
        userli.ask(API + path)
    userli.ask("/elsewhere")
    userli.ask(API + "auth", "POST", body=b"{}")
    stats = userli.stats()
    assert stats["requests"] == 7
    assert stats["active"] == 0 and stats["active_highest"] == 1
    assert stats["by_endpoint"] == {
        "other": 1,
        "alias": 3,
        "domain": 1,
        "mailbox": 0,
        "senders": 0,
        "smtp_quota": 1,
        "auth": 1,
    }
    assert stats["by_status"] == {"200": 4, "400": 1, "404": 2}
    assert stats["by_path"] == {
        API + "alias/a": 2,
        API + "alias/a%40b": 1,
        API + "domain/x": 1,
        API + "smtp_quota/x": 1,
        "/elsewhere": 1,
        API + "auth": 1,
    }
    assert userli.control("stats", "DELETE").status == 200
    stats = userli.stats()
    assert stats["requests"] == 0 and stats["by_path"] == {}


@pytest.mark.parametrize(
    "target, status",
    [
        (b"alias/%2e%2E%2f%3f%23%00", 404),
        (b"alias/a%zz%4", 200),
        (b"alias/a?b#c", 200),
        ("alias/müller@example.org".encode(), 200),
        (b"alias/\xff\xfe", 200),
        (b"alias/a b", 400),
        (b"alias/a\x01b\x7f", 400),
        (b'alias/"a\\b"@example.org', 200),
    ],
)
def test_targets_are_recorded_raw(userli, target, status):
    raw = API.encode() + target
    assert userli.ask(raw).status == status
    (got,) = userli.stats()["by_path"]
    assert got.encode("latin-1") == raw


def test_the_last_headers_are_kept(userli):
    userli.ask(API + "alias/a", token="abc", headers=["X-Odd:   a\\b\"c "])
    assert userli.stats()["last_headers"] == {
        "host": "sandbox",
        "authorization": "Bearer abc",
        "x-odd": 'a\\b"c',
    }


def test_the_most_at_once_are_counted(userli):
    userli.faults({"hang": True})
    clients = [userli.connect() for _ in range(20)]
    for client in clients:
        client.send(request_bytes(API + "alias/a"))
    wait_for(lambda: userli.stats()["active"] == 20)
    clients.pop().socket.close()
    wait_for(lambda: userli.stats()["active"] == 19)
    userli.control("faults", "DELETE")
    for client in clients:
        with client:
            assert client.response().json() == []
    stats = userli.stats()
    assert stats["active"] == 0 and stats["active_highest"] == 20


def test_control_paths_are_outside_the_api(userli):
    assert userli.control("nothing").status == 404
    assert userli.control("stats", "PUT").status == 405
    assert userli.stats()["requests"] == 0
