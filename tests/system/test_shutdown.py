"""SIGTERM and SIGINT: what is in flight is finished; a second one ends at once."""

import signal
import time

import pytest
from support.daemons import fault
from support.wait import wait_until

EX_TEMPFAIL = 75
SLOW = ("mailbox", "alice@example.org")
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def start_slow_lookup(stack, delay_ms):
    """A client whose lookup has reached userli and will take its time."""
    stack.sandbox.set_faults(fault(*SLOW, delay_ms=delay_ms))
    client = stack.client()
    client.send(*SLOW)
    wait_until(lambda: stack.sandbox.targets(), what="userli is asked")
    return client


@pytest.mark.parametrize("number", SIGNALS)
def test_a_frontend_answers_what_is_in_flight_and_exits_0(make_stack, number):
    stack = make_stack()
    with stack.client() as idle, start_slow_lookup(stack, 1500) as client:
        assert idle.lookup("domain", "example.org").status == "OK"
        stack.frontend.signal(number)
        assert idle.at_end()  # between requests: closed at once
        assert str(client.receive()) == "OK 1"
        assert client.at_end()
    assert stack.frontend.wait() == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_a_backend_answers_what_is_in_flight_and_exits_0(make_stack, number):
    stack = make_stack()
    with start_slow_lookup(stack, 1500) as client:
        stack.backend.signal(number)
        assert str(client.receive()) == "OK 1"
    assert stack.backend.wait() == 0


def test_both_tiers_may_be_told_at_the_same_time(make_stack):
    stack = make_stack()
    with start_slow_lookup(stack, 1000) as client:
        stack.frontend.signal(signal.SIGTERM)
        stack.backend.signal(signal.SIGTERM)
        assert str(client.receive()) == "OK 1"
    assert stack.frontend.wait() == 0
    assert stack.backend.wait() == 0


def test_pipelined_requests_are_all_answered_before_the_end(make_stack):
    stack = make_stack()
    with start_slow_lookup(stack, 1000) as client:
        for _ in range(20):
            client.send("domain", "example.org")
        # The last of them has arrived when a later one of another client has.
        assert stack.lookup("domain", "second.example").status == "OK"
        stack.frontend.signal(signal.SIGTERM)
        assert [str(client.receive()) for _ in range(21)] == ["OK 1"] * 21
        assert client.at_end()
    assert stack.frontend.wait() == 0


def test_a_draining_frontend_accepts_nobody_new(make_stack):
    stack = make_stack()
    with start_slow_lookup(stack, 2000) as client:
        stack.frontend.signal(signal.SIGTERM)

        def refused():
            try:
                with stack.client() as late:
                    return late.at_end()
            except OSError:
                return True

        wait_until(refused, what="new connections are refused")
        assert str(client.receive()) == "OK 1"
    assert stack.frontend.wait() == 0


@pytest.mark.parametrize("tier", ("frontend", "backend"))
def test_a_second_signal_ends_at_once(make_stack, tier):
    stack = make_stack()
    daemon = getattr(stack, tier)
    with start_slow_lookup(stack, 60000):
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("draining")  # two equal signals at once are one
        daemon.signal(signal.SIGTERM)
        daemon.exit_codes = (128 + signal.SIGTERM,)
        assert daemon.wait(15) == 128 + signal.SIGTERM


def test_a_frontend_that_has_waited_long_enough_answers_temporarily(make_stack):
    stack = make_stack(frontend={"SHUTDOWN_TIMEOUT": "1s", "LOOKUP_TIMEOUT": "60s"})
    with start_slow_lookup(stack, 4000) as client:
        stack.frontend.signal(signal.SIGTERM)
        reply = client.receive()
        assert reply.status == "TEMP" and reply.data, reply
        assert client.at_end()
    assert stack.frontend.wait() == 0


def test_a_backend_that_has_waited_long_enough_exits_75(make_stack):
    stack = make_stack(
        backend={"SHUTDOWN_TIMEOUT": "1s", "USERLI_TIMEOUT": "60s"},
        frontend={"LOOKUP_TIMEOUT": "2s"},
    )
    with start_slow_lookup(stack, 60000) as client:
        stack.backend.signal(signal.SIGTERM)
        stack.backend.exit_codes = (EX_TEMPFAIL,)
        assert stack.backend.wait() == EX_TEMPFAIL
        assert client.receive().status in ("TEMP", "TIMEOUT")


@pytest.mark.parametrize("tier", ("frontend", "backend"))
def test_an_idle_daemon_ends_at_once(make_stack, tier):
    stack = make_stack()
    with stack.client() as client:
        client.lookup("domain", "example.org")
        started = time.monotonic()
        assert getattr(stack, tier).stop() == 0
        assert time.monotonic() - started < 7


def test_hangup_does_not_end_a_daemon(shared):
    for daemon in (shared.frontend, shared.backend):
        daemon.signal(signal.SIGHUP)
    assert shared.lookup("domain", "example.org").status == "OK"
    assert shared.frontend.running and shared.backend.running
