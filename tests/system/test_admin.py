"""The admin sockets: who may ask, drain and resume, the log level at once."""

import contextlib
import json
import os
import pty
import socket
import stat
import subprocess

import pytest
from support.daemons import program_path
from support.process import clean_environment, run
from support.wait import wait_until
from support.web import fetch

TOOL = program_path("userli-bridge")
NOBODY = 65534


@pytest.fixture(name="sockets")
def fixture_sockets(short_dir):
    return {tier: short_dir / tier for tier in ("frontend", "backend")}


@pytest.fixture(name="admin")
def fixture_admin(make_stack, sockets):
    """A stack with admin sockets."""
    return make_stack(
        backend={"ADMIN_SOCKET": sockets["backend"]},
        frontend={"ADMIN_SOCKET": sockets["frontend"]},
    )


def tool(*arguments):
    return run([TOOL, *arguments])


@pytest.mark.parametrize("tier", ["frontend", "backend"])
def test_the_socket_is_its_owners_alone(admin, sockets, tier):
    mode = os.stat(sockets[tier]).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    getattr(admin, tier).stop()
    assert not sockets[tier].exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused_whatever_the_mode(admin, sockets, short_dir):
    short_dir.chmod(0o755)
    sockets["backend"].chmod(0o666)
    pid = os.fork()
    if pid == 0:
        os.setuid(NOBODY)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(sockets["backend"]))
            client.settimeout(10)
            try:
                client.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                answer = client.recv(100)
            except ConnectionError:
                answer = b""
        os._exit(0 if answer == b"" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    admin.backend.wait_event("another user's connection refused")
    # Root still may.
    assert tool("log-level", sockets["backend"]) == (0, "info\n", "")


def test_the_log_level_changes_at_once(admin, sockets):
    assert tool("log-level", sockets["frontend"]) == (0, "info\n", "")
    admin.lookup("alias", "info@example.org")
    assert not admin.frontend.find_events("lookup")
    assert tool("log-level", sockets["frontend"], "debug") == (0, "", "")
    assert tool("log-level", sockets["frontend"]) == (0, "debug\n", "")
    admin.lookup("alias", "info@example.org")
    admin.frontend.wait_event("lookup")
    assert not admin.backend.find_events("lookup")  # its own is another


def test_an_unknown_log_level_is_refused(admin, sockets):
    status, _, error = tool("log-level", sockets["frontend"], "loud")
    assert status == 69
    assert "debug, info, warn, error" in error
    assert tool("log-level", sockets["frontend"]) == (0, "info\n", "")


def test_a_drained_backend_hands_over_and_comes_back(admin, sockets):
    assert tool("drain", sockets["backend"]) == (0, "", "")
    assert "drained by the administrator" in admin.backend.wait_not_ready().body
    # The frontend learns it with its next call.
    assert admin.lookup("alias", "info@example.org").status == "TEMP"
    admin.frontend.wait_not_ready()
    assert tool("drain", sockets["backend"]) == (0, "", "")  # it is already
    assert tool("resume", sockets["backend"]) == (0, "", "")
    admin.backend.wait_ready()
    admin.frontend.wait_ready()
    assert admin.lookup("alias", "info@example.org").status == "OK"


def test_a_drained_frontend_closes_and_comes_back(make_stack, sockets, short_dir):
    path = short_dir / "socketmap"
    stack = make_stack(
        frontend={"ADMIN_SOCKET": sockets["frontend"], "SOCKETMAP_LISTEN_ADDR": path}
    )
    idle = stack.client()
    assert idle.lookup("domain", "example.org") == ("OK", "1")
    assert tool("drain", sockets["frontend"]) == (0, "", "")
    stack.frontend.wait_event("drained")
    assert "drained by the administrator" in stack.frontend.wait_not_ready().body
    assert not path.exists()
    assert idle.at_end()
    idle.close()
    assert tool("resume", sockets["frontend"]) == (0, "", "")
    stack.frontend.wait_ready()
    assert stack.lookup("domain", "example.org") == ("OK", "1")


def test_what_is_in_flight_is_answered_before_a_frontend_is_drained(admin, sockets):
    admin.sandbox.set_faults({"match": "*/alias/info@example.org", "delay_ms": 500})
    with admin.client() as client:
        client.send("alias", "info@example.org")
        wait_until(lambda: admin.sandbox.stats()["active"] > 0, what="in flight")
        assert tool("drain", sockets["frontend"]) == (0, "", "")
        status, _, error = tool("resume", sockets["frontend"])
        assert status in (0, 75) and (status == 0 or "try again" in error)
        assert client.receive().status == "OK"


def test_sigterm_ends_a_drained_daemon_as_ever(admin, sockets):
    for tier in ("frontend", "backend"):
        assert tool("drain", sockets[tier])[0] == 0
    admin.frontend.wait_event("drained")
    assert admin.frontend.stop() == 0
    assert admin.backend.stop() == 0


def test_without_a_setting_systemds_directory_is_used(backend, sandbox, short_dir):
    userli = sandbox()
    backend(userli.url, RUNTIME_DIRECTORY=short_dir)
    assert tool("log-level", short_dir / "admin.sock") == (0, "info\n", "")
    second = backend(userli.url, RUNTIME_DIRECTORY=short_dir, ADMIN_SOCKET="none")
    assert not second.addresses("admin")
    third = backend(userli.url)
    assert not third.addresses("admin")


def test_who_is_not_reached_is_told(short_dir):
    status, _, error = tool("drain", short_dir / "nobody")
    assert status == 69
    assert "No such file" in error and "ADMIN_SOCKET" in error
    status, _, error = tool("drain", "fronted")
    assert status == 64 and "neither frontend nor backend" in error


def problems(daemon):
    return [p["text"] for p in fetch(daemon.metrics_url + "/status.json").json()["problems"]]


def test_a_daemon_that_is_left_drained_is_at_the_top_of_its_page(admin, sockets):
    for tier in ("frontend", "backend"):
        daemon = getattr(admin, tier)
        assert tool("drain", sockets[tier])[0] == 0
        assert any("Drained by the administrator" in text for text in problems(daemon))
    admin.frontend.wait_event("drained")
    for tier in ("frontend", "backend"):
        daemon = getattr(admin, tier)
        assert tool("resume", sockets[tier])[0] == 0
        assert not any("Drained" in text for text in problems(daemon))


# --- What they show ----------------------------------------------------------


def test_the_pool_is_shown_with_who_its_members_are(sandbox, backend, frontend, short_dir):
    userli = sandbox()
    backends = [backend(userli.url, BACKEND_NAME=f"b{i}").wait_ready() for i in range(2)]
    gone = backends[1].urls[0]
    front = frontend([b.urls[0] for b in backends], ADMIN_SOCKET=short_dir / "a").wait_ready()
    wait_until(
        lambda: [m["state"] for m in members(short_dir / "a")] == ["up", "up"], what="all up"
    )
    front.lookup("alias", "info@example.org")
    shown = members(short_dir / "a")
    assert {m["name"] for m in shown} == {"b0", "b1"}
    assert {m["url"] for m in shown} == {b.urls[0] for b in backends}
    assert all(m["version"] and m["build"] for m in shown)
    assert sum(m["calls"] for m in shown) == 1 and not any(m["failures"] for m in shown)
    backends[1].stop()
    wait_until(
        lambda: {m["url"]: m["state"] for m in members(short_dir / "a")}[gone] != "up",
        what="one not up",
    )
    status, out, _ = tool("pool", "--admin", short_dir / "a")
    assert status == 0 and "\033" not in out
    head, *rows = out.splitlines()
    assert head.startswith("BACKEND") and len(rows) == 2
    backends[0].stop()
    wait_until(lambda: tool("pool", "--admin", short_dir / "a")[0] == 75, what="none up")


def members(admin):
    return json.loads(tool("pool", "--admin", admin, "--json")[1])["members"]


def test_what_is_remembered_can_be_looked_at(make_stack, sockets):
    stack = make_stack(
        backend={
            "ADMIN_SOCKET": sockets["backend"],
            "LOOKUP_CACHE_TTL": "300s",
            "POSTFIX_RECIPIENT_DELIMITER": "+",
        }
    )
    admin = ("--admin", sockets["backend"])
    assert tool("cache", "get", "alias", "info@example.org", *admin) == (
        1,
        "not remembered\n",
        "",
    )
    stack.lookup("alias", "info@example.org")
    status, out, _ = tool("cache", "get", "alias", "INFO+x@example.org", *admin, "--json")
    entry = json.loads(out)
    assert status == 0
    assert entry["key"] == "info@example.org" and entry["state"] == "fresh"
    assert (entry["outcome"], entry["value"]) == ("OK", "alice@example.org,bob@example.org")
    assert 0 <= entry["age"] < 60 and 200 < entry["good_for"] <= 300
    assert json.loads(tool("cache", "stat", *admin, "--json")[1])["entries"] >= 1
    assert "entries" in tool("cache", "stat", *admin)[1]
    assert tool("cache", "flush", "--addr", stack.backend.urls[0])[0] == 0
    assert tool("cache", "get", "alias", "info@example.org", *admin)[0] == 1


def test_a_frontend_remembers_nothing_that_could_be_shown(admin, sockets):
    status, _, error = tool("cache", "stat", "--admin", sockets["frontend"])
    assert status == 69 and "other tier" in error


# --- On a terminal -------------------------------------------------------------


def on_terminal(*arguments, **environment):
    """What a program writes to a terminal."""
    ours, its = pty.openpty()
    try:
        child = subprocess.Popen(
            [TOOL, *arguments],
            stdout=its,
            stderr=its,
            env=clean_environment({"TERM": "xterm", **environment}),
        )
        child.wait(30)
        os.set_blocking(ours, False)
        shown = b""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(ours, 65536):
                shown += piece
        return shown.decode()
    finally:
        os.close(its)
        os.close(ours)


def test_colours_are_for_terminals_that_want_them(admin, sockets):
    pool = ("pool", "--admin", sockets["frontend"])
    assert "\033[32mup\033[0m" in on_terminal(*pool)
    assert "\033" not in on_terminal(*pool, NO_COLOR="1")
    assert "\033" not in on_terminal(*pool, TERM="dumb")
    assert "\033" not in tool(*pool)[1]


def test_long_work_says_what_it_is_at(admin):
    settings = {
        "BACKEND_URLS": admin.backend.urls[0],
        "SOCKETMAP_LISTEN_ADDR": admin.frontend.address,
    }
    shown = on_terminal("doctor", NO_COLOR="1", **settings)
    assert f"\r\033[K  ... {admin.backend.urls[0]}" in shown
