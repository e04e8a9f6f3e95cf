"""The socketmap wire as clients stress it: order, pieces, rubbish, size."""

import socket

import pytest
from support.daemons import fault
from support.socketmap import netstring, request
from support.wait import wait_until

REPLY_MAX = 100_000  # bytes of "OK " and the value, as Postfix reads them


def test_pipelined_requests_are_answered_in_order(shared):
    """Also when later answers are ready long before the first one."""
    shared.sandbox.set_faults(
        fault("alias", "one@example.org", delay_ms=700),
        fault("mailbox", "bob@second.example", delay_ms=300),
    )
    kinds = [
        ("alias", "one@example.org", "OK alice@example.org"),
        ("mailbox", "bob@second.example", "OK 1"),
        ("domain", "example.org", "OK 1"),
        ("mailbox", "nobody@example.org", "NOTFOUND "),
        ("alias", "*", "NOTFOUND "),
        ("nosuchmap", "x@example.org", "PERM Unknown map name"),
    ]
    wanted = [kinds[i % len(kinds)] for i in range(100)]
    with shared.client() as client:
        client.send_raw(b"".join(request(name, key) for name, key, _ in wanted))
        got = [str(client.receive()) for _ in wanted]
    assert got == [reply for _, _, reply in wanted]


def test_pipelined_answers_belong_to_their_requests(shared):
    """A hundred different keys, each with an answer of its own."""
    with shared.client() as client:
        for number in range(100):
            client.send("alias", f"list{number}@example.org")
        for number in range(100):
            assert client.receive().data == f"member{number}@example.org"


def test_a_request_may_come_in_one_byte_writes(shared):
    with shared.client() as client:
        for name, key, reply in (
            ("alias", "info@example.org", "OK alice@example.org,bob@example.org"),
            ("domain", "elsewhere.example", "NOTFOUND "),
        ):
            for byte in request(name, key):
                client.send_raw(bytes([byte]))
            assert str(client.receive()) == reply


def test_a_request_may_share_its_segments_with_the_next(shared):
    data = request("domain", "example.org") * 3
    with shared.client() as client:
        for start in range(0, len(data), 7):
            client.send_raw(data[start : start + 7])
        assert [str(client.receive()) for _ in range(3)] == ["OK 1"] * 3


MALFORMED = {
    "no_number": b":alias x,",
    "letters": b"GET / HTTP/1.0\r\n\r\n",
    "negative": b"-1:x,",
    "plus": b"+5:alias,",
    "leading_zero": b"05:alias,",
    "blank": b" 5:alias,",
    "no_colon": b"5alias,",
    "no_comma": b"5:aliasX",
    "eleven_digits": b"99999999999:x,",
    "twenty_digits": b"18446744073709551616:x,",
    "over_the_limit": b"100001:",
    "four_gigabytes": b"4294967295:",
    "tls_hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "nul": b"\0\0\0\0",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_netstring_closes_only_its_own_connection(shared, data):
    with shared.client() as good, shared.client() as bad:
        assert good.lookup("domain", "example.org").status == "OK"
        bad.send_raw(data)
        assert bad.at_end()
        assert good.lookup("domain", "example.org").status == "OK"


def test_what_came_before_a_malformed_netstring_is_answered(shared):
    with shared.client() as client:
        client.send_raw(request("domain", "example.org") + b"rubbish")
        assert str(client.receive()) == "OK 1"
        assert client.at_end()


def test_a_client_may_close_its_sending_side_and_still_read(shared):
    """As `printf … | nc` does."""
    with shared.client() as client:
        client.send("alias", "one@example.org")
        client.send("domain", "example.org")
        client.sock.shutdown(socket.SHUT_WR)
        assert str(client.receive()) == "OK alice@example.org"
        assert str(client.receive()) == "OK 1"
        assert client.at_end()


def test_a_client_that_leaves_early_harms_nobody(shared):
    shared.sandbox.set_faults(fault("mailbox", "alice@example.org", delay_ms=300))
    for _ in range(20):
        with shared.client() as client:
            client.send("mailbox", "alice@example.org")
    with shared.client() as client:
        client.send_raw(b"20:mailbox al")
    assert shared.lookup("mailbox", "alice@example.org").status == "OK"


def destinations(total_bytes):
    """Addresses which, joined by commas after "OK ", make so many bytes."""
    value_bytes = total_bytes - len("OK ")
    count = value_bytes // 50
    addresses = [f"{i:036d}@example.org" for i in range(count - 1)]  # 48 bytes
    rest = value_bytes - len(",".join(addresses)) - 1
    addresses.append("z" * (rest - len("@example.org")) + "@example.org")
    assert len("OK " + ",".join(addresses)) == total_bytes
    return addresses


@pytest.mark.parametrize("size", (99_000, REPLY_MAX - 1, REPLY_MAX))
def test_a_reply_of_up_to_the_limit_arrives_whole(shared, size):
    addresses = destinations(size)
    shared.sandbox.set_faults(
        fault("alias", "info@example.org", status=200, body=addresses)
    )
    with shared.client() as client:
        client.send("alias", "info@example.org")
        assert client.receive_raw() == ("OK " + ",".join(addresses)).encode()
        assert client.lookup("domain", "example.org").status == "OK"


@pytest.mark.parametrize("size", (REPLY_MAX + 1, 150_000, 600_000))
def test_a_reply_over_the_limit_is_a_configuration_error(shared, size):
    shared.sandbox.set_faults(
        fault("alias", "info@example.org", status=200, body=destinations(size))
    )
    with shared.client() as client:
        reply = client.lookup("alias", "info@example.org")
        assert reply.status == "PERM" and reply.data, reply
        assert client.lookup("domain", "example.org").status == "OK"


def test_many_large_replies_come_in_order_to_a_slow_reader(shared):
    """1.6 MB for one connection, which starts to read when all is asked."""
    addresses = destinations(REPLY_MAX)
    shared.sandbox.set_faults(
        fault("alias", "info@example.org", status=200, body=addresses)
    )
    wanted = ("OK " + ",".join(addresses)).encode()
    with shared.client() as client, shared.client() as other:
        for _ in range(16):
            client.send("alias", "info@example.org")
            client.send("domain", "example.org")
        assert other.lookup("domain", "example.org").status == "OK"
        for _ in range(16):
            assert client.receive_raw() == wanted
            assert client.receive_raw() == b"OK 1"


def test_rubbish_is_counted(shared):
    def closed_as_malformed():
        return shared.frontend.metrics().value(
            "userli_postfix_adapter_connections_closed_total", reason="malformed"
        )

    before = closed_as_malformed()
    with shared.client() as client:
        client.send_raw(b"rubbish")
        assert client.at_end()
    wait_until(lambda: closed_as_malformed() == before + 1, what="one more counted")


def test_a_query_as_long_as_postfix_sends_is_answered(shared):
    with shared.client() as client:
        client.send_raw(netstring(b"alias " + b"x" * 9_994))
        assert client.receive_raw() == b"NOTFOUND "
