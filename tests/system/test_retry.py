"""A kept connection that dies under a request: sent once more, never again."""

import pytest
from support.scripted_userli import ScriptedUserli, reply

PREFIX = "userli_postfix_adapter_"
RETRIES = PREFIX + "http_client_retries_total"
KEYS = [f"user{n}@example.org" for n in range(8)]


def warm(front, clients):
    """As many kept connections to userli as there are clients."""
    for n, client in enumerate(clients):
        client.send("mailbox", f"warm{n}@example.org")
    for client in clients:
        assert client.receive().status == "NOTFOUND"


@pytest.mark.parametrize("kept", (1, 6))
def test_a_lookup_survives_a_connection_that_has_died(backend, frontend, kept):
    """userli closes each connection on its second request, without a word."""
    with ScriptedUserli(
        lambda request: reply() if request.number == 1 else None
    ) as userli:
        rear = backend(userli.url).wait_ready()
        front = frontend(rear.urls).wait_ready()
        clients = [front.client() for _ in range(kept)]
        warm(front, clients)
        for key in KEYS:
            with front.client() as client:
                assert client.lookup("mailbox", key).status == "NOTFOUND"
            name = key.partition("@")[0] + "%40"
            assert len(userli.requests(name)) <= 2, userli.requests()
        twice = sum(len(userli.requests(k.partition("@")[0] + "%40")) == 2 for k in KEYS)
        assert twice >= 1
        assert rear.metrics().value(RETRIES) >= twice
        for client in clients:
            client.close()


def test_when_every_connection_dies_a_lookup_is_sent_twice_and_no_more(
    backend, frontend
):
    """Several kept connections are there for libcurl to try one after another."""
    silent = []

    def answer(request):
        return None if silent and not request.is_check else reply()

    with ScriptedUserli(answer) as userli:
        rear = backend(userli.url).wait_ready()
        front = frontend(rear.urls).wait_ready()
        clients = [front.client() for _ in range(8)]
        warm(front, clients)
        silent.append(True)
        for key in KEYS:
            answered = clients[0].lookup("mailbox", key)
            assert answered.status == "TEMP", answered
        for key in KEYS:
            assert len(userli.requests(key.partition("@")[0] + "%40")) <= 2
        assert len(userli.requests("user0%40")) == 2
        for client in clients:
            client.close()


def test_a_new_connection_that_dies_is_not_tried_again(backend, frontend):
    def answer(request):
        if request.is_check:
            return reply(Connection="close")
        return None

    with ScriptedUserli(answer) as userli:
        rear = backend(userli.url).wait_ready()
        front = frontend(rear.urls).wait_ready()
        assert front.lookup("mailbox", KEYS[0]).status == "TEMP"
        assert len(userli.requests("user0%40")) == 1
        assert rear.metrics().value(RETRIES) == 0
