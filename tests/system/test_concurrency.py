"""Many lookups at once: bounded towards userli, none slower than its own call."""

import json
import time

from support.daemons import fault
from support.directory import LISTS
from support.socketmap import request
from support.wait import wait_until

SLOW = ("mailbox", "alice@example.org")


def ask_lists(client, count):
    client.send_raw(
        b"".join(request("alias", f"list{n % LISTS}@example.org") for n in range(count))
    )


def check_lists(client, count):
    for n in range(count):
        assert client.receive().data == f"member{n % LISTS}@example.org"


def test_a_slow_lookup_delays_no_other(stack):
    """Hundreds of others are answered while it waits for userli."""
    stack.sandbox.set_faults(fault(*SLOW, delay_ms=4000))
    clients = [stack.client() for _ in range(10)]
    slow = stack.client()
    slow.send(*SLOW)
    for client in clients:
        client.send("domain", "example.org")
    for client in clients:
        assert client.receive().status == "OK"
    for client in clients:
        for _ in range(20):
            assert client.lookup("domain", "second.example").status == "OK"
    assert slow.open_and_silent(), "the others waited for the slow one"
    assert slow.receive().status == "OK"
    for client in (*clients, slow):
        client.close()


def test_requests_to_userli_are_bounded_and_the_rest_wait(make_stack):
    # A hundred of 20 ms each, four at once: just what a turn is waited for.
    settings = {"USERLI_MAX_REQUESTS": 4, "USERLI_QUEUE_TIMEOUT": "0"}
    stack = make_stack(backend=settings)
    stack.sandbox.set_faults({"match": "*/alias/*", "delay_ms": 20})
    stack.sandbox.clear_stats()
    clients = [stack.client() for _ in range(20)]
    for first, client in enumerate(clients):
        for n in range(10):
            client.send("alias", f"list{(10 * first + n) % LISTS}@example.org")
    for first, client in enumerate(clients):
        for n in range(10):
            member = f"member{(10 * first + n) % LISTS}@example.org"
            assert client.receive().data == member
        client.close()
    stats = stack.sandbox.stats()
    assert 2 <= stats["active_highest"] <= 4


def test_connections_to_userli_are_kept_alive(make_stack):
    stack = make_stack(backend={"USERLI_MAX_REQUESTS": 8})
    with stack.client() as client:
        for _ in range(10):
            ask_lists(client, 100)
            check_lists(client, 100)
    stats = stack.sandbox.stats()
    assert sum(stack.sandbox.targets().values()) <= 1000
    assert stats["api_connections"] <= 8


def test_a_queue_that_is_full_is_said_at_once(make_stack):
    stack = make_stack(
        backend={
            "USERLI_MAX_REQUESTS": 1,
            "USERLI_MAX_QUEUE": 5,
            "USERLI_QUEUE_TIMEOUT": "0",
        }
    )
    stack.sandbox.set_faults(fault(*SLOW, delay_ms=3000))
    with stack.client() as slow, stack.client() as others:
        slow.send(*SLOW)
        wait_until(lambda: stack.sandbox.targets(), what="userli is asked")
        # Five of these wait in the queue, and the sixth finds no room in it.
        queued = [stack.client() for _ in range(5)]
        for n, client in enumerate(queued):
            client.send("alias", f"list{n}@example.org")
        wait_until(
            lambda: stack.backend.metrics().value(
                "userli_postfix_adapter_http_client_queued"
            )
            == 5,
            what="a full queue",
        )
        reply = others.lookup("alias", "list9@example.org")
        assert slow.open_and_silent(), "it waited for the slow one"
        assert reply.status == "TEMP" and reply.data, reply
        assert slow.receive().status == "OK"
        for n, client in enumerate(queued):
            assert client.receive().data == f"member{n}@example.org"
            client.close()


def test_who_waits_too_long_for_a_turn_is_answered_within_a_second(make_stack):
    stack = make_stack(backend={"USERLI_MAX_REQUESTS": 1})
    stack.sandbox.set_faults(fault(*SLOW, delay_ms=3000))
    with stack.client() as slow, stack.client() as waiting:
        slow.send(*SLOW)
        wait_until(lambda: stack.sandbox.targets(), what="userli is asked")
        started = time.monotonic()
        reply = waiting.lookup("alias", "list1@example.org")
        took = time.monotonic() - started
        assert reply.status == "TEMP" and "busy" in reply.data, reply
        assert 0.4 < took < 1.3, took
        assert slow.receive().status == "OK"
        metrics = stack.backend.metrics()
        assert metrics.value(
            "userli_postfix_adapter_userli_failures_total", reason="queue_timeout"
        ) == 1
        wait = "userli_postfix_adapter_http_client_queue_seconds"
        assert metrics.value(wait + "_sum") >= 0.4
        assert metrics.value(wait + "_count") >= 2


def test_more_lookups_than_a_frame_holds_are_all_answered(stack):
    """A thousand in one write: several frames, bounded queues."""
    with stack.client() as client:
        ask_lists(client, 1000)
        check_lists(client, 1000)


def test_large_answers_of_one_turn_are_split_over_messages(stack):
    """Fifty answers of 90 kB do not fit one message between the tiers."""
    addresses = [f"{i:06d}-destination@example.org" for i in range(2900)]
    stack.sandbox.set_faults({"match": "*/alias/list*", "body": json.dumps(addresses)})
    clients = [stack.client() for _ in range(50)]
    for n, client in enumerate(clients):
        client.send("alias", f"list{n}@example.org")
    for client in clients:
        assert client.receive().data == ",".join(addresses)
        client.close()
