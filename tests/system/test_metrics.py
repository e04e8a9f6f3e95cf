"""/metrics of both tiers: the replaced adapter's families and what they count."""

import shutil
import subprocess

import pytest
from support.daemons import fault
from support.web import fetch

PREFIX = "userli_postfix_adapter_"

# The replaced adapter's, by tier: type, labels, buckets.
FRONTEND_FAMILIES = {
    "request_duration_seconds": (
        "histogram",
        {"handler", "status"},
        [0.001 * 2**i for i in range(10)],
    ),
    "requests_total": ("counter", {"handler", "status"}, None),
    "active_connections": ("gauge", set(), None),
    "connection_pool_usage": ("gauge", set(), None),
}
BACKEND_FAMILIES = {
    "http_client_duration_seconds": (
        "histogram",
        {"endpoint", "status_code"},
        [0.01 * 2**i for i in range(10)],
    ),
    "http_client_requests_total": ("counter", {"endpoint", "status_code"}, None),
    "health_check_status": ("gauge", set(), None),
}
BOTH = {
    "build_info": "gauge",
    "process_cpu_seconds_total": "counter",
    "process_resident_memory_bytes": "gauge",
    "process_virtual_memory_bytes": "gauge",
    "process_open_fds": "gauge",
    "process_max_fds": "gauge",
    "process_start_time_seconds": "gauge",
}


@pytest.fixture
def used(shared):
    """A stack whose every series has been used at least once."""
    shared.lookup("alias", "info@example.org")
    shared.lookup("mailbox", "nobody@example.org")
    shared.lookup("nosuchmap", "alice@example.org")
    return shared


def tiers(stack):
    return (
        (stack.frontend, FRONTEND_FAMILIES),
        (stack.backend, BACKEND_FAMILIES),
    )


def test_the_replaced_adapters_families_are_all_there(used):
    for daemon, families in tiers(used):
        metrics = daemon.metrics()
        for name, (kind, labels, buckets) in families.items():
            family = metrics.families[PREFIX + name]
            assert family.type == kind, name
            assert family.samples, name
            assert family.label_names() == labels, name
            if buckets:
                assert metrics.buckets(PREFIX + name) == pytest.approx(buckets)


def test_build_and_process_are_described(used):
    for daemon, _ in tiers(used):
        metrics = daemon.metrics()
        for name, kind in BOTH.items():
            full = name if name.startswith("process_") else PREFIX + name
            assert metrics.families[full].type == kind
        (labels,) = metrics.samples(PREFIX + "build_info")
        assert dict(labels)["version"]
        assert metrics.value("process_open_fds") > 3


def test_every_family_has_our_prefix_or_is_the_process(used):
    for daemon, _ in tiers(used):
        for name in daemon.metrics().families:
            assert name.startswith((PREFIX, "process_")), name


def test_lookups_are_counted_by_map_and_status(shared):
    asked = [
        ("alias", "info@example.org", "success"),
        ("domain", "example.org", "success"),
        ("mailbox", "alice@example.org", "success"),
        ("senders", "alice@example.org", "success"),
        ("alias", "nobody@example.org", "notfound"),
        ("domain", "elsewhere.example", "notfound"),
        ("mailbox", "nobody@example.org", "notfound"),
        ("senders", "nobody@example.org", "notfound"),
        ("alias", "example.org", "notfound"),
        ("mailbox", "bob@example.org", "error"),
    ]
    shared.sandbox.set_faults(fault("mailbox", "bob@example.org", status=500))
    before = shared.frontend.metrics()
    for name, key, _ in asked:
        shared.lookup(name, key)
    after = shared.frontend.metrics()
    for name in ("alias", "domain", "mailbox", "senders"):
        for status in ("success", "notfound", "error"):
            wanted = sum(1 for m, _, s in asked if (m, s) == (name, status))
            labels = {"handler": name, "status": status}
            for sample in ("requests_total", "request_duration_seconds_count"):
                got = grown(before, after, PREFIX + sample, **labels)
                assert got == wanted, (sample, labels)


def test_an_unknown_map_is_counted_as_unknown_whatever_its_name(shared):
    before = shared.frontend.metrics()
    for name in ("evil", "alice@example.org", 'quote"\n', "x" * 1000):
        shared.lookup(name.replace(" ", ""), "key")
    after = shared.frontend.metrics()
    name = PREFIX + "requests_total"
    assert grown(before, after, name, handler="unknown", status="error") == 4
    handlers = after.families[name].label_values("handler")
    assert handlers <= {"alias", "domain", "mailbox", "senders", "unknown", "invalid"}
    assert "evil" not in after.text


def test_requests_to_userli_are_counted_by_endpoint_and_code(shared):
    shared.sandbox.set_faults(fault("mailbox", "bob@example.org", status=500))
    before = shared.backend.metrics()
    shared.lookup("alias", "info@example.org")
    shared.lookup("alias", "example.org")  # by rule: no request
    shared.lookup("mailbox", "bob@example.org")
    after = shared.backend.metrics()
    for endpoint, code in (("alias", "200"), ("mailbox", "500")):
        labels = {"endpoint": endpoint, "status_code": code}
        for sample in (
            "http_client_requests_total",
            "http_client_duration_seconds_count",
        ):
            assert grown(before, after, PREFIX + sample, **labels) == 1, labels


def test_labels_of_the_backend_come_from_fixed_sets(shared):
    for status in (200, 299, 418, 451, 599):
        shared.sandbox.set_faults(
            fault("mailbox", "bob@example.org", status=status, body="x")
        )
        shared.lookup("mailbox", "bob@example.org")
    family = shared.backend.metrics().families[PREFIX + "http_client_requests_total"]
    assert len(family.label_values("status_code")) < 120
    assert all(
        value.isdigit() and len(value) == 3 or value.isalpha() or "_" in value
        for value in family.label_values("status_code")
    )


@pytest.mark.parametrize(
    "what, reason",
    [
        ({"status": 404, "body": "{}"}, "base_url"),
        ({"status": 302}, "base_url"),
        ({"status": 500}, "status"),
        ({"reset": True}, "broken"),
        ({"close": "body"}, "broken"),
        ({"body": "<html>"}, "not_json"),
        ({"body": "null"}, "wrong_type"),
        ({"body": '["a,b@example.org"]'}, "bad_address"),
        ({"endless": True}, "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_failures_of_userli_are_counted_by_reason(shared, what, reason):
    shared.sandbox.set_faults(fault("alias", "info@example.org", **what))
    name = PREFIX + "userli_failures_total"
    before = shared.backend.metrics()
    assert shared.lookup("alias", "info@example.org").status == "TEMP"
    after = shared.backend.metrics()
    assert grown(before, after, name, reason=reason) == 1
    assert after.total(name) - before.total(name) == 1


def test_a_refused_token_is_counted(stack):
    stack.sandbox.set_faults(fault("alias", "info@example.org", status=403))
    stack.lookup("alias", "info@example.org")
    name = PREFIX + "userli_failures_total"
    assert stack.backend.metrics().value(name, reason="token") >= 1


def test_open_connections_are_counted(shared):
    name = PREFIX + "active_connections"
    clients = [shared.client() for _ in range(7)]
    for client in clients:
        client.lookup("domain", "example.org")
    assert shared.frontend.metrics().value(name) == 7
    usage = shared.frontend.metrics().value(PREFIX + "connection_pool_usage")
    assert usage == 7
    for client in clients:
        client.close()


def test_health_check_status_follows_userli(shared):
    assert shared.backend.metrics().value(PREFIX + "health_check_status") == 1


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing_to_say(used):
    for daemon, _ in tiers(used):
        text = fetch(daemon.metrics_url + "/metrics").body
        result = subprocess.run(
            ["promtool", "check", "metrics"],
            input=text.encode(),
            capture_output=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr.decode() + result.stdout.decode()


def test_the_exposition_names_its_format(used):
    for daemon, _ in tiers(used):
        response = fetch(daemon.metrics_url + "/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")


def grown(before, after, name, **labels):
    return after.value(name, **labels) - before.value(name, **labels)
