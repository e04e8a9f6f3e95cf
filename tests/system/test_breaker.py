"""A userli that fails is left alone, and found again soon once it is back."""

import email.utils
import threading
import time

import pytest
from support.daemons import Sandbox
from support.load import SLOWNESS
from support.scripted_userli import ScriptedUserli, reply
from support.wait import PATIENCE, wait_until

PREFIX = "userli_postfix_adapter_"
EVERYTHING = "*"
# The longest hold while userli fails, and what a busy machine adds.
RECOVERY = 3 + 3 * SLOWNESS


def keys(count, start=0):
    return [f"user{n}@example.org" for n in range(start, start + count)]


def breaker_state(rear):
    samples = rear.metrics().samples(PREFIX + "userli_breaker_state")
    (state,) = [dict(labels)["state"] for labels, v in samples.items() if v == 1]
    return state


def trip(stack):
    """Let lookups fail until it shows; returns the first answer made without."""
    with stack.client() as client:
        for key in keys(20, start=1000):
            answer = client.lookup("mailbox", key)
            assert answer.status in ("TEMP", "TIMEOUT"), answer
            if "next try in" in answer.data:
                return answer
    raise AssertionError(f"still asked: {answer}")


@pytest.mark.parametrize(
    "status, form",
    (("503 Service Unavailable", "seconds"), ("429 Too Many Requests", "date")),
)
def test_retry_after_7_means_nothing_for_7_seconds_then_one(
    backend, frontend, status, form
):
    busy, well = threading.Event(), threading.Event()
    until = []

    def answer(request):
        if well.is_set() or not busy.is_set():
            return reply()
        if not until:
            # A date has whole seconds: rounded up, it is never too early.
            seconds = time.time() + 7
            until.append(time.monotonic() + 7)
            after = "7" if form == "seconds" else email.utils.formatdate(
                int(seconds), usegmt=True
            )
            return reply(status, "", Retry_After=after)
        well.wait(PATIENCE)  # the probe, on which all now depends
        return reply()

    with ScriptedUserli(answer) as userli:
        rear = backend(userli.url).wait_ready()
        front = frontend(rear.urls).wait_ready()
        with front.client() as client:
            busy.set()
            first = client.lookup("mailbox", "first@example.org")
            assert str(first).startswith("TEMP userli asked to be left alone for"), first
            assert "left alone" in rear.wait_not_ready().body
            before = len(userli.requests())
            for number in range(100000):
                held = client.lookup("mailbox", f"user{number}@example.org")
                assert held.status == "TEMP" and "left alone" in held.data, held
                if len(userli.requests()) > before:
                    break
                time.sleep(0.005)
            probe = userli.requests()[before]
            tolerance = 0.05 if form == "seconds" else 1
            assert probe.at >= until[0] - tolerance
            assert probe.is_check
            # Until it is answered, it stays the only one.
            for key in keys(200):
                assert client.lookup("mailbox", key).status == "TEMP"
            assert len(userli.requests()) == before + 1
            well.set()
            rear.wait_ready()
            assert client.lookup("mailbox", "last@example.org").status == "NOTFOUND"
    assert len(rear.find_events("userli is left alone for now", cause="asked")) == 1
    assert len(rear.find_events("userli is asked again")) == 1


def test_failures_in_a_row_stop_the_requests_until_userli_is_well(make_stack):
    stack = make_stack()
    stack.sandbox.set_faults({"match": EVERYTHING, "status": 500})
    stack.sandbox.clear_stats()
    with stack.client() as client:
        answers = [client.lookup("mailbox", key) for key in keys(200)]
    assert {a.status for a in answers} == {"TEMP"}
    assert sum(stack.sandbox.targets().values()) <= 5
    assert answers[0].data.startswith("userli failed (HTTP 500)")
    assert answers[-1].data.startswith("userli is failing, next try in 1 s")
    assert stack.backend.wait_not_ready().status == 503
    metrics = stack.backend.metrics()
    opens = metrics.value(PREFIX + "userli_breaker_opens_total", cause="failing")
    held = metrics.value(PREFIX + "userli_failures_total", reason="held")
    assert opens == 1 and held >= 190
    # No lookup is needed for the recovery.
    stack.sandbox.clear_faults()
    stack.backend.wait_ready(RECOVERY)
    assert breaker_state(stack.backend) == "closed"
    assert stack.lookup("mailbox", "alice@example.org").status == "OK"
    told = stack.backend.find_events("userli is left alone for now", cause="failing")
    assert len(told) == len(stack.backend.find_events("userli is asked again")) == 1


def test_a_userli_that_is_down_is_probed_by_one_request_at_a_time(make_stack):
    stack = make_stack()
    stack.sandbox.set_faults({"match": EVERYTHING, "status": 502, "delay_ms": 100})
    trip(stack)
    stack.sandbox.clear_stats()
    end = time.monotonic() + 4
    with stack.client() as client:
        for n in range(100000):
            assert client.lookup("alias", f"list{n}@example.org").status == "TEMP"
            if time.monotonic() > end:
                break
            time.sleep(0.002)
    stats = stack.sandbox.stats()
    assert stats["active_highest"] <= 1
    assert stack.sandbox.targets() == {}
    # Holds of 0.5, 1, 2, 3 s, each up to a quarter shorter.
    assert 1 <= stats["requests"] <= 6, stats


def test_a_userli_that_hangs_is_held_by_no_more_than_the_limit(make_stack):
    stack = make_stack(
        backend={"USERLI_TIMEOUT": "1s", "USERLI_MAX_REQUESTS": 8},
    )
    stack.sandbox.set_faults({"match": EVERYTHING, "hang": True})
    stack.sandbox.clear_stats()
    clients = [stack.client() for _ in range(64)]
    slowest = []
    for round_number in range(3):
        started = time.monotonic()
        for n, client in enumerate(clients):
            client.send("mailbox", f"user{round_number}.{n}@example.org")
        for client in clients:
            answer = client.receive()
            assert answer.status in ("TEMP", "TIMEOUT") and answer.data, answer
        slowest.append(time.monotonic() - started)
    for client in clients:
        client.close()
    assert stack.sandbox.stats()["active_highest"] <= 8
    # Known to fail, it costs nobody a timeout.
    assert breaker_state(stack.backend) != "closed"
    started = time.monotonic()
    assert stack.lookup("mailbox", "late@example.org").status == "TEMP"
    assert time.monotonic() - started < 0.5 * SLOWNESS
    stack.sandbox.clear_faults()
    stack.backend.wait_ready(RECOVERY)
    assert stack.lookup("mailbox", "alice@example.org").status == "OK"


def test_ready_follows_a_userli_that_is_back_within_seconds(
    keeper, directory_file, make_stack
):
    stack = make_stack()
    address = stack.sandbox.control_url.removeprefix("http://")
    stack.sandbox.kill()
    answer = trip(stack)
    assert "connection refused" in answer.data, answer
    stack.backend.wait_not_ready()
    # Long enough for the holds to have grown to the longest.
    time.sleep(4)
    keeper.add(Sandbox(directory_file, listen=address))
    started = time.monotonic()
    stack.backend.wait_ready()
    assert time.monotonic() - started < RECOVERY
    assert stack.lookup("mailbox", "alice@example.org").status == "OK"


def test_ready_follows_a_userli_that_goes_without_any_lookup(make_stack):
    stack = make_stack()
    stack.sandbox.kill()
    started = time.monotonic()
    assert "connection refused" in stack.backend.wait_not_ready().body
    # The background check comes every 5 s.
    assert time.monotonic() - started < 5 + RECOVERY


@pytest.mark.parametrize(
    "what",
    (
        {"status": 200, "body": '["a,b@example.org"]'},
        {"status": 200, "body": "true"},
        {"status": 400, "body": "{}"},
        {"status": 403, "body": "{}"},
        {"status": 200, "endless": True},
    ),
    ids=("bad_address", "wrong_type", "400", "403", "too_large"),
)
def test_keys_that_userli_cannot_answer_are_not_held_against_it(make_stack, what):
    stack = make_stack()
    stack.sandbox.set_faults({"match": "*/alias/bad*", **what})
    with stack.client() as client:
        for n in range(8):
            answer = client.lookup("alias", f"bad{n}@example.org")
            assert answer.status == "TEMP", answer
            # Even a 403 is verified at once, with a key that is harmless.
            wait_until(
                lambda: client.lookup("mailbox", "alice@example.org").status == "OK",
                timeout=5 * SLOWNESS,
                what="another key's answer",
            )
    opens = stack.backend.metrics().samples(PREFIX + "userli_breaker_opens_total")
    assert sum(opens.values()) <= (8 if what["status"] == 403 else 0), opens
