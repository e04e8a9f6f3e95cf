"""Logs: one JSON object a line, nothing personal, one request id for both tiers."""

import pytest
from support.daemons import ADDRESS, TOKEN, fault

KEYS = [
    ("alias", "info@example.org"),
    ("mailbox", "very.personal@example.org"),
    ("domain", "private-domain.example"),
    ("senders", "alice@example.org"),
    ("alias", "not a key"),
    ("nosuchmap", "alice@example.org"),
    ("alice@example.org", "map-and-key-mixed-up"),
    ("mailbox", "bob@example.org"),
]


def ask_everything(stack):
    stack.sandbox.set_faults(
        fault("mailbox", "bob@example.org", status=500, body="bob@example.org"),
        fault("alias", "one@example.org", body=["bob"]),
    )
    for name, key in KEYS:
        stack.lookup(name, key)
    stack.lookup("alias", "one@example.org")
    with stack.client() as client:
        client.send_raw(b"alice@example.org is not a netstring")
        assert client.at_end()


@pytest.mark.parametrize("level", ("info", "debug"))
def test_no_address_and_no_token_is_logged(make_stack, level):
    stack = make_stack(backend={"LOG_LEVEL": level}, frontend={"LOG_LEVEL": level})
    ask_everything(stack)
    for daemon in (stack.backend, stack.frontend):
        assert daemon.stop() == 0
        text = "\n".join(daemon.lines + daemon.output)
        assert TOKEN not in text
        assert not ADDRESS.search(text)
        for personal in ("very.personal", "private-domain", "map-and-key"):
            assert personal not in text
    # The keeper repeats the same search for each daemon of the whole suite.


def test_addresses_are_logged_when_asked_for(make_stack):
    stack = make_stack(
        backend={"LOG_LEVEL": "debug", "LOG_PII": "1"},
        frontend={"LOG_LEVEL": "debug", "LOG_PII": "1"},
    )
    ask_everything(stack)
    for daemon in (stack.backend, stack.frontend):
        daemon.stop()
        # Of the backend's, a failed lookup has the key.
        assert "bob@example.org" in "\n".join(daemon.lines)
        assert TOKEN not in "\n".join(daemon.lines)


def test_every_line_is_an_event(make_stack):
    stack = make_stack(backend={"LOG_LEVEL": "debug"}, frontend={"LOG_LEVEL": "debug"})
    ask_everything(stack)
    for daemon in (stack.backend, stack.frontend):
        daemon.stop()
        assert len(daemon.events) == len(daemon.lines)
        for event in daemon.events:
            assert list(event)[:3] == ["level", "ts", "msg"], event
            assert event["level"] in ("debug", "info", "warn", "error")
            assert event["ts"].endswith("Z") and event["msg"]


def test_both_tiers_log_the_same_request_id(make_stack):
    stack = make_stack(backend={"LOG_LEVEL": "debug"}, frontend={"LOG_LEVEL": "debug"})
    for _ in range(3):
        stack.lookup("mailbox", "alice@example.org")
    stack.frontend.stop()
    stack.backend.stop()
    ids = [
        {e["request_id"] for e in daemon.events if "request_id" in e}
        for daemon in (stack.frontend, stack.backend)
    ]
    shared_ids = ids[0] & ids[1]
    assert len(shared_ids) == 3, ids
    assert all(len(i) == 16 and int(i, 16) for i in shared_ids)


def test_lookups_are_not_logged_by_default(stack):
    stack.frontend.wait_event("backend changed state", to="up")
    before = len(stack.frontend.lines), len(stack.backend.lines)
    for name, key in KEYS[:5]:
        stack.lookup(name, key)
    stack.frontend.metrics(), stack.backend.metrics()
    assert (len(stack.frontend.lines), len(stack.backend.lines)) == before


def test_a_failure_is_logged_once_where_it_is_decided(stack):
    stack.sandbox.set_faults(fault("mailbox", "bob@example.org", status=500))
    stack.lookup("mailbox", "bob@example.org")
    stack.frontend.stop()
    stack.backend.stop()
    told = [
        event
        for event in stack.backend.events + stack.frontend.events
        if event["level"] in ("warn", "error")
    ]
    assert len(told) == 1, told
    assert told[0] in stack.backend.events
    assert "request_id" in told[0]


def test_the_token_is_in_no_argument_list(stack):
    for daemon in (stack.frontend, stack.backend):
        with open(f"/proc/{daemon.pid}/cmdline", "rb") as file:
            assert TOKEN.encode() not in file.read()
