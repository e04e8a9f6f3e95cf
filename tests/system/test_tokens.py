"""The token that userli refuses, its exchange for another, and its reload."""

import signal
import time

import pytest
from support.daemons import program_path
from support.directory import TOKEN, sample_directory
from support.load import Load
from support.process import run
from support.wait import wait_until

PREFIX = "userli_postfix_adapter_"
OLD = "old-token-0123456789"
NEW = "new-token-9876543210"
SWITCH = "userli rejects one token of USERLI_TOKEN, the other is used from now on"


def accepting(*tokens):
    return sample_directory(
        tokens=[{"token": t, "scopes": ["postfix"]} for t in tokens]
    )


def everything_said(*daemons):
    """Logs, output and metrics."""
    lines = []
    for daemon in daemons:
        lines += daemon.lines + daemon.output + [daemon.metrics().text]
    return "\n".join(lines)


def assert_silent_about_tokens(*daemons):
    said = everything_said(*daemons)
    for token in (TOKEN, OLD, NEW):
        assert token not in said


@pytest.fixture
def rotation(make_stack):
    """A stack whose userli accepts the first of two tokens."""
    stack = make_stack(backend={"USERLI_TOKEN": f" {TOKEN} , {NEW} "})
    assert stack.lookup("domain", "example.org").status == "OK"
    return stack


def test_the_second_token_takes_over_and_nobody_notices(rotation):
    stack = rotation
    assert stack.backend.metrics().value(PREFIX + "userli_token_in_use") == 1
    stack.sandbox.set_directory(accepting(NEW))
    assert stack.lookup("mailbox", "alice@example.org").status == "OK"
    event = stack.backend.wait_event(SWITCH)
    assert event["level"] == "warn" and event["in_use"] == "second"
    metrics = stack.backend.metrics()
    assert metrics.value(PREFIX + "userli_token_in_use") == 2
    assert metrics.value(PREFIX + "userli_token_switches_total") == 1
    # From then on, it is the first to be tried.
    stack.sandbox.clear_stats()
    assert stack.lookup("mailbox", "bob@example.org").status == "OK"
    assert stack.sandbox.stats()["unauthorized"] == 0
    # And back.
    stack.sandbox.set_directory(accepting(TOKEN))
    assert stack.lookup("mailbox", "bob@second.example").status == "OK"
    stack.backend.wait_event(SWITCH, in_use="first")
    assert stack.backend.ready().status == 200
    assert_silent_about_tokens(stack.backend, stack.frontend)


def test_no_lookup_fails_while_tokens_are_exchanged_under_load(
    rotation, keeper, tmp_path
):
    stack = rotation
    expected = tmp_path / "expected"
    expected.write_text(
        "mailbox nobody{}@example.org\tNOTFOUND \n"
        "alias info+{}@example.org\tNOTFOUND \n"
        "domain gone{}.example.org\tNOTFOUND \n"
    )
    load = keeper.add(Load(expected, [stack.frontend.address], clients=16, wait_ms=5))
    for accepted in (NEW, TOKEN, NEW):
        asked = stack.sandbox.stats()["requests"]
        stack.sandbox.set_directory(accepting(accepted))
        wait_until(
            lambda a=asked: stack.sandbox.stats()["requests"] > a + 50,
            what="lookups with the other token",
        )
    load.finish().check_answered(100)
    switches = stack.backend.metrics().value(PREFIX + "userli_token_switches_total")
    assert switches == 3
    assert_silent_about_tokens(stack.backend, stack.frontend)


def test_a_refused_token_is_not_hammered_with(stack):
    stack.sandbox.set_directory(accepting(OLD))
    stack.sandbox.clear_stats()
    end = time.monotonic() + 5
    lookups = 0
    with stack.client() as client:
        while time.monotonic() < end:
            answer = client.lookup("mailbox", f"user{lookups}@example.org")
            assert str(answer).startswith("TEMP userli rejected the API token"), answer
            lookups += 1
            time.sleep(0.002)
    assert lookups > 100
    # The first, the one that confirms it, and one after 2 s and after 4 s more.
    assert stack.sandbox.stats()["unauthorized"] <= 6
    assert "token" in stack.backend.wait_not_ready().body
    metrics = stack.backend.metrics()
    assert metrics.value(PREFIX + "userli_breaker_opens_total", cause="refused") == 1
    assert metrics.value(PREFIX + "userli_failures_total", reason="token") >= 1
    assert metrics.value(PREFIX + "userli_failures_total", reason="held") > 90


def test_both_tokens_refused_are_not_hammered_with_either(rotation):
    stack = rotation
    stack.sandbox.set_directory(accepting(OLD))
    stack.sandbox.clear_stats()
    with stack.client() as client:
        for n in range(500):
            answer = client.lookup("mailbox", f"user{n}@example.org")
            assert str(answer).startswith("TEMP userli rejected the API token"), answer
    assert stack.sandbox.stats()["unauthorized"] <= 8
    stack.sandbox.set_directory(accepting(NEW))
    stack.backend.wait_ready()
    assert stack.lookup("mailbox", "alice@example.org").status == "OK"
    assert_silent_about_tokens(stack.backend, stack.frontend)


def refused_for_long(server, rear):
    """Until the hold is one of many seconds."""
    wait_until(lambda: "token" in rear.ready().body, what="the token as the reason")
    wait_until(
        lambda: server.stats()["unauthorized"] >= 4, what="some slow tries in vain"
    )


def test_a_reload_takes_a_new_token_over_at_once(sandbox, backend, frontend, tmp_path):
    server = sandbox()
    path = tmp_path / "token"
    path.write_text(OLD + "\n")
    path.chmod(0o600)
    rear = backend(server.url, USERLI_TOKEN=None, USERLI_TOKEN_FILE=path)
    front = frontend(rear.urls).wait_ready()
    refused_for_long(server, rear)
    path.write_text(f"{TOKEN}\n")
    rear.signal(signal.SIGHUP)
    started = time.monotonic()
    rear.wait_event("USERLI_TOKEN read again")
    rear.wait_ready()
    assert time.monotonic() - started < 4  # the hold is 6 s at least
    assert front.lookup("domain", "example.org").status == "OK"
    assert_silent_about_tokens(rear, front)


def test_a_reload_tries_an_unchanged_token_at_once(sandbox, backend):
    server = sandbox()
    rear = backend(server.url, USERLI_TOKEN=OLD)
    refused_for_long(server, rear)
    server.set_directory(accepting(OLD))
    rear.signal(signal.SIGHUP)
    started = time.monotonic()
    rear.wait_ready()
    assert time.monotonic() - started < 4


def test_a_reload_reads_the_config_file_and_credentials_too(
    sandbox, backend, tmp_path
):
    server = sandbox()
    config = tmp_path / "backend.conf"
    config.write_text(f"USERLI_TOKEN={OLD}\n")
    credential = tmp_path / "USERLI_TOKEN"
    credential.write_text(OLD)
    for path in (config, credential):
        path.chmod(0o600)
    rears = [
        backend(server.url, USERLI_TOKEN=None, arguments=("--config", str(config))),
        backend(server.url, USERLI_TOKEN=None, CREDENTIALS_DIRECTORY=tmp_path),
    ]
    for rear in rears:
        wait_until(lambda r=rear: "token" in r.ready().body, what="a refused token")
    config.write_text(f"USERLI_TOKEN={OLD},{TOKEN}\n")
    credential.write_text(TOKEN)
    for rear in rears:
        rear.signal(signal.SIGHUP)
        rear.wait_ready()
    assert_silent_about_tokens(*rears)


@pytest.mark.parametrize("bad", (f"{NEW},,", f"{NEW},{OLD},{TOKEN}", "", f"{NEW} {OLD}"))
def test_a_reload_of_what_is_no_token_changes_nothing(
    sandbox, backend, frontend, tmp_path, bad
):
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    rear = backend(sandbox().url, USERLI_TOKEN=None, USERLI_TOKEN_FILE=path)
    front = frontend(rear.wait_ready().urls).wait_ready()
    path.write_text(bad)
    rear.signal(signal.SIGHUP)
    event = rear.wait_event("settings not taken over, the old ones stay")
    assert event["level"] == "error" and "USERLI_TOKEN" in event["error"]
    assert front.lookup("domain", "example.org").status == "OK"
    assert_silent_about_tokens(rear, front)


@pytest.mark.parametrize(
    "tokens, what",
    (
        (f"{NEW},", "empty part"),
        (f",{NEW}", "empty part"),
        (f"{NEW}, ,{OLD}", "empty part"),
        (",", "empty part"),
        (f"{NEW},{OLD},{TOKEN}", "more than two"),
        (f"{NEW} {OLD}", "no HTTP header"),
    ),
)
def test_what_is_no_token_is_a_configuration_error_that_does_not_show_it(tokens, what):
    status, out, err = run(
        [program_path("userli-bridge-backend"), "--check-config"],
        env={"USERLI_TOKEN": tokens},
    )
    assert status == 78
    assert "USERLI_TOKEN" in err and what in err
    for token in (TOKEN, OLD, NEW):
        assert token not in out + err
