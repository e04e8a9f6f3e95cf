"""userli's webhook: what it makes the backends forget, and who is refused."""

import json
import signal
import socket
import time

import pytest
from support.cluster import ALICE, NEW, Cluster
from support.load import SLOWNESS
from support.wait import PATIENCE, wait_until
from support.web import fetch
from support.webhooks import body, headers, post, signature

NOTFOUND, FOUND = ("NOTFOUND", ""), ("OK", "1")


@pytest.fixture
def cluster(keeper, directory_file, short_dir):
    """cluster(SETTING=value…) starts three backends that are peers."""

    def start(**settings):
        return Cluster(keeper, directory_file, short_dir, **settings)

    return start


def remember_absence(made, key=NEW):
    """Every backend has learnt that there is no such mailbox, and keeps to it."""
    assert made.ask_all("mailbox", key) == [NOTFOUND] * 3
    made.add_users(key)
    asked = made.requests()
    assert made.ask_all("mailbox", key) == [NOTFOUND] * 3
    assert made.requests() == asked, "that was not from memory"


def await_presence(made, key=NEW, numbers=range(3)):
    for number in numbers:
        wait_until(lambda n=number: made.ask(n, "mailbox", key) == FOUND,
                   what=f"{number} has the mailbox")


def test_a_new_mailbox_is_there_on_every_backend_within_a_second(cluster):
    made = cluster()
    remember_absence(made)
    start = time.monotonic()
    answer = post(made.backends[0], body(NEW))
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    await_presence(made)
    assert time.monotonic() - start < 1 * SLOWNESS
    assert made.metric(0, "webhooks_total", result="accepted") == 1
    assert made.metric(0, "purges_total", origin="webhook") == 1
    made.wait_metric(0, "peer_purges_total", 3, result="told")
    for number in range(3):  # and the first has told itself, too
        assert made.metric(number, "purges_total", origin="relayed") == 1


def test_the_first_address_of_a_new_domain_is_there_with_its_domain(cluster):
    made = cluster()
    remember_absence(made, "dave@new.example")
    post(made.backends[1], body("dave@new.example"))
    await_presence(made, "dave@new.example")


@pytest.mark.parametrize("kind", ["user.deleted", "user.reset"])
def test_what_was_known_of_a_user_is_asked_again(cluster, kind):
    made = cluster()
    maps = ("alias", "mailbox", "senders")
    for map_name in maps:
        made.ask_all(map_name, ALICE)
    post(made.backends[2], body(ALICE.upper(), kind))
    made.wait_metric(2, "peer_purges_total", 3, result="told")
    made.sandbox.clear_stats()
    for map_name in maps:
        made.ask_all(map_name, ALICE)
    assert made.requests() == 3 * len(maps)


def test_it_is_forgotten_again_a_little_later_since_userli_lags(cluster):
    made = cluster(WEBHOOK_REPEAT="2s")
    assert made.ask_all("mailbox", NEW) == [NOTFOUND] * 3
    post(made.backends[0], body(NEW))
    made.wait_metric(0, "peer_purges_total", 3, result="told")
    # userli still has its old answer, which is remembered once more.
    remember_absence(made)
    await_presence(made)
    assert made.metric(0, "purges_total", origin="repeat") == 1
    made.wait_metric(0, "peer_purges_total", 6, result="told")


def test_a_repeat_that_is_due_is_not_lost_with_the_process(cluster):
    made = cluster(WEBHOOK_REPEAT="10m")
    post(made.backends[0], body(NEW))
    made.wait_metric(1, "purges_total", 1, origin="relayed")
    made.backends[0].signal(signal.SIGTERM)
    made.wait_metric(1, "purges_total", 2, origin="relayed")


def refused(made):
    """What to send, its headers, the status and the reason that must come of it.

    Each would have purged ALICE if it had been believed.
    """
    good = body(ALICE)
    seen = headers(good)
    assert post(made.backends[0], good, seen).status == 200
    other = body(ALICE, age=1)  # of another second
    again = {**seen, "X-Webhook-Attempt": "2"}
    renamed = {**seen, "X-Webhook-Id": "another"}
    old, early = body(ALICE, age=3600), body(ALICE, age=-3600)
    no_json = other[:-1]
    no_email = json.dumps({"type": "user.reset", "timestamp": 0, "data": {}}).encode()
    large = other + b" " * 65536
    huge = other + b" " * 900_000
    changed = other.replace(ALICE.encode(), b"mallory@example.org")
    return [
        (good, seen, 401, "replayed"),
        (good, again, 401, "replayed"),
        (good, renamed, 401, "replayed"),
        (other, headers(other, X_Webhook_Id=seen["X-Webhook-Id"]), 401, "replayed"),
        (other, headers(other, secret="another"), 401, "forged"),
        (other, headers(changed), 401, "forged"),
        (other[:-1], headers(other), 401, "forged"),
        (other[: len(other) // 2], headers(other), 401, "forged"),
        (b"", headers(other), 401, "forged"),
        (other, headers(other, X_Webhook_Signature=None), 401, "unsigned"),
        (other, headers(other, X_Webhook_Signature=""), 401, "unsigned"),
        (other, headers(other, X_Webhook_Signature=signature(other)[:-1]), 401,
         "unsigned"),
        (old, headers(old), 401, "stale"),
        (early, headers(early), 401, "stale"),
        (no_json, headers(no_json), 400, "malformed"),
        (no_email, headers(no_email), 400, "malformed"),
        (other, headers(other, X_Webhook_Id=None), 400, "malformed"),
        (large, headers(large), 413, "too_large"),
        (huge, headers(huge), 413, "too_large"),
    ]


def test_what_is_refused_purges_nothing(cluster):
    made = cluster(WEBHOOK_REPEAT="0")
    cases = refused(made)
    made.wait_metric(0, "peer_purges_total", 3, result="told")
    made.ask_all("mailbox", ALICE)
    asked, purges = made.requests(), made.backends[0].metrics().total(
        "userli_postfix_adapter_purges_total")
    reasons = {}
    for content, sent, status, reason in cases:
        answer = post(made.backends[0], content, sent)
        assert answer.status == status, (reason, content[:200], answer)
        assert made.ask_all("mailbox", ALICE) == [FOUND] * 3
        reasons[reason] = reasons.get(reason, 0) + 1
        assert made.metric(0, "webhooks_total", result=reason) == reasons[reason]
    assert made.requests() == asked
    assert purges == made.backends[0].metrics().total(
        "userli_postfix_adapter_purges_total")
    for number in (1, 2):
        assert made.metric(number, "purges_total", origin="relayed") == 1


def test_a_refusal_is_logged_once_a_minute(cluster):
    made = cluster()
    for _ in range(5):
        assert post(made.backends[0], body(NEW), {}).status == 401
    assert made.metric(0, "webhooks_total", result="unsigned") == 5
    events = made.backends[0].find_events("webhook refused")
    assert [event["reason"] for event in events] == ["unsigned"]


def test_other_events_are_ignored_and_may_come_again(cluster):
    made = cluster()
    made.ask_all("mailbox", ALICE)
    asked = made.requests()
    content = body(ALICE, "alias.created")
    sent = headers(content)
    for _ in range(2):
        answer = post(made.backends[0], content, sent)
        assert (answer.status, answer.json()) == (200, {"status": "ignored"})
    made.ask_all("mailbox", ALICE)
    assert made.requests() == asked
    assert made.metric(0, "webhooks_total", result="ignored") == 2


def test_a_body_whose_members_the_database_has_moved_is_believed(cluster):
    made = cluster()
    remember_absence(made)
    signed = body(NEW)
    content = json.loads(signed)
    moved = {name: content[name] for name in ("data", "type", "timestamp")}
    sent = json.dumps(moved, separators=(",", ":")).encode()
    assert sent != signed
    assert post(made.backends[0], sent, headers(signed)).status == 200
    await_presence(made)


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_there_is_no_such_path(cluster, secret):
    made = cluster(WEBHOOK_SECRET=secret)
    assert post(made.backends[0], body(NEW)).status == 404


def test_the_secret_may_be_in_a_file(cluster, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("of a file\n")
    secret.chmod(0o600)
    made = cluster(WEBHOOK_SECRET=None, WEBHOOK_SECRET_FILE=secret)
    content = body(NEW)
    assert post(made.backends[0], content).status == 401
    assert post(made.backends[0], content, headers(content, "of a file")).status == 200


def test_it_is_a_post(cluster):
    made = cluster()
    answer = fetch(made.backends[0].metrics_url + "/webhook")
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


def begin(backend, content, length):
    """A connection on which the headers of a webhook have been sent."""
    host, _, port = backend.metrics_url.removeprefix("http://").partition(":")
    lines = [f"{name}: {value}" for name, value in headers(content).items()]
    sock = socket.create_connection((host, int(port)), PATIENCE)
    sock.sendall("\r\n".join(["POST /webhook HTTP/1.1", "Host: x", *lines,
                              f"Content-Length: {length}", "", ""]).encode())
    return sock


def test_one_far_too_large_is_refused_by_its_headers(cluster):
    made = cluster()
    with begin(made.backends[0], body(NEW), 1 << 40) as sender:
        assert sender.recv(100).startswith(b"HTTP/1.1 413 ")
    assert made.metric(0, "webhooks_total", result="too_large") == 1


def test_a_slow_sender_keeps_nobody_waiting(cluster):
    made = cluster()
    remember_absence(made)
    content = body(NEW)
    with begin(made.backends[0], content, len(content)) as slow:
        slow.sendall(content[:-1])
        assert post(made.backends[0], body(NEW, age=1)).status == 200
        await_presence(made)
        assert made.metric(0, "webhooks_total", result="accepted") == 1
    # Cut off before its last byte, it is none.
    assert made.metric(0, "webhooks_total", result="accepted") == 1


def test_a_peer_that_is_down_stops_no_other_and_is_told_when_it_is_back(cluster):
    made = cluster(WEBHOOK_REPEAT="0")
    remember_absence(made)
    made.backends[1].kill()
    post(made.backends[0], body(NEW))
    await_presence(made, numbers=(0, 2))
    made.wait_metric(0, "peer_purges_total", 2, result="told")
    assert made.metric(0, "peer_purges_waiting") == 1
    made.backends[1] = made.start(1)
    made.wait_metric(0, "peer_purges_total", 3, result="told")
    assert made.metric(1, "purges_total", origin="relayed") == 1
    assert made.metric(0, "peer_purges_total", result="failed") == 0


def test_a_stopped_peer_stops_no_other(cluster):
    made = cluster(WEBHOOK_REPEAT="0")
    remember_absence(made)
    made.backends[1].signal(signal.SIGSTOP)
    try:
        post(made.backends[0], body(NEW))
        await_presence(made, numbers=(0, 2))
    finally:
        made.backends[1].signal(signal.SIGCONT)
    await_presence(made, numbers=(1,))


def test_a_frontend_sees_it_too(cluster, frontend):
    made = cluster()
    asked = frontend(made.urls)
    asked.wait_ready()
    assert asked.lookup("mailbox", NEW) == NOTFOUND
    made.add_users(NEW)
    assert asked.lookup("mailbox", NEW) == NOTFOUND
    post(made.backends[0], body(NEW))
    wait_until(lambda: asked.lookup("mailbox", NEW) == FOUND)
