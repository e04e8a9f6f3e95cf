"""The gate: no request for an address whose domain userli does not hold."""

import time

from support.daemons import fault
from support.directory import sample_directory
from support.load import SLOWNESS
from support.pool import PREFIX
from support.wait import wait_until

GATED = {"LOOKUP_CACHE_TTL": None}  # as it is by default
ADDRESS_MAPS = ("alias", "mailbox", "senders")
DOMAIN = "/api/postfix/domain/elsewhere.example"


def test_one_request_serves_a_dictionary_attack(make_stack):
    stack = make_stack(backend=GATED)
    with stack.client() as client:
        for n in range(200):
            for name in ADDRESS_MAPS:
                client.send(name, f"guess{n}@elsewhere.example")
        for _ in range(600):
            assert str(client.receive()) == "NOTFOUND "
    assert stack.sandbox.targets() == {DOMAIN: 1}
    metrics = stack.backend.metrics()
    assert metrics.total(PREFIX + "gate_answers_total") == 600


def test_postmaster_and_abuse_are_found_where_the_domain_is(make_stack):
    stack = make_stack(backend=GATED)
    for local in ("postmaster", "abuse"):
        for _ in range(2):
            found = stack.lookup("alias", f"{local}@second.example")
            assert str(found) == "OK admin@example.org"
            found = stack.lookup("alias", f"{local}@elsewhere.example")
            assert str(found) == "NOTFOUND "


def test_a_domain_that_cannot_be_asked_for_says_nothing(make_stack):
    stack = make_stack(backend=GATED)
    for what in ({"status": 404}, {"status": 500}, {"body": "[]"}, {"close": "before"}):
        stack.sandbox.set_faults({"match": "*/api/postfix/domain/*", **what})
        assert stack.lookup("alias", "one@example.org").status in ("OK", "TEMP")
        assert stack.lookup("mailbox", "alice@example.org").status in ("OK", "TEMP")
        wait_until(
            lambda: stack.lookup("mailbox", "bob@second.example").status == "OK",
            what="the address asked for itself",
        )
        stack.sandbox.clear_faults()
        stack.backend.wait_ready()


def test_a_domain_that_hangs_is_not_waited_for_in_vain(make_stack):
    stack = make_stack(
        backend={**GATED, "USERLI_TIMEOUT": "500ms", "LOOKUP_NEGATIVE_TTL_DOMAIN": "1s"}
    )
    stack.sandbox.set_faults(fault("domain", "example.org", hang=True, times=1))
    started = time.monotonic()
    reply = stack.lookup("mailbox", "alice@example.org")
    assert reply.status == "OK", reply
    assert time.monotonic() - started < 3 * SLOWNESS


def test_a_new_domain_is_seen_within_its_negative_ttl(make_stack):
    stack = make_stack(backend={**GATED, "LOOKUP_NEGATIVE_TTL_DOMAIN": "1s"})
    directory = sample_directory()
    directory["domains"].append("elsewhere.example")
    directory["users"].append({"email": "new@elsewhere.example", "password": "x"})
    with stack.client() as client:
        assert client.lookup("mailbox", "new@elsewhere.example").status == "NOTFOUND"
        stack.sandbox.set_directory(directory)
        started = time.monotonic()
        wait_until(
            lambda: client.lookup("mailbox", "new@elsewhere.example").status == "OK",
            what="the new domain",
        )
        assert time.monotonic() - started < 1 + 0.5 * SLOWNESS


def test_it_can_be_turned_off(make_stack):
    stack = make_stack(backend={**GATED, "KNOWN_DOMAIN_GATE": "no"})
    for name in ADDRESS_MAPS:
        assert stack.lookup(name, "a@elsewhere.example").status == "NOTFOUND"
    assert stack.sandbox.targets() == {
        f"/api/postfix/{name}/a%40elsewhere.example": 1 for name in ADDRESS_MAPS
    }


def test_a_domain_is_asked_for_as_it_stands_in_the_address(make_stack):
    """Beyond ASCII, and as what DNS makes of it."""
    stack = make_stack(backend=GATED)
    for domain, path in (
        ("bücher.example", "b%C3%BCcher.example"),
        ("XN--Bcher-kva.example", "xn--bcher-kva.example"),
        ("elsewhere.example.", "elsewhere.example."),
    ):
        stack.sandbox.clear_stats()
        for local in ("a", "b"):
            assert stack.lookup("alias", f"{local}@{domain}").status == "NOTFOUND"
        assert stack.sandbox.targets() == {f"/api/postfix/domain/{path}": 1}
    # Trimmed it would be a domain that is there, and the address is not of it.
    stack.sandbox.clear_stats()
    key = "one@\u200bexample.org"
    assert stack.lookup("alias", key).status == "NOTFOUND"
    assert stack.sandbox.targets() == {
        "/api/postfix/alias/one%40%E2%80%8Bexample.org": 1
    }
