"""Answers from memory: one request for many, for as long as settings say."""

import itertools
import random
import re
import threading
import time
from pathlib import Path

import pytest
from support.daemons import fault
from support.directory import sample_directory
from support.load import SLOWNESS, Load
from support.pool import DOMAINS, LISTS, PREFIX, USERS
from support.wait import wait_until

ALIAS = ("alias", "one@example.org")
REMEMBERS = {"LOOKUP_CACHE_TTL": None}  # the default
NOT_FOUND = ("mailbox", "new@example.org")


def total(daemon, name, **labels):
    return daemon.metrics().total(PREFIX + name, **labels)


def asked(sandbox, map_name=None, key=""):
    """Requests that userli had, the backends' own checks apart."""
    return sum(
        count
        for path, count in sandbox.targets().items()
        if map_name is None or path.endswith(f"/{map_name}/{key.replace('@', '%40')}")
    )


def with_user(email):
    directory = sample_directory()
    directory["users"].append({"email": email, "password": "x"})
    return directory


# --- One request ---------------------------------------------------------


def test_500_lookups_of_one_cold_key_are_one_request(pool):
    """Through two frontends and three backends."""
    pool = pool(backend=REMEMBERS, delay_ms=300)
    pool.sandbox.clear_stats()
    clients = [front.client() for front in pool.frontends for _ in range(250)]
    for client in clients:
        client.send("alias", "list7@d7.example")
    for client in clients:
        assert client.receive().status == "OK"
        client.close()
    assert pool.sandbox.targets() == {
        "/api/postfix/domain/d7.example": 1,
        "/api/postfix/alias/list7%40d7.example": 1,
    }


def zipf_lookups(count, keys):
    """Lines for pool_load: so many lookups, the n-th key 1/n as often."""
    questions = []
    for n in range(keys * 2 // 5):
        user = f"user{n}@d{n % DOMAINS}.example"
        questions.append(f"mailbox {user}\tOK 1\n")
        questions.append(f"alias {user}\tNOTFOUND \n")
    for n in range(keys // 5):
        domain = f"d{n % DOMAINS}.example"
        members = f"user{n % USERS}@{domain},user{n + 1}@d{(n + 1) % DOMAINS}.example"
        questions.append(f"alias list{n % LISTS}@{domain}\tOK {members}\n")
    rng = random.Random(3)
    rng.shuffle(questions)
    weights = itertools.accumulate(1 / (n + 1) for n in range(keys))
    return rng.choices(questions, cum_weights=list(weights), k=count)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ttl", (300, 1))
def test_100000_lookups_by_zipf_are_few_requests(pool, tmp_path, ttl):
    settings = {"LOOKUP_CACHE_TTL": f"{ttl}s", "LOOKUP_NEGATIVE_TTL": f"{ttl}s"}
    pool = pool(backend=settings, delay_ms=2)
    pool.sandbox.clear_stats()
    lines = zipf_lookups(100000, 10000)
    expected = tmp_path / "zipf"
    expected.write_text("".join(lines))
    started = time.monotonic()
    load = pool.keeper.add(Load(expected, [f.address for f in pool.frontends], 32))
    wait_until(
        lambda: sum(pool.counts("requests_total")) >= len(lines),
        300,
        "100,000 answers",
    )
    figures = load.finish().check_answered(len(lines))
    took = time.monotonic() - started
    counts = pool.sandbox.targets()
    gate = sum(n for path, n in counts.items() if "/domain/" in path)
    requests = sum(counts.values()) - gate
    distinct = len(set(lines))
    print(f"{figures.right} in {took:.1f} s: {requests} requests for {distinct} keys,"
          f" {gate} for domains")
    assert requests <= distinct * (took / ttl + 1)
    # Each backend asks for itself.
    assert gate <= 3 * DOMAINS * (took / min(ttl, 60) + 1)
    # What is most in use is asked once in its life, nine tenths of it at least.
    most = max(n for path, n in counts.items() if "/domain/" not in path)
    assert most <= 2 * (took / (ttl * 0.85) + 1)


def test_equal_lookups_share_a_request_without_a_cache(make_stack):
    stack = make_stack()
    stack.sandbox.set_faults(fault(*ALIAS, delay_ms=300))
    clients = [stack.client() for _ in range(20)]
    for client in clients:
        client.send(*ALIAS)
    for client in clients:
        assert client.receive().data == "alice@example.org"
        client.close()
    assert asked(stack.sandbox) == 1


def test_without_a_cache_each_lookup_asks_and_no_domain_is_asked_for(make_stack):
    stack = make_stack(backend={"LOOKUP_CACHE_TTL": "0"})
    for _ in range(3):
        assert stack.lookup(*ALIAS).status == "OK"
        assert stack.lookup("alias", "x@elsewhere.example").status == "NOTFOUND"
    assert stack.sandbox.targets() == {
        "/api/postfix/alias/one%40example.org": 3,
        "/api/postfix/alias/x%40elsewhere.example": 3,
    }


# --- For how long --------------------------------------------------------


def test_answers_say_that_they_are_remembered_and_how_old_they_are(make_stack):
    stack = make_stack(
        backend={**REMEMBERS, "LOG_LEVEL": "debug"}, frontend={"LOG_LEVEL": "debug"}
    )
    assert stack.lookup(*ALIAS) == stack.lookup(*ALIAS) == stack.lookup(*ALIAS)
    for daemon in (stack.frontend, stack.backend):
        cached = daemon.wait_event("lookup", source="cached", outcome="OK", skip=1)
        assert 0 <= cached["age_ms"] < 60000
    answered = "lookups_answered_total"
    assert total(stack.frontend, answered, source="cached") == 2
    assert total(stack.frontend, answered, source="fresh") == 1
    assert total(stack.backend, "cache_hits_total", map="alias") == 2
    assert total(stack.backend, "cache_misses_total") == 1
    assert total(stack.backend, "cache_entries") == 2, "the alias and its domain"
    assert 0 < total(stack.backend, "cache_bytes") <= 64 << 20


def test_an_answer_in_use_is_fetched_again_before_it_expires(make_stack):
    stack = make_stack(backend={"LOOKUP_CACHE_TTL": "2s"})
    with stack.client() as client:
        assert client.lookup(*ALIAS).status == "OK"
        wait_until(
            lambda: client.lookup(*ALIAS).status == "OK"
            and asked(stack.sandbox, *ALIAS) >= 4,
            what="three refreshes",
        )
    assert total(stack.backend, "cache_refreshes_total", result="ok") >= 3
    assert total(stack.backend, "cache_misses_total") <= 1 + (SLOWNESS - 1) * 3


def test_a_new_mailbox_is_seen_within_the_negative_ttl(make_stack):
    stack = make_stack(backend={**REMEMBERS, "LOOKUP_NEGATIVE_TTL": "1s"})
    with stack.client() as client:
        assert client.lookup(*NOT_FOUND).status == "NOTFOUND"
        before = asked(stack.sandbox)
        stack.sandbox.set_directory(with_user(NOT_FOUND[1]))
        started = time.monotonic()
        assert client.lookup(*NOT_FOUND).status == "NOTFOUND"
        assert asked(stack.sandbox) == before, "it was not remembered"
        wait_until(lambda: client.lookup(*NOT_FOUND).status == "OK", what="the mailbox")
        assert time.monotonic() - started < 1 + 0.5 * SLOWNESS


def test_each_map_may_forget_at_its_own_pace(make_stack):
    """The mailbox is asked for again at once, the alias is not."""
    stack = make_stack(
        backend={
            **REMEMBERS,
            "LOOKUP_NEGATIVE_TTL": "60s",
            "LOOKUP_NEGATIVE_TTL_MAILBOX": "0",
        }
    )
    for _ in range(3):
        assert stack.lookup(*NOT_FOUND).status == "NOTFOUND"
        assert stack.lookup("alias", NOT_FOUND[1]).status == "NOTFOUND"
    assert asked(stack.sandbox, *NOT_FOUND) == 3
    assert asked(stack.sandbox, "alias", NOT_FOUND[1]) == 1


@pytest.mark.parametrize(
    "what",
    (
        {"status": 500},
        {"status": 404},
        {"status": 401},
        {"body": "nonsense"},
        {"close": "before"},
    ),
    ids=lambda what: str(*what.values()),
)
def test_failures_are_not_remembered(make_stack, what):
    stack = make_stack(backend=REMEMBERS)
    stack.sandbox.set_faults(fault(*ALIAS, **what, times=2))
    with stack.client() as client:
        assert client.lookup(*ALIAS).status == "TEMP"
        wait_until(lambda: client.lookup(*ALIAS).status == "OK", what="the answer")


def test_one_in_haste_fails_alone(sandbox, backend, frontend):
    """A lookup's limit is not the limit of those who wait with it."""
    server = sandbox()
    rear = backend(server.url, **REMEMBERS).wait_ready()
    hasty = frontend(rear.urls, LOOKUP_TIMEOUT="500ms").wait_ready()
    patient = frontend(rear.urls).wait_ready()
    server.set_faults(fault("domain", "example.com", delay_ms=1500))
    with hasty.client() as one, patient.client() as other:
        one.send("domain", "example.com")
        wait_until(server.targets, what="userli is asked")
        other.send("domain", "example.com")
        assert one.receive().status in ("TEMP", "TIMEOUT")
        assert str(other.receive()) == "OK 1"
    assert asked(server) == 1
    # And what it waited for is there for the next.
    assert str(hasty.lookup("domain", "example.com")) == "OK 1"
    assert asked(server) == 1


# --- Memory --------------------------------------------------------------


def resident(daemon):
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1]) << 10


@pytest.mark.skipif(SLOWNESS > 1, reason="sanitizers keep memory of their own")
def test_memory_is_bounded_whatever_is_asked(machine, make_stack, keeper, tmp_path):
    """Most of a scan is forgotten, and what is in use is not."""
    most = 2 << 20
    settings = {
        **REMEMBERS,
        "CACHE_MAX_BYTES": "2MiB",
        "LOOKUP_NEGATIVE_TTL": "300s",
    }
    stack = make_stack(backend=settings)
    before = resident(stack.backend)
    scan = tmp_path / "scan"
    scan.write_text("alias nobody{}@example.org\tNOTFOUND \n")
    done = threading.Event()
    in_use = [("alias", f"list{n}@example.org") for n in range(20)]

    def use():
        with stack.client() as client:
            while not done.is_set():
                for key in in_use:
                    assert client.lookup(*key).status == "OK"

    thread = threading.Thread(target=use)
    thread.start()
    try:
        load = keeper.add(Load(scan, [stack.frontend.address], 32))
        wait_until(
            lambda: total(stack.backend, "cache_evictions_total") > 20000,
            120,
            "evictions",
        )
        load.finish().check_answered()
    finally:
        done.set()
        thread.join()
    grown = resident(stack.backend) - before
    print(f"{asked(stack.sandbox)} keys, {grown >> 10} KiB more")
    assert total(stack.backend, "cache_bytes") <= most
    assert grown <= most + (16 << 20)
    for _, key in in_use:
        assert asked(stack.sandbox, "alias", key) <= 2, key


# --- Extensions ----------------------------------------------------------


def test_extensions_are_added_to_what_an_alias_stands_for(make_stack):
    stack = make_stack(
        backend={
            **REMEMBERS,
            "POSTFIX_RECIPIENT_DELIMITER": "+",
            "POSTFIX_PROPAGATE_EXTENSION": "yes",
        }
    )
    for key, want in (
        ("info+a@example.org", "alice+a@example.org,bob+a@example.org"),
        ("info+B@example.org", "alice+B@example.org,bob+B@example.org"),
        ("info@example.org", "alice@example.org,bob@example.org"),
        ("info+a,b@example.org", "alice@example.org,bob@example.org"),
    ):
        assert stack.lookup("alias", key).data == want
    assert asked(stack.sandbox, "alias", "info@example.org") == 1
    assert stack.lookup("senders", "alice+a@example.org").data == "alice@example.org"
