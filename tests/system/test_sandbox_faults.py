"""Each fault of the sandbox userli does what it says, on http and on https."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.raw_sandbox import (  # noqa: E402
    API,
    SAMPLE,
    RawSandbox,
    request_bytes,
    wait_for,
)

TEAM = API + "alias/team@example.org"
TEAM_BODY = b'["alice@example.org","bob@example.org"]'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=sandbox"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return ("--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem")


@pytest.fixture(scope="module")
def programs(certificate, tmp_path_factory):
    path = tmp_path_factory.mktemp("s") / "s"
    program = RawSandbox(
        SAMPLE,
        *("--listen-unix", path),
        *certificate,
        listen=("http://127.0.0.1:0", "127.0.0.1:0"),
    )
    yield program
    program.stop()


@pytest.fixture(params=("http", "https", "unix"))
def userli(request, programs):
    """The same program, asked in three ways."""
    (programs.url,) = (u for u in programs.urls if u.startswith(request.param + ":"))
    programs.clear()
    yield programs
    programs.control("faults", "DELETE")


def test_without_a_rule_all_is_well(userli):
    got = userli.ask(TEAM)
    assert (got.status, got.body) == (200, TEAM_BODY)


def test_any_part_of_the_answer_can_be_replaced(userli):
    body = "<html>ü</html>"
    userli.faults(
        {
            "status": 503,
            "headers": {"Retry-After": "7", "X-Odd": "a:b", "cache-control": None},
            "content_type": "text/html",
            "body": body,
        }
    )
    got = userli.ask(TEAM)
    assert (got.status, got.body) == (503, body.encode())
    assert got.headers["retry-after"] == "7" and got.headers["x-odd"] == "a:b"
    assert got.headers["content-type"] == "text/html"
    assert "cache-control" not in got.headers
    userli.faults({"status": 500})
    got = userli.ask(TEAM)
    assert (got.status, got.body) == (500, TEAM_BODY)
    userli.faults({"body_hex": b"\x00\xff[".hex()})
    got = userli.ask(TEAM)
    assert (got.status, got.body) == (200, b"\x00\xff[")


def test_a_truncated_body_has_the_length_that_it_says(userli):
    userli.faults({"truncate": 10})
    with userli.connect() as client:
        assert client.ask(TEAM).body == TEAM_BODY[:10]
        assert client.ask(API + "domain/x").body == b"false"


def test_the_first_rule_that_matches_is_applied(userli):
    userli.faults(
        {"match": "/api/postfix/alias/team@*", "status": 501},
        {"match": "*/alias/*", "status": 502},
        {"match": "/api/postfix/mailbox/?@example.org", "status": 504},
    )
    wanted = [
        ("alias/team@example.org", 501),
        ("alias/team%40example.org", 501),
        ("alias/other@example.org", 502),
        ("mailbox/a@example.org", 504),
        ("mailbox/ab@example.org", 200),
        ("domain/example.org", 200),
    ]
    for path, status in wanted:
        assert userli.ask(API + path).status == status, path
    assert userli.stats()["faults"] == 4


def test_a_rule_can_be_used_up(userli):
    userli.faults({"status": 500, "times": 2}, {"status": 502, "times": 1})
    assert [userli.ask(TEAM).status for _ in range(4)] == [500, 500, 502, 200]
    want = [{"status": 500, "times": 0}, {"status": 502, "times": 0}]
    assert userli.control("faults").json() == want
    assert userli.control("faults", "DELETE").status == 200
    assert userli.control("faults").json() == []


def test_a_delay_delays_nobody_else(userli):
    userli.faults({"match": "*/alias/*", "delay_ms": 1000})
    with userli.connect() as slow, userli.connect() as quick:
        begin = time.monotonic()
        slow.send(request_bytes(TEAM))
        assert quick.ask(API + "domain/example.org").json() is True
        assert userli.stats()["active"] == 1  # the slow one still is
        assert slow.response().body == TEAM_BODY
        assert time.monotonic() - begin >= 0.99


def test_hundreds_of_delays_run_side_by_side(userli):
    userli.faults({"delay_ms": 300})
    clients = [userli.connect() for _ in range(200)]
    begin = time.monotonic()
    for client in clients:
        client.send(request_bytes(TEAM))
    for client in clients:
        with client:
            assert client.response().body == TEAM_BODY
    assert time.monotonic() - begin < 0.3 * 200 / 4
    assert userli.stats()["active_highest"] > 100


def after_close(client):
    """What still arrives, and how the connection ended."""
    got = b""
    try:
        while data := client.receive():
            got += data
    except ConnectionResetError:
        return got, "reset"
    # An abrupt end has no TLS alert; Python's ssl takes that for an end.
    except OSError:
        return got, "closed"
    return got, "closed"


@pytest.mark.parametrize("reset", (False, True), ids=("closed", "reset"))
@pytest.mark.parametrize("where", ("before", "headers", "body", "after"))
def test_the_connection_ends_where_it_is_told_to(userli, where, reset):
    userli.faults({"close": where, "reset": reset, "times": 1})
    want = {"before": b"", "headers": b"", "body": TEAM_BODY[:19], "after": TEAM_BODY}
    with userli.connect() as client:
        client.send(request_bytes(TEAM))
        if where != "before":
            status, headers = client.head()
            assert status == 200 and "connection" not in headers
            assert int(headers["content-length"]) == len(TEAM_BODY)
        got, end = after_close(client)
    assert got == want[where]
    if userli.url.startswith("http:"):
        assert end == ("reset" if reset else "closed")
    outcome = "dropped" if where == "before" else "200"
    assert userli.stats()["by_status"] == {outcome: 1}
    assert userli.stats()["active"] == 0
    assert userli.ask(TEAM).body == TEAM_BODY


def test_a_body_can_drip(userli):
    userli.faults({"drip_ms": 20, "body": "[1, 2, 3]"})
    with userli.connect() as client:
        begin = time.monotonic()
        got = client.ask(TEAM)
        assert got.body == b"[1, 2, 3]"
        assert time.monotonic() - begin >= 0.02 * 9 - 0.02
        userli.control("faults", "DELETE")
        assert client.ask(TEAM).body == TEAM_BODY


def test_a_hung_request_is_answered_when_the_faults_change(userli):
    userli.faults({"match": "*/alias/*", "hang": True})
    with userli.connect() as client:
        client.send(request_bytes(TEAM))
        assert userli.ask(API + "domain/example.org").json() is True
        client.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.receive()
        client.socket.settimeout(60)
        userli.faults()
        assert client.response().body == TEAM_BODY


def test_an_endless_body_ends_with_the_connection_alone(userli):
    userli.faults({"endless": True})
    with userli.connect() as client:
        client.send(request_bytes(TEAM))
        status, headers = client.head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        assert "content-length" not in headers
        got = b""
        while len(got) < 1 << 20:
            data = client.receive()
            assert data
            got += data
        assert got.startswith(b'10\r\n["a@example.org"\r\n')
        # While it floods one client, it answers another.
        assert userli.stats()["active"] == 1
    wait_for(lambda: userli.stats()["active"] == 0)


def test_an_endless_body_can_drip(userli):
    userli.faults({"endless": True, "drip_ms": 5, "body": " "})
    with userli.connect() as client:
        client.send(request_bytes(TEAM))
        client.head()
        got = b""
        while len(got) < 60:
            got += client.receive()
    assert got.replace(b"1\r\n \r\n", b"") in (b"", b"1\r\n", b"1\r\n \r")


@pytest.mark.parametrize(
    "raw",
    [b"", b"not HTTP at all", b"HTTP/1.1 200 OK\r\n", b"\x00\xff" * 1000],
    ids=("nothing", "text", "half_a_head", "binary"),
)
def test_raw_bytes_can_stand_in_for_an_answer(userli, raw):
    userli.faults({"raw_hex": raw.hex()})
    with userli.connect() as client:
        client.send(request_bytes(TEAM))
        assert client.rest() == raw
    assert userli.stats()["by_status"] == {"raw": 1}
    userli.faults({"raw": "HTTP/1.1 200 Fine\r\n\r\ntrue"})
    with userli.connect() as client:
        client.send(request_bytes(TEAM))
        assert client.rest() == b"HTTP/1.1 200 Fine\r\n\r\ntrue"


@pytest.mark.parametrize("length", ("3", "1000", None))
def test_a_length_that_lies_ends_the_connection(userli, length):
    userli.faults({"headers": {"Content-Length": length}})
    with userli.connect() as client:
        client.send(request_bytes(TEAM))
        _, headers = client.head()
        assert headers.get("content-length") == length
        assert client.rest() == TEAM_BODY


def test_a_status_without_body_has_none(userli):
    userli.faults({"status": 204, "times": 1})
    with userli.connect() as client:
        got = client.ask(TEAM)
        assert got.status == 204 and "content-length" not in got.headers
        assert client.ask(TEAM).body == TEAM_BODY


def test_faults_spare_the_control_interface(userli):
    userli.faults({"close": "before"})
    assert userli.stats()["requests"] == 0


@pytest.mark.parametrize(
    "rules, complaint",
    [
        ({}, "must be a list"),
        ([1], "faults[0]: must be an object"),
        ([{}, {"delay": 1}], 'faults[1]: unknown member "delay"'),
        ([{"delay_ms": "1"}], "faults[0].delay_ms: must be a whole number"),
        ([{"delay_ms": -1}], "faults[0].delay_ms: must be a whole number"),
        ([{"status": 100}], "faults[0].status: must be a whole number from 200"),
        ([{"close": "after all"}], "faults[0]: close must be"),
        ([{"hang": 1}], "faults[0].hang: must be true or false"),
        ([{"headers": {"A": 1}}], "faults[0]: headers must be strings"),
        ([{"headers": {"A": "b\r\nc"}}], "faults[0]: headers must be strings"),
        ([{"headers": {"A b": "c"}}], "faults[0]: bad header name"),
        ([{"content_type": "a\nb"}], "faults[0]: content_type must be one line"),
        ([{"body": "a", "raw": "b"}], "faults[0]: takes one of body"),
        ([{"body_hex": "abc"}], "faults[0]: needs pairs"),
        ([{"raw_hex": "xy"}], "faults[0]: needs pairs"),
    ],
)
def test_a_wrong_rule_is_refused_and_changes_nothing(programs, rules, complaint):
    programs.faults({"status": 500})
    got = programs.control("faults", "PUT", rules)
    assert got.status == 400 and complaint in got.json()["error"]
    assert programs.control("faults").json() == [{"status": 500}]
    with programs.connect() as client:
        body = b"not JSON"
        assert client.ask("/_sandbox/faults", "PUT", body=body).status == 400
    programs.clear()


def test_no_bytes_of_a_broken_tls_client_hurt_the_others(programs):
    (url,) = (u for u in programs.urls if u.startswith("https:"))
    garbage = (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x16")
    for data in garbage:
        with programs.connect(url.replace("https", "http")) as client:
            client.send(data)
            if len(data) > 1:  # enough to be found wrong
                after_close(client)
        with programs.connect(url) as client:
            assert json.loads(client.ask(API + "domain/example.org").body) is True
