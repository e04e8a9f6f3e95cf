"""/ and /status.json of both tiers: what happens, and what is wrong, in words."""

import re

import pytest
from support.browser import CHROMIUM, PHONE, REASON, visit
from support.daemons import TOKEN
from support.wait import wait_until
from support.web import fetch

browser = pytest.mark.skipif(not CHROMIUM, reason=REASON)
COMMON = {
    "tier",
    "name",
    "version",
    "revision",
    "time",
    "started",
    "problems",
    "state",
    "rates",
    "flow",
    "sections",
    "history",
}


def status(daemon):
    response = fetch(daemon.metrics_url + "/status.json")
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    return response.json()


def figure(daemon, name):
    return next(
        item["value"]
        for section in status(daemon)["sections"]
        for item in section["items"]
        if item["name"] == name
    )


def texts(daemon, severity=None):
    return [
        problem["text"]
        for problem in status(daemon)["problems"]
        if severity in (None, problem["severity"])
    ]


def wait_text(daemon, pattern, severity=None):
    return wait_until(
        lambda: next((t for t in texts(daemon, severity) if re.search(pattern, t)), None),
        what=f"{daemon.name} says {pattern!r}",
    )


# --- JSON ---------------------------------------------------------------------


def test_both_tiers_say_what_they_are(shared):
    front, back = status(shared.frontend), status(shared.backend)
    assert set(front) == COMMON | {"members"}
    assert set(back) == COMMON | {"userli"}
    assert (front["tier"], back["tier"]) == ("frontend", "backend")
    for each in (front, back):
        assert re.fullmatch(r"\d+\.\d+\.\d+", each["version"])
        assert 0 <= each["time"] - each["started"] < 3600


def test_a_pool_that_answers_has_nothing_wrong(shared):
    shared.lookup("alias", "info@example.org")
    for daemon in (shared.frontend, shared.backend):
        assert texts(daemon) == []
        assert status(daemon)["state"] == "ok"
    assert status(shared.backend)["userli"] == {"ready": True, "reason": ""}


def test_members_are_counted_one_by_one(shared):
    (before,) = status(shared.frontend)["members"]
    with shared.client() as client:
        for number in range(10):
            client.lookup("mailbox", f"nobody{number}@example.org")
    (after,) = status(shared.frontend)["members"]
    assert after["url"] == shared.backend.urls[0]
    assert after["state"] == "up"
    assert after["calls"] - before["calls"] == 10
    assert after["failures"] == before["failures"]


def test_history_follows_the_lookups(stack):
    def peak(daemon):
        with stack.client() as client:
            client.lookup("mailbox", "alice@example.org")
            client.lookup("mailbox", "nobody@example.org")
        history = status(daemon)["history"]
        return history if any(history["success"]) and any(history["notfound"]) else None

    for daemon in (stack.frontend, stack.backend):
        history = wait_until(lambda daemon=daemon: peak(daemon), what="a sample")
        lengths = {len(v) for v in history.values() if isinstance(v, list)}
        assert len(lengths) == 1, "every series has a value for every sample"
        assert any(history["p99"]) and not any(history["error"])
        rates = status(daemon)["rates"]
        assert rates["success"] > 0 and rates["p50"] <= rates["p99"]


def test_answers_by_rule_are_a_share_of_all(stack):
    for _ in range(3):
        stack.lookup("alias", "example.org")
    stack.lookup("alias", "info@example.org")
    assert figure(stack.frontend, "rule") == pytest.approx(0.75)


# --- What is wrong ------------------------------------------------------------


def test_a_frontend_without_backends_says_that_mail_is_deferred(stack):
    stack.backend.kill()
    wait_text(stack.frontend, "No backend answers.*defers the mail", "error")
    assert status(stack.frontend)["state"] == "failing"


def test_a_backend_says_what_is_wrong_with_userli(stack):
    stack.sandbox.set_faults({"match": "*", "status": 401, "body": '{"error":"x"}'})
    stack.lookup("mailbox", "alice@example.org")
    wait_text(stack.backend, "userli does not answer as it should: .*token", "error")
    wait_text(stack.backend, "refused the API token . times", "error")
    assert TOKEN not in fetch(stack.backend.metrics_url + "/status.json").body


def test_failing_lookups_are_told_as_a_share(stack):
    stack.sandbox.set_faults({"match": "*mailbox*", "status": 500})
    for _ in range(30):
        stack.lookup("mailbox", "alice@example.org")
    for daemon in (stack.frontend, stack.backend):
        wait_text(daemon, r"100 % of the last minute's lookups failed", "error")


def test_a_backend_that_nobody_asks_says_so(sandbox, backend):
    lonely = backend(sandbox().url).wait_ready()
    wait_text(lonely, "No frontend is connected", "warning")


# --- The page -----------------------------------------------------------------


def pages(stack):
    return [(d, fetch(d.metrics_url + "/")) for d in (stack.frontend, stack.backend)]


def test_the_page_allows_itself_and_nothing_else(shared):
    for daemon, page in pages(shared):
        assert page.status == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = dict(
            part.strip().partition(" ")[::2]
            for part in page.headers["content-security-policy"].split(";")
        )
        nonce = re.fullmatch(r"'nonce-([0-9a-f]{32})'", policy["script-src"])[1]
        assert policy["default-src"] == "'none'"
        assert policy["style-src"] == policy["script-src"]
        assert policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert page.body.count(f'nonce="{nonce}"') == 2
        again = fetch(daemon.metrics_url + "/")
        assert nonce not in again.body, "a nonce is used once"


def test_the_page_has_no_outside_resource_nor_markup_from_data(shared):
    for _, page in pages(shared):
        places = set(re.findall(r"https?://[^\"'\s]+", page.body))
        assert places <= {"http://www.w3.org/2000/svg"}  # a name, not a place
        assert not re.search(r"\son\w+\s*=\s*[\"']", page.body)
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|eval\(", page.body)


@browser
def test_the_page_shows_the_pool_with_its_rates(pool):
    pool = pool(backends=3, frontends=1)
    load = pool.load(clients=4, wait_ms=20)
    (front,) = pool.frontends
    wait_until(lambda: len(status(front)["history"]["success"]) >= 2, what="samples")
    page = visit(front.metrics_url + "/")
    back = visit(pool.backends[0].metrics_url + "/", PHONE, dark=True)
    load.finish().check_answered()

    for url in pool.urls:
        assert page.text.count(url.removeprefix("tcp://")) >= 2, "picture and table"
    assert {"Postfix", "this frontend", "userli", "4 connections"} <= set(page.pieces)
    # An arrow into the frontend and one into each backend, all with traffic.
    rates = [float(p.split()[0]) for p in page.pieces if re.fullmatch(r"[\d.]+ /s", p)]
    assert len([r for r in rates if r > 0]) >= 4, page.pieces
    assert "Nothing is wrong." in page.text
    for piece in ("found", "not found", "failed", "half within", "99 % within"):
        assert piece in page.pieces
    assert re.search(r'class="area success"', page.dom)
    assert re.search(r'class="curve p99"', page.dom)
    assert {"frontends", "this backend", "answers, takes the token"} <= set(back.pieces)
    for each in (page, back):
        assert not each.complaints, each.complaints


@browser
def test_the_page_puts_what_is_wrong_at_the_top(stack):
    stack.backend.kill()
    wait_text(stack.frontend, "No backend answers")
    page = visit(stack.frontend.metrics_url + "/", PHONE)
    top = page.text.index("Who asks whom")
    assert page.text.index("No backend answers") < top
    assert page.text.index("has no connection") < top
    assert "failing" in page.pieces
    assert not page.complaints, page.complaints
