"""One id from Postfix's request to userli, slow lookups, and tracepoints."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support.daemons import BUILD_DIR, REPOSITORY, fault

PARENT = re.compile(r"00-([0-9a-f]{16})([0-9a-f]{16})-([0-9a-f]{16})-00")
SLOW_BACKEND = ("flight", "queue", "connect", "first_byte", "body")


@pytest.fixture
def traced(make_stack):
    settings = {"LOG_LEVEL": "debug", "LOOKUP_CACHE_TTL": "0", "SLOW_LOOKUP": "200ms"}
    return make_stack(backend=settings, frontend={**settings})


def headers_of(stack, map_name, key):
    """What userli was told with a lookup, and the frontend's line of it."""
    for _ in range(5):  # a check of the backend's own may come between
        before = len(stack.frontend.find_events("lookup"))
        stack.lookup(map_name, key)
        headers = stack.sandbox.stats()["last_headers"]
        line = stack.frontend.wait_event("lookup", skip=before)
        if headers["x-request-id"] == line["request_id"]:
            return headers, line
    raise AssertionError(f"{headers} is not of {line}")


def test_one_id_is_told_from_end_to_end(traced):
    headers, front = headers_of(traced, "mailbox", "alice@example.org")
    back = traced.backend.wait_event("lookup", request_id=front["request_id"])
    assert back["map"] == front["map"] == "mailbox"
    assert PARENT.fullmatch(headers["traceparent"])[2] == front["request_id"]


def test_a_failure_in_the_log_bears_the_id_that_userli_was_told(traced):
    traced.sandbox.set_faults(fault("mailbox", "bob@example.org", status=500))
    headers, front = headers_of(traced, "mailbox", "bob@example.org")
    event = traced.backend.wait_event("lookup failed at userli")
    assert event["request_id"] == headers["x-request-id"] == front["request_id"]


def test_each_request_has_a_parent_of_its_own_and_one_origin(traced):
    found = [
        PARENT.fullmatch(headers_of(traced, "mailbox", f"nobody{n}@example.org")[0]["traceparent"])
        for n in range(4)
    ]
    assert len({match[1] for match in found}) == 1
    assert len({match[2] for match in found}) == len({match[3] for match in found}) == 4
    assert not {"0" * 16} & {match[3] for match in found}


def test_nothing_personal_is_in_the_headers_beside_the_path(traced):
    headers, _ = headers_of(traced, "mailbox", "alice@example.org")
    assert "alice" not in json.dumps(headers)


def test_a_slow_lookup_tells_where_its_time_went(traced):
    traced.sandbox.set_faults(fault("mailbox", "alice@example.org", delay_ms=400))
    traced.lookup("mailbox", "alice@example.org")
    front = traced.frontend.wait_event("slow lookup")
    back = traced.backend.wait_event("slow lookup", request_id=front["request_id"])
    assert back["first_byte"] >= 0.35
    for name in SLOW_BACKEND:
        assert 0 <= back[name] <= back["seconds"], name
    assert sum(back[name] for name in SLOW_BACKEND) == pytest.approx(
        back["seconds"], abs=0.05
    )
    assert front["wire"] >= 0.35 and front["queue"] < front["wire"]
    assert front["joined"] is False and front["map"] == "mailbox"
    assert "key" not in front or front["key"].startswith("h:")


def test_who_waits_for_another_ones_request_says_for_whose(traced):
    traced.sandbox.set_faults(fault("mailbox", "alice@example.org", delay_ms=600))
    with traced.client() as first, traced.client() as second:
        first.send("mailbox", "alice@example.org")
        second.send("mailbox", "alice@example.org")
        first.receive(), second.receive()
    traced.frontend.wait_event("slow lookup", joined=False)
    traced.frontend.wait_event("slow lookup", joined=True)


def test_a_fast_lookup_leaves_no_line(traced):
    traced.lookup("mailbox", "alice@example.org")
    traced.frontend.wait_event("lookup")
    assert not traced.frontend.find_events("slow lookup")
    assert not traced.backend.find_events("slow lookup")


def test_zero_tells_of_none(make_stack):
    stack = make_stack(backend={"SLOW_LOOKUP": "0"}, frontend={"SLOW_LOOKUP": "0"})
    stack.sandbox.set_faults(fault("mailbox", "alice@example.org", delay_ms=1200))
    stack.lookup("mailbox", "alice@example.org")
    assert not stack.frontend.find_events("slow lookup")


def test_a_flood_of_slow_lookups_is_told_in_part(make_stack):
    stack = make_stack(
        backend={"SLOW_LOOKUP": "1ms", "LOOKUP_CACHE_TTL": "0"},
        frontend={"SLOW_LOOKUP": "1ms"},
    )
    stack.sandbox.set_faults({"match": "*mailbox*", "delay_ms": 50})
    clients = [stack.client() for _ in range(60)]
    for number, client in enumerate(clients):
        client.send("mailbox", f"nobody{number}@example.org")
    for client in clients:
        client.receive()
        client.close()
    lines = len(stack.frontend.find_events("slow lookup"))
    assert 1 <= lines <= 40, "ten a second"


@pytest.mark.skipif(not Path("/usr/include/sys/sdt.h").exists()
                    and not list(Path("/usr/include").glob("*/sys/sdt.h")),
                    reason="sys/sdt.h is not installed (systemtap-sdt-dev)")
@pytest.mark.skipif(not shutil.which("readelf"), reason="no readelf")
def test_tracepoints_are_in_what_is_built_with_them(tmp_path):
    wanted = {
        "frontend/dispatch.c": {"lookup_start"},
        "frontend/dispatch_report.c": {"lookup_done"},
        "backend/worker.c": {"call_start"},
        "backend/worker_report.c": {"call_done"},
        "backend/userli.c": {"userli_start", "userli_done"},
    }
    commands = {
        entry["file"]: entry
        for entry in json.loads((BUILD_DIR / "compile_commands.json").read_text())
    }
    for source, probes in wanted.items():
        entry = commands[str(REPOSITORY / source)]
        argv = shlex.split(entry["command"])
        argv[argv.index("-o") + 1] = str(tmp_path / "out.o")
        subprocess.run([*argv, "-DUSDT"], cwd=entry["directory"], check=True)
        notes = subprocess.run(
            ["readelf", "-n", tmp_path / "out.o"], capture_output=True, text=True, check=True
        ).stdout
        assert set(re.findall(r"Name: (\w+)", notes)) == probes, source
        assert set(re.findall(r"Provider: (\w+)", notes)) == {"userli_bridge"}
