"""userli-bridge stat: rates, latencies, maps, cache and pool, side by side."""

import json
import subprocess
import threading

import pytest
from support.daemons import program_path
from support.process import run

TOOL = program_path("userli-bridge")


def stat(*where, timeout=60):
    return run([TOOL, "stat", *where], timeout=timeout)


def address(daemon):
    return daemon.metrics_url.removeprefix("http://")


@pytest.fixture(name="stack")
def fixture_stack(make_stack, short_dir):
    return make_stack(
        frontend={"ADMIN_SOCKET": short_dir / "f"},
        backend={"ADMIN_SOCKET": short_dir / "b", "LOOKUP_CACHE_TTL": "300s"},
    )


class Asking:
    """Lookups one after the other, until the end of the block."""

    def __init__(self, stack):
        self.stack, self.stop, self.count = stack, threading.Event(), 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with self.stack.client() as client:
            while not self.stop.wait(0.002):
                client.lookup("alias", "info@example.org")
                client.lookup("domain", f"gone{self.count}.example.org")
                self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def test_both_tiers_stand_side_by_side(stack):
    with Asking(stack):
        status, out, error = stat(address(stack.frontend), address(stack.backend), "--json")
    assert (status, error) == (0, "")
    shown = json.loads(out)
    assert 0.9 < shown["seconds"] < 30
    front, back = shown["daemons"]
    assert (front["tier"], back["tier"]) == ("frontend", "backend")
    assert front["lookups"]["answers/s"] > 1
    both = front["lookups"]["found/s"], front["lookups"]["not found/s"]
    assert sum(both) == pytest.approx(front["lookups"]["answers/s"])
    assert front["lookups"]["failed/s"] == back["lookups"]["failed/s"] == 0
    for tier in (front, back):
        assert tier["alias"]["answers/s"] > 1 and tier["domain"]["answers/s"] > 1
        assert tier["mailbox"]["answers/s"] == 0 and tier["mailbox"]["p99"] is None
        assert 0 < tier["lookups"]["p50"] <= tier["lookups"]["p99"] < 10
    assert front["pool"]["up"] == 1
    assert 0.2 < back["cache"]["hits"] < 0.8 and back["cache"]["entries"] >= 2
    assert back["userli"]["requests/s"] > 1 and back["userli"]["accepts the token"] == 1
    assert "pool" not in back


def test_every_figure_is_of_a_metric_that_the_daemons_have(stack):
    _, out, _ = stat(address(stack.frontend), address(stack.backend), "--json")
    idle = {"p50", "p95", "p99", "hits"}  # nothing was asked
    missing = [
        (daemon["tier"], group, name)
        for daemon in json.loads(out)["daemons"]
        for group, values in daemon.items()
        if isinstance(values, dict)
        for name, value in values.items()
        if value is None and name not in idle
    ]
    assert missing == []


def test_the_table_is_readable_and_without_colours_in_a_pipe(stack, short_dir):
    status, out, error = stat(short_dir / "f", short_dir / "b")
    assert (status, error) == (0, "")
    assert "\033" not in out
    head, *rows = out.splitlines()
    assert head.split() == ["frontend", str(short_dir / "f"), "backend", str(short_dir / "b")]
    assert rows[0].split()[:2] == ["lookups", "answers/s"]
    assert any(row.split()[:2] == ["pool", "up"] for row in rows)


def test_live_it_goes_on_until_nobody_reads(stack):
    child = subprocess.Popen(
        [TOOL, "stat", address(stack.frontend), "-w", "0.2s", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        rounds = [json.loads(child.stdout.readline()) for _ in range(3)]
        assert all(r["daemons"][0]["reached"] for r in rounds)
        child.stdout.close()
        child.wait(30)
    finally:
        child.kill()
        child.wait()
        child.stderr.close()


def test_a_daemon_that_is_not_reached_leaves_its_column_empty(stack):
    where = address(stack.backend)
    stack.backend.stop()
    status, out, error = stat(address(stack.frontend), where, "--json")
    assert status == 69 and where in error
    front, back = json.loads(out)["daemons"]
    assert front["reached"] and not back["reached"]
    assert front["pool"]["not up"] == 1


def test_what_is_no_daemon_of_ours_is_told(stack):
    status, _, error = stat(stack.sandbox.control_url)
    assert status == 69 and "neither a frontend nor a backend" in error
