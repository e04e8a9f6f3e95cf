"""/health and /ready of both tiers, and what userli's refusals do to them."""

import pytest
from support.daemons import Sandbox
from support.directory import OTHER_TOKEN, TOKEN, sample_directory
from support.wait import wait_until
from support.web import fetch

NOBODY = "tcp://127.0.0.1:9"  # the discard port: nothing listens there


def test_both_tiers_are_healthy_and_ready(shared):
    for daemon in (shared.frontend, shared.backend):
        health = daemon.health()
        assert health.status == 200
        assert health.json()["status"] == "ok"
        assert health.headers["content-type"].startswith("application/json")
        ready = daemon.ready()
        assert ready.status == 200 and ready.json(), ready
        assert ready.headers["content-type"].startswith("application/json")


def test_probes_do_not_ask_userli(shared):
    shared.sandbox.clear_stats()
    for _ in range(50):
        shared.backend.ready()
        shared.frontend.ready()
    # The background check alone may have asked, once or twice meanwhile.
    assert shared.sandbox.stats()["requests"] <= 3


def test_other_paths_and_methods_are_refused(shared):
    for daemon in (shared.frontend, shared.backend):
        assert fetch(daemon.metrics_url + "/").status in (200, 404)
        assert fetch(daemon.metrics_url + "/nothing").status == 404
        assert fetch(daemon.metrics_url + "/%41").status == 404
        assert fetch(daemon.metrics_url + "/health", "POST", {}).status == 405
        head = fetch(daemon.metrics_url + "/health", "HEAD")
        assert head.status == 200 and head.body == ""


def test_a_frontend_without_a_backend_is_healthy_but_not_ready(frontend):
    front = frontend([NOBODY])
    assert front.health().status == 200
    ready = front.ready()
    assert ready.status == 503
    assert "backend" in ready.body


def test_a_backend_without_userli_is_healthy_but_not_ready(backend):
    rear = backend("http://127.0.0.1:9")
    reply = rear.wait_not_ready()
    assert rear.health().status == 200
    assert "userli" in reply.body
    metrics = rear.metrics()
    assert metrics.value("userli_postfix_adapter_health_check_status") == 0


@pytest.mark.parametrize(
    "token, status", (("wrong", 401), (OTHER_TOKEN, 403)), ids=("401", "403")
)
def test_a_refused_token_is_said_and_recovered_from(
    sandbox, backend, frontend, token, status
):
    server = sandbox()
    rear = backend(server.url, USERLI_TOKEN=token)
    front = frontend(rear.urls)
    reply = rear.wait_not_ready()
    wait_until(lambda: "token" in rear.ready().body, what="the token as the reason")
    assert "token" in rear.ready().body and reply.status == 503
    # The backend answers for itself, so that the frontend is up all the same.
    for name, key in (
        ("alias", "info@example.org"),
        ("domain", "example.org"),
        ("mailbox", "alice@example.org"),
        ("senders", "alice@example.org"),
    ):
        answer = front.lookup(name, key)
        assert str(answer).startswith("TEMP userli rejected the API token"), answer
    codes = rear.metrics().total(
        "userli_postfix_adapter_http_client_requests_total", status_code=str(status)
    )
    # Whoever asked was answered without a request, once it was known.
    assert 1 <= codes <= 8
    assert rear.metrics().total(
        "userli_postfix_adapter_userli_failures_total", reason="held"
    )
    # The operator grants the token; nobody restarts anything.
    accepted = sample_directory(tokens=[{"token": token, "scopes": ["postfix"]}])
    server.set_directory(accepted)
    rear.wait_ready()
    assert str(front.lookup("domain", "example.org")) == "OK 1"


def test_a_token_that_userli_withdraws_is_noticed_and_logged_once(stack):
    stack.sandbox.set_directory(sample_directory(tokens=[]))
    stack.backend.wait_not_ready()
    for _ in range(20):
        stack.lookup("domain", "example.org")
    # Once when it was decided, not with every lookup.
    told = [
        event
        for event in stack.backend.events
        if event["level"] in ("warn", "error") and "token" in str(event)
    ]
    assert 1 <= len(told) <= 3, told
    stack.sandbox.set_directory(sample_directory())
    stack.backend.wait_ready()


def test_userli_that_goes_and_comes_back_is_followed(
    backend, frontend, keeper, directory_file, short_dir
):
    path = short_dir / "userli.sock"

    def start_userli():
        return keeper.add(
            Sandbox(directory_file, "--listen-unix", path, listen="127.0.0.1:0")
        )

    server = start_userli()
    rear = backend(f"unix:{path}").wait_ready()
    front = frontend(rear.urls).wait_ready()
    assert front.lookup("domain", "example.org").status == "OK"
    server.kill()
    assert front.lookup("domain", "example.org").status == "TEMP"
    rear.wait_not_ready()
    path.unlink(missing_ok=True)
    start_userli()
    rear.wait_ready()
    assert front.lookup("domain", "example.org").status == "OK"


def test_the_token_is_sent_as_a_bearer(shared):
    shared.lookup("domain", "example.org")
    headers = {k.lower(): v for k, v in shared.sandbox.stats()["last_headers"].items()}
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["accept"] == "application/json"
