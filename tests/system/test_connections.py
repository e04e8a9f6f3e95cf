"""Many connections, idle ones above all: Postfix holds hundreds of them."""

import resource
import threading
import time

import pytest
from support.daemons import fault
from support.wait import wait_until

IDLE_CONNECTIONS = 1000
IDLE_SECONDS = 60


def allow_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"no more than {hard} open files are allowed here")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def test_a_thousand_idle_connections_are_kept_while_others_work(stack):
    allow_descriptors(4096)
    idle = [stack.client() for _ in range(IDLE_CONNECTIONS)]
    half = IDLE_CONNECTIONS // 2
    try:
        # Half of them have asked something, as Postfix's have.
        for client in idle[:half]:
            assert client.lookup("domain", "example.org").status == "OK"
        deadline = time.monotonic() + IDLE_SECONDS
        answered = 0
        with stack.client() as busy:
            while time.monotonic() < deadline:
                assert busy.lookup("mailbox", "alice@example.org").status == "OK"
                answered += 1
                time.sleep(0.02)
        metrics = stack.frontend.metrics()
        name = "userli_postfix_adapter_active_connections"
        assert metrics.value(name) >= IDLE_CONNECTIONS
        assert answered > IDLE_SECONDS  # the others did work
        assert all(client.open_and_silent() for client in idle)
        for client in idle[::10]:
            assert client.lookup("domain", "example.org").status == "OK"
    finally:
        for client in idle:
            client.close()
    wait_until(
        lambda: stack.frontend.metrics().value(name) == 0, what="all are counted off"
    )


def test_beyond_the_limit_the_longest_idle_is_closed(make_stack):
    stack = make_stack(frontend={"SOCKETMAP_MAX_CONNECTIONS": 5})
    clients = []
    for _ in range(5):
        clients.append(stack.client())
        assert clients[-1].lookup("domain", "example.org").status == "OK"
    # The first is used again, so that the second has been idle the longest.
    assert clients[0].lookup("domain", "example.org").status == "OK"
    newcomer = stack.client()
    assert newcomer.lookup("domain", "example.org").status == "OK"
    assert clients[1].at_end()
    for client in (clients[0], *clients[2:], newcomer):
        assert client.lookup("domain", "example.org").status == "OK"
        client.close()
    assert closed(stack, "reaped") == 1
    assert stack.frontend.wait_event(None, reason="reaped")


def test_beyond_the_limit_with_none_idle_the_new_one_is_refused(make_stack):
    stack = make_stack(frontend={"SOCKETMAP_MAX_CONNECTIONS": 3})
    stack.sandbox.set_faults(fault("mailbox", "alice@example.org", delay_ms=3000))
    busy = [stack.client() for _ in range(3)]
    for client in busy:
        client.send("mailbox", "alice@example.org")
    # All three are in the frontend's hands once userli has been asked.
    wait_until(lambda: stack.sandbox.targets(), what="userli is asked")
    wait_until(
        lambda: stack.frontend.metrics().value(
            "userli_postfix_adapter_active_connections"
        )
        == 3,
        what="three connections",
    )
    with stack.client() as refused:
        assert refused.at_end()
    assert all(client.receive().status == "OK" for client in busy)
    assert closed(stack, "refused") == 1
    assert stack.frontend.wait_event(None, reason="refused")
    for client in busy:
        client.close()
    wait_until(
        lambda: stack.frontend.metrics().value(
            "userli_postfix_adapter_active_connections"
        )
        == 0,
        what="room again",
    )
    assert stack.lookup("domain", "example.org").status == "OK"


def test_an_idle_timeout_that_is_asked_for_closes_idle_connections(make_stack):
    stack = make_stack(frontend={"SOCKETMAP_IDLE_TIMEOUT": "1s"})
    started = time.monotonic()
    with stack.client() as client:
        assert client.lookup("domain", "example.org").status == "OK"
        assert client.at_end()
    assert time.monotonic() - started >= 0.9
    assert closed(stack, "idle") == 1


def test_a_waiting_client_is_not_idle(make_stack):
    stack = make_stack(frontend={"SOCKETMAP_IDLE_TIMEOUT": "1s"})
    stack.sandbox.set_faults(fault("mailbox", "alice@example.org", delay_ms=2500))
    assert stack.lookup("mailbox", "alice@example.org").status == "OK"


def test_two_hundred_clients_at_once_are_all_answered(stack):
    allow_descriptors(2048)
    wrong = []

    def ask(number):
        key = f"list{number % 100}@example.org"
        with stack.client() as client:
            for _ in range(5):
                reply = client.lookup("alias", key)
                if str(reply) != f"OK member{number % 100}@example.org":
                    wrong.append(reply)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def closed(stack, reason):
    """Connections that the frontend counts as closed for this reason."""
    return stack.frontend.metrics().value(
        "userli_postfix_adapter_connections_closed_total", reason=reason
    )
