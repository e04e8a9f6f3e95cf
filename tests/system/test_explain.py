"""query --explain: every step of one lookup; --via: which layer is at fault."""

import json
import re
import signal

import pytest
from support.daemons import Frontend, program_path
from support.process import run
from support.wait import wait_until

TOOL = program_path("userli-bridge")
INFO = ("alias", "info@example.org")
MEMBERS = "alice@example.org,bob@example.org"


def tool(*arguments):
    return run([TOOL, *arguments])


def explain(*arguments):
    """Status, and the explanation as JSON."""
    status, out, error = tool("query", *arguments, "--explain", "--json")
    assert out, error
    return status, json.loads(out)


def steps(answer, at=None):
    """name → texts, of one tier."""
    found = {}
    for step in answer["steps"]:
        if at in (None, step["at"]):
            found.setdefault(step["name"], []).append(step["text"])
    return found


@pytest.fixture(name="admin")
def fixture_admin(short_dir):
    return short_dir / "admin"


@pytest.fixture(name="stack")
def fixture_stack(make_stack, admin):
    return make_stack(
        frontend={"ADMIN_SOCKET": admin},
        backend={"POSTFIX_RECIPIENT_DELIMITER": "+", "LOG_LEVEL": "debug"},
    )


def test_every_step_of_a_lookup_is_told(stack, admin):
    status, answer = explain("alias", "Info+x@Example.ORG", "--admin", admin)
    assert status == 0
    assert (answer["outcome"], answer["data"]) == ("OK", MEMBERS)
    frontend, backend = steps(answer, "frontend"), steps(answer, "backend")
    assert re.fullmatch(
        r'request [0-9a-f]{16}, map alias, key "Info\+x@Example\.ORG", 18 bytes',
        frontend["received"][0],
    )
    assert stack.backend.urls[0] in frontend["rank"][0] and "up" in frontend["rank"][0]
    assert stack.backend.urls[0] in frontend["asked"][0]
    assert "the first in rank" in frontend["asked"][0]
    assert '"info@example.org"' in backend["rules"][0]
    assert re.match(r"HTTP status 200 after \d", backend["userli"][0])
    assert "OK" in frontend["outcome"][0]
    times = [step["us"] for step in answer["steps"] if step["at"] == "frontend"]
    assert times == sorted(times) and times[-1] < 60e6


def test_both_tiers_log_the_same_request(stack, admin):
    _, answer = explain(*INFO, "--admin", admin)
    request = answer["request_id"]
    stack.frontend.wait_event("lookup explained", request_id=request)
    stack.backend.wait_event("lookup", request_id=request)
    # Nothing personal is in the log: the stack's own check greps it.


def test_a_key_that_cannot_be_is_explained_without_a_backend(stack, admin):
    status, answer = explain("alias", "example.org", "--admin", admin)
    assert (status, answer["outcome"], answer["source"]) == (1, "NOTFOUND", "rule")
    assert not steps(answer, "backend") and "asked" not in steps(answer)


def test_a_failure_of_userlis_is_told_with_its_status(stack, admin):
    stack.sandbox.set_faults({"match": "*/alias/*", "status": 500})
    status, answer = explain(*INFO, "--admin", admin)
    assert (status, answer["outcome"]) == (75, "TEMP")
    assert steps(answer, "backend")["userli"][0].startswith("HTTP status 500")


def test_a_draining_backend_is_passed_over_and_that_is_told(
    sandbox, backend, frontend, short_dir, admin
):
    userli = sandbox()
    backends = [
        backend(userli.url, BACKEND_NAME=f"b{i}", ADMIN_SOCKET=short_dir / f"b{i}")
        for i in range(2)
    ]
    front = frontend([b.urls[0] for b in backends], ADMIN_SOCKET=admin)
    for daemon in (*backends, front):
        daemon.wait_ready()
    front.wait_event("backend changed state", to="up")
    front.wait_event("backend changed state", to="up", skip=1)
    assert tool("drain", short_dir / "b0")[0] == 0
    # The frontend learns it with the first key that would be b0's.
    for n in range(100):
        _, answer = explain("alias", f"user{n}@example.org", "--admin", admin)
        assert answer["outcome"] == "NOTFOUND" and answer["backend"] == "b1"
        if "moved" in steps(answer):
            break
    assert "draining" in steps(answer)["moved"][0]
    # Now that it is known, it is not asked in the first place.
    _, answer = explain("alias", f"user{n}@example.org", "--admin", admin)
    assert answer["backend"] == "b1" and "moved" not in steps(answer)
    assert any("b0, draining" in rank for rank in steps(answer)["rank"])
    if "b0" in steps(answer)["rank"][0]:
        assert "the first in rank is not up" in steps(answer)["asked"][0]


def test_without_a_backend_the_wait_is_told(stack, admin):
    stack.backend.stop()
    status, answer = explain(*INFO, "--admin", admin)
    assert (status, answer["outcome"]) == (75, "TEMP")
    assert "waiting" in steps(answer)


def test_a_backend_explains_on_its_own(stack):
    url = stack.backend.urls[0]
    for via in ("backend", "userli"):
        status, answer = explain(*INFO, "--via", via, "--addr", url)
        assert (status, answer["data"]) == (0, MEMBERS)
        assert set(steps(answer)) >= {"received", "rules", "userli", "outcome"}


def test_userli_can_be_asked_whatever_is_remembered(stack):
    url = stack.backend.urls[0]
    path = "/api/postfix/alias/info%40example.org"
    for count in (1, 2):
        assert tool("query", *INFO, "--via", "userli", "--addr", url) == (
            0,
            MEMBERS + "\n",
            "",
        )
        assert stack.sandbox.targets()[path] == count


def test_the_explanation_is_readable_and_without_colours_in_a_pipe(stack, admin):
    status, out, error = tool("query", *INFO, "--explain", "--admin", admin)
    assert (status, error) == (0, "")
    assert "\033" not in out
    lines = out.splitlines()
    assert re.match(r" +\d+\.\d ms  frontend  received  request ", lines[0])
    assert lines[-1].startswith(f"OK {MEMBERS}  (fresh, by ")


def test_hostile_keys_are_shown_harmless(stack, admin):
    status, answer = explain("alias", "a\033[31m\n\t@example.org", "--admin", admin)
    assert status in (0, 1)
    assert "\033" not in json.dumps(answer["steps"], ensure_ascii=False)


def test_the_way_is_one_of_three(stack):
    status, _, error = tool("query", *INFO, "--explain", "--via", "http")
    assert status == 64 and "none of socketmap, backend and userli" in error


def test_a_reload_holds_for_what_is_explained_too(keeper, stack, tmp_path, short_dir):
    """The frontend's LOOKUP_TIMEOUT is told as what a backend has left."""
    config = tmp_path / "frontend.conf"
    config.write_text("LOOKUP_TIMEOUT=9s\n")
    admin = short_dir / "reloaded"
    front = keeper.add(
        Frontend(stack.backend.urls, ["--config", config], ADMIN_SOCKET=admin)
    ).wait_ready()

    def left_ms():
        asked = steps(explain(*INFO, "--admin", admin)[1])["asked"][0]
        return int(re.search(r"(\d+) ms left", asked)[1])

    assert left_ms() == 9000
    config.write_text("LOOKUP_TIMEOUT=7s\n")
    front.signal(signal.SIGHUP)
    wait_until(lambda: left_ms() == 7000, what="the new limit")
