"""deploy/monitoring: rules that promtool accepts, queries that find something."""

import json
import re
import subprocess

import pytest
from support.daemons import REPOSITORY
from support.prometheus_server import (
    PROMETHEUS,
    PROMTOOL,
    REASON,
    PrometheusServer,
    metric_names,
)
from support.wait import wait_until

FOLDER = REPOSITORY / "deploy" / "monitoring"
RULES = FOLDER / "userli-bridge.rules.yml"
TESTS = FOLDER / "userli-bridge.test.yml"
DASHBOARD = FOLDER / "userli-bridge.dashboard.json"
PREFIX = "userli_postfix_adapter_"
SUFFIXES = re.compile(r"_(bucket|sum|count)$")

promtool = pytest.mark.skipif(not PROMTOOL, reason=REASON)
prometheus = pytest.mark.skipif(not PROMETHEUS, reason=REASON)


def check(*arguments):
    result = subprocess.run(
        [PROMTOOL, *map(str, arguments)], cwd=FOLDER, capture_output=True, check=False
    )
    assert result.returncode == 0, (result.stdout + result.stderr).decode()


def panels():
    return [p for p in json.loads(DASHBOARD.read_text())["panels"] if p["type"] != "row"]


def queries():
    """(panel, expression), with Grafana's variables as it would fill them in."""
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m")
            yield panel["title"], expression.replace("$instance", ".*")


@promtool
def test_promtool_accepts_the_configuration():
    check("check", "config", "scrape.yml")
    check("check", "rules", RULES.name)


@promtool
def test_each_alert_fires_when_it_should_and_only_then():
    check("test", "rules", TESTS.name)


def test_each_alert_is_tested_both_ways():
    rules, tests = RULES.read_text(), TESTS.read_text()
    for alert in re.findall(r"- alert: (\w+)", rules):
        found = re.findall(rf"alertname: {alert}\n\s+exp_alerts:( \[\])?", tests)
        assert "" in found, f"nothing shows {alert} firing"
        assert " []" in found, f"nothing shows {alert} silent"


def test_each_alert_says_how_bad_it_is_and_what_to_do():
    for rule in RULES.read_text().split("- alert: ")[1:]:
        assert re.search(r"severity: (critical|warning) ", rule), rule
        assert re.search(r"summary: .{20}", rule), rule
        assert re.search(r"description: .{20}", rule), rule


def test_what_is_asked_for_is_documented():
    readme = (REPOSITORY / "README.md").read_text()
    known = set(re.findall(r"^\| `(\w+)` \|", readme, re.M))
    text = RULES.read_text() + "".join(expression for _, expression in queries())
    for name in metric_names(re.sub(r"\binstance:\w+:\w+", "", text)):
        stem = name.removeprefix(PREFIX)
        assert {stem, SUFFIXES.sub("", stem)} & known, name


@prometheus
def test_each_query_of_the_dashboard_finds_something_in_a_running_pool(
    pool, keeper, tmp_path
):
    pool = pool(backends=2, frontends=2)
    load = pool.load(clients=4, wait_ms=20)
    address = lambda daemon: daemon.metrics_url.removeprefix("http://")  # noqa: E731
    server = keeper.add(
        PrometheusServer(
            tmp_path,
            {
                "userli-bridge-frontend": [address(d) for d in pool.frontends],
                "userli-bridge-backend": [address(d) for d in pool.backends],
            },
            RULES,
        )
    )
    # A rate needs two scrapes of its target.
    wait_until(
        lambda: len(server.query("sum_over_time(up[1m]) >= 3")) == 4,
        what="three scrapes of each",
    )
    empty = [
        (title, expression)
        for title, expression in queries()
        if not server.query(expression)
    ]
    assert not empty
    rules = wait_until(
        lambda: all(r["health"] == "ok" for r in server.rules()) and server.rules(),
        what="every rule evaluated",
    )
    firing = [r["name"] for r in rules if r.get("state") == "firing"]
    load.finish().check_answered()
    assert not firing
