"""Backends by name: what DNS says is followed, what it fails to say is not."""

import time

import pytest
from support.daemons import Backend, Frontend
from support.dns import DnsServer
from support.load import SLOWNESS
from support.netns import Unavailable, resolver_launcher
from support.pool import loopback_address
from support.wait import wait_until

PREFIX = "userli_postfix_adapter_"
NAME = "pool.example"
OTHER = "other.example"
SERVICE = f"_userli-bridge._tcp.{NAME}"
FOLLOWED_S = 10 * SLOWNESS
FAILED = "host has no address"
HEALED = "host has addresses"


@pytest.fixture
def dns():
    try:
        server = DnsServer(loopback_address())
    except OSError as error:
        pytest.skip(f"no name server on port 53: {error}")
    yield server
    server.close()


@pytest.fixture
def resolver(dns, tmp_path):
    try:
        return resolver_launcher(tmp_path, dns.address)
    except Unavailable as reason:
        pytest.skip(str(reason))


class Members:
    """Backends of one userli, as a frontend sees them."""

    def __init__(self, keeper, sandbox, launcher):
        self._keeper = keeper
        self._sandbox = sandbox()
        self._launcher = launcher
        self._keys = 0
        self.backends, self.hosts, self.ports = [], [], []
        self.frontend = None

    def add(self, count, port=0):
        for _ in range(count):
            host = loopback_address()
            backend = Backend(
                self._sandbox.url,
                BACKEND_LISTEN_URL=f"tcp://{host}:{port}",
            )
            self.backends.append(self._keeper.add(backend))
            self.hosts.append(host)
            self.ports.append(int(backend.urls[0].rpartition(":")[2]))
            port = port and self.ports[0]
        return self

    def add_same_port(self, count):
        return self.add(1).add(count - 1, port=self.ports[0])

    def start(self, *urls, **settings):
        settings = {"BACKEND_RESOLVE_INTERVAL": "300ms", **settings}
        self.frontend = self._keeper.add(
            Frontend(urls, launcher=self._launcher, **settings)
        )
        return self.frontend

    def count(self, *states):
        exposition = self.frontend.metrics()
        return sum(
            exposition.total(PREFIX + "pool_members", state=state) for state in states
        )

    def wait(self, up, connecting=0, timeout=FOLLOWED_S):
        want = up, connecting, 0
        wait_until(
            lambda: (self.count("up"), self.count("connecting"), self.count("gone"))
            == want,
            timeout,
            f"up, connecting, gone: {want}",
        )

    def shares(self, lookups=600):
        """Which part of so many lookups each backend answers."""
        before = [self._answered(b) for b in self.backends]
        with self.frontend.client() as client:
            for _ in range(lookups):
                self._keys += 1
                reply = client.lookup("mailbox", f"x{self._keys}@example.org")
                assert str(reply) == "NOTFOUND "
        return [
            (self._answered(b) - n) / lookups
            for b, n in zip(self.backends, before, strict=True)
        ]

    @staticmethod
    def _answered(backend):
        return backend.metrics().total(
            PREFIX + "backend_calls_total", outcome="NOTFOUND"
        )


@pytest.fixture
def members(keeper, sandbox, resolver):
    return Members(keeper, sandbox, resolver)


def asked_again(dns, times=4):
    asked = dns.asked
    wait_until(lambda: dns.asked >= asked + times, what="DNS is asked again")


# --- Names -------------------------------------------------------------------


def test_every_address_of_a_name_is_a_member_and_the_set_follows(dns, members):
    members.add_same_port(3)
    first, second, third = members.hosts
    dns.names[NAME] = [first, second]
    members.start(f"tcp://{NAME}:{members.ports[0]}", BACKEND_RESOLVE_INTERVAL="1s")
    members.wait(up=2)
    assert min(members.shares()[:2]) > 0.3

    dns.names[NAME] = [second, third, loopback_address()]
    members.wait(up=2, connecting=1)
    gone = f"tcp://{first}:{members.ports[0]}"
    members.frontend.wait_event("backend changed state", url=gone, to="gone")
    members.frontend.wait_event("backend removed", url=gone)
    shares = members.shares()
    assert shares[0] == 0
    assert sum(shares) == 1

    dns.names[NAME] = [first]
    members.wait(up=1)
    assert members.shares(100) == [1, 0, 0]
    assert not members.frontend.find_events(FAILED)


def test_an_address_of_two_names_is_one_member_until_neither_has_it(dns, members):
    members.add_same_port(2)
    first, second = members.hosts
    port = members.ports[0]
    dns.names.update({NAME: [first, second], OTHER: [second]})
    members.start(f"tcp://{NAME}:{port}", f"tcp://{OTHER}:{port}")
    members.wait(up=2)
    dns.names[NAME] = [first]
    asked_again(dns, 12)
    members.wait(up=2)
    assert not members.frontend.find_events("backend removed")
    dns.names[OTHER] = [first]
    members.wait(up=1)


def test_a_name_that_dns_learns_late_is_used_at_once(dns, members):
    members.add(1)
    frontend = members.start(
        f"tcp://{NAME}:{members.ports[0]}", BACKEND_RESOLVE_INTERVAL="1h"
    )
    frontend.wait_event(FAILED, host=NAME)
    assert "no host of BACKEND_URLS has an address" in frontend.ready().body
    asked_again(dns)
    dns.names[NAME] = members.hosts
    frontend.wait_ready(FOLLOWED_S)
    frontend.wait_event(HEALED, host=NAME)


# --- SRV records -------------------------------------------------------------


@pytest.mark.alone  # under load, the busy pass work on
def test_srv_records_give_ports_and_weights(dns, members):
    members.add(3)
    for number, host in enumerate(members.hosts):
        dns.names[f"b{number}.example"] = [host]

    def set_weights(*weights):
        dns.services[SERVICE] = [
            (0, weight, port, f"b{number}.example")
            for number, (weight, port) in enumerate(
                zip(weights, members.ports, strict=True)
            )
        ]

    set_weights(10, 20, 70)
    members.start(f"srv+tcp://{NAME}")
    members.wait(up=3)
    assert members.shares() == pytest.approx([0.1, 0.2, 0.7], abs=0.07)

    set_weights(60, 40, 0)
    asked_again(dns, 12)
    assert members.shares() == pytest.approx([0.6, 0.4, 0.0], abs=0.07)
    assert not members.frontend.find_events("backend removed")


def test_a_higher_priority_is_a_spare_for_when_the_lower_has_no_address(dns, members):
    members.add(2)
    name = "_rpc._tcp.pool.example"
    dns.services[name] = [
        (20, 1, members.ports[1], "spare.example"),
        (10, 1, members.ports[0], "first.example"),
    ]
    dns.names.update(
        {"first.example": members.hosts[:1], "spare.example": members.hosts[1:]}
    )
    members.start(f"srv+tcp://{name}")
    members.wait(up=1)
    assert members.shares(50) == [1, 0]
    del dns.names["first.example"]
    asked_again(dns, 12)
    members.wait(up=1)
    assert members.shares(50) == [0, 1]


def test_more_records_than_a_datagram_holds_come_over_tcp(dns, members):
    members.add(1)
    dns.names["b.example"] = members.hosts
    dead = range(1, 40)  # where nobody listens
    dns.services[SERVICE] = [
        (0, 1, port, "b.example") for port in (*dead, members.ports[0])
    ]
    members.start(f"srv+tcp://{NAME}")
    members.wait(up=1, connecting=len(dead))
    assert dns.over_tcp > 0
    assert members.shares(50) == [1]


# --- DNS that fails ----------------------------------------------------------


def _unknown(dns):
    dns.names, dns.services = {}, {}


def _empty(dns):
    dns.names[NAME] = []
    dns.services[SERVICE] = []


def _withdrawn(dns):
    dns.services[SERVICE] = [(0, 0, 0, ".")]
    dns.names[NAME] = []


@pytest.mark.parametrize(
    "fail",
    [
        pytest.param(lambda dns: setattr(dns, "silent", True), id="silent"),
        pytest.param(lambda dns: setattr(dns, "broken", True), id="SERVFAIL"),
        pytest.param(lambda dns: setattr(dns, "garbled", True), id="garbled"),
        pytest.param(_unknown, id="NXDOMAIN"),
        pytest.param(_empty, id="empty"),
        pytest.param(_withdrawn, id="withdrawn"),
    ],
)
def test_dns_that_fails_changes_nothing_and_is_logged_once(dns, members, fail):
    members.add(2)
    first, second = members.hosts
    dns.names.update({NAME: [first], "b.example": [second]})
    dns.services[SERVICE] = [(0, 1, members.ports[1], "b.example")]
    known = dict(dns.names), dict(dns.services)
    frontend = members.start(f"tcp://{NAME}:{members.ports[0]}", f"srv+tcp://{NAME}")
    members.wait(up=2)

    fail(dns)
    for _ in range(2):
        frontend.wait_event(FAILED, host=NAME, kept=1, skip=1)
        asked_again(dns, 6)
    assert members.count("up") == 2
    assert min(members.shares(100)) > 0.2
    assert len(frontend.find_events(FAILED)) == 2  # one a name

    dns.silent = dns.broken = dns.garbled = False
    dns.names, dns.services = known
    frontend.wait_event(HEALED, skip=1)
    assert members.count("up") == 2
    assert not frontend.find_events("backend removed")


def test_the_end_does_not_wait_for_a_silent_server(dns, members, tmp_path):
    (tmp_path / "resolv.conf").write_text(
        f"nameserver {dns.address}\noptions timeout:30 attempts:2\n"
    )
    dns.silent = True
    frontend = members.start(
        f"tcp://{NAME}:1", f"srv+tcp://{NAME}", SHUTDOWN_TIMEOUT="60s"
    )
    wait_until(lambda: dns.asked >= 3, what="A, AAAA and SRV are asked for")
    started = time.monotonic()
    assert frontend.stop() == 0
    assert time.monotonic() - started < 5 * SLOWNESS
