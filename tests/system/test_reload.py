"""SIGHUP: what the table marks takes effect; what is wrong changes nothing."""

import re
import signal

import pytest
from support.daemons import TOKEN, Frontend, program_path
from support.process import run
from support.socketmap import SocketmapClient
from support.wait import wait_until
from support.web import fetch

PREFIX = "userli_postfix_adapter_"


def write(path, **settings):
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return path


def reload(daemon, path, **settings):
    write(path, **settings)
    count = len(daemon.find_events("settings taken over"))
    daemon.signal(signal.SIGHUP)
    daemon.wait_event("settings taken over", skip=count)


def successful(daemon):
    return daemon.metrics().value(PREFIX + "config_last_reload_successful")


def taken_at(daemon):
    name = PREFIX + "config_last_reload_success_timestamp_seconds"
    return daemon.metrics().value(name)


@pytest.fixture
def configured(sandbox, backend, frontend, tmp_path):
    """(frontend, its file, backend, its file, sandbox)."""
    userli = sandbox()
    rear_file = write(tmp_path / "rear.conf", LOOKUP_CACHE_TTL="10m")
    front_file = write(tmp_path / "front.conf", LOOKUP_TIMEOUT="10s")
    rear = backend(userli.url, arguments=["--config", rear_file]).wait_ready()
    front = frontend(rear.urls, arguments=["--config", front_file]).wait_ready()
    return front, front_file, rear, rear_file, userli


def test_a_log_level_takes_effect(configured):
    front, path, *_ = configured
    front.lookup("mailbox", "alice@example.org")
    reload(front, path, LOG_LEVEL="debug")
    front.lookup("mailbox", "alice@example.org")
    front.wait_event("lookup")
    assert len(front.find_events("lookup")) == 1, "the first one left no line"


def test_a_timeout_takes_effect(configured):
    front, path, _, _, userli = configured
    userli.set_faults({"match": "*mailbox*", "hang": True})
    reload(front, path, LOOKUP_TIMEOUT="200ms")
    assert front.lookup("mailbox", "alice@example.org").status == "TIMEOUT"


def test_a_life_in_the_cache_takes_effect(configured):
    front, _, rear, path, userli = configured
    reload(rear, path, LOOKUP_CACHE_TTL="1ms", LOOKUP_STALE_TTL="0")
    wait_until(
        lambda: front.lookup("domain", "example.org")
        and sum(userli.targets().values()) >= 2,
        what="a second request",
    )


def members(front):
    found = fetch(front.metrics_url + "/status.json").json()["members"]
    return {m["url"] for m in found if m["state"] == "up"}


def test_other_backends_take_effect(configured, keeper, backend, tmp_path):
    _, _, rear, _, userli = configured
    other = backend(userli.url).wait_ready()
    # In the file alone: the environment would beat it.
    path = write(tmp_path / "pool.conf", BACKEND_URLS=rear.urls[0])
    front = keeper.add(Frontend([], ["--config", path], BACKEND_URLS=None))
    front.wait_ready()
    assert members(front) == {rear.urls[0]}
    reload(front, path, BACKEND_URLS=other.urls[0])
    wait_until(lambda: members(front) == {other.urls[0]}, what="the other alone")
    assert front.lookup("domain", "example.org").status == "OK"


def test_what_needs_a_restart_is_named(configured):
    front, path, *_ = configured
    reload(front, path, LOOKUP_TIMEOUT="9s", SOCKETMAP_MAX_CONNECTIONS="5", LOG_PII="1")
    event = front.wait_event("settings that need a restart have changed")
    assert event["settings"] == "SOCKETMAP_MAX_CONNECTIONS, LOG_PII"
    assert successful(front) == 1


@pytest.mark.parametrize(
    "line, words",
    [
        ("LOOKUP_TIMEOUT=soon", "LOOKUP_TIMEOUT.*soon.*not a duration"),
        ("LOOKUP_TIMEOUT", "has no '='"),
        ("LOG_LEVEL=loud", "LOG_LEVEL.*loud"),
    ],
)
def test_an_invalid_file_changes_nothing_and_says_why(configured, line, words):
    front, path, *_ = configured
    before = taken_at(front)
    path.write_text(f"# mine\nLOG_FORMAT=text\n{line}\n")
    front.signal(signal.SIGHUP)
    event = front.wait_event("settings not taken over, the old ones stay")
    assert event["level"] == "error"
    assert re.search(rf"^{re.escape(str(path))}:3: .*{words}", event["error"])
    assert successful(front) == 0 and taken_at(front) == before
    assert front.lookup("domain", "example.org").status == "OK"
    assert not front.find_events("settings taken over")
    reload(front, path, LOOKUP_TIMEOUT="9s")
    assert successful(front) == 1 and taken_at(front) >= before


def test_a_file_that_has_gone_changes_nothing(configured):
    _, _, rear, path, _ = configured
    path.unlink()
    rear.signal(signal.SIGHUP)
    event = rear.wait_event("settings not taken over, the old ones stay")
    assert str(path) in event["error"] and successful(rear) == 0


def test_connections_outlast_a_reload(configured):
    front, path, *_ = configured
    with SocketmapClient(front.address) as client:
        assert client.lookup("domain", "example.org").status == "OK"
        reload(front, path, LOOKUP_TIMEOUT="9s")
        assert client.lookup("mailbox", "alice@example.org").status == "OK"


@pytest.mark.parametrize("tier", ["frontend", "backend"])
def test_the_help_marks_what_is_reloaded(tier):
    _, out, _ = run([program_path(f"userli-bridge-{tier}"), "--help"])
    marked = set(re.findall(r"^  ([A-Z_]+) .*SIGHUP applies it", out, re.M))
    both = {"LOG_LEVEL", "SHUTDOWN_TIMEOUT"}
    assert both < marked
    assert marked - both >= {
        "frontend": {"BACKEND_URLS", "LOOKUP_TIMEOUT"},
        "backend": {"USERLI_TOKEN", "LOOKUP_CACHE_TTL", "LOOKUP_NEGATIVE_TTL_DOMAIN"},
    }[tier]
    assert TOKEN not in out
