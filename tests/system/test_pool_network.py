"""Packets that vanish, and names whose addresses change."""

import time

import pytest
from support.dns import DnsServer
from support.load import SLOWNESS
from support.netns import RoutedHost, Unavailable, resolver_launcher
from support.pool import loopback_address
from support.wait import wait_until

pytestmark = pytest.mark.timeout(900)  # waiting for the machine counts

CUT_S = 20
USED_AGAIN_S = 10
FOLLOWED_S = 10


def routed_host(keeper):
    try:
        return RoutedHost(keeper)
    except Unavailable as reason:
        pytest.skip(str(reason))


def test_a_backend_whose_packets_vanish_costs_no_lookup(pool, keeper):
    """Nothing is refused: connections just hear no more, for 20 s."""
    host = routed_host(keeper)
    pool = pool(backends=0)
    pool.add_backend(
        url=f"tcp://{host.far}:0",
        userli=f"unix:{pool.userli_socket}",
        launcher=host.launcher,
        METRICS_LISTEN_ADDR=f"{host.far}:0",
        BACKEND_INSECURE_NETWORK="1",
    )
    pool.add_backend()
    pool.add_backend()
    pool.add_frontends(2)
    pool.warm_up()
    load = pool.load()
    time.sleep(1)
    load.phase("cut").check_answered()
    try:
        host.cut()
        time.sleep(CUT_S)
        assert pool.members("up") == [2, 2], "it was not cut off"
    finally:
        host.heal()
    load.phase("healed").check_answered(1000).check_p99(500)
    pool.wait_traffic(pool.backends[0], USED_AGAIN_S * SLOWNESS)
    load.phase("whole").check_answered()
    time.sleep(1)
    load.finish().check_answered(100)
    pool.wait_members(up=3)
    pool.check_leaks()


NAME = "pool.example"


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


def test_backends_follow_a_name_and_outlive_its_silence(pool, dns, resolver):
    pool = pool(backends=0)
    pool.add_backend()
    port = pool.urls[0].rpartition(":")[2]
    for _ in range(2):
        pool.add_backend(url=f"tcp://{loopback_address()}:{port}")
    hosts = [url.partition("//")[2].partition(":")[0] for url in pool.urls]
    first, second, third = pool.backends
    dead = loopback_address()
    dns.names[NAME] = [hosts[0], dead, hosts[1]]
    pool.urls = [f"tcp://{NAME}:{port}"]
    pool.backends = [first, second]
    pool.add_frontends(2, launcher=resolver)
    pool.wait_members(connecting=1)
    pool.warm_up()
    load = pool.load()
    for backend in (first, second):
        pool.wait_traffic(backend, FOLLOWED_S)

    load.phase("changed").check_answered()
    dns.names[NAME] = [hosts[1], hosts[2]]
    started = time.monotonic()
    pool.wait_traffic(third, FOLLOWED_S * SLOWNESS)
    # The first is let go, with what it had in flight answered.
    left = started + FOLLOWED_S * SLOWNESS - time.monotonic()
    pool.wait_members(left, up=2, connecting=0)
    before = pool.calls_answered(first)
    time.sleep(1)
    assert pool.calls_answered(first) == before, "asked although no longer named"

    load.phase("silent").check_answered(100)
    dns.silent = True
    asked = dns.asked
    wait_until(lambda: dns.asked >= asked + 4, what="the name is asked for in vain")
    time.sleep(2)
    dns.silent, dns.broken = False, True
    asked = dns.asked
    wait_until(lambda: dns.asked >= asked + 4, what="SERVFAIL")
    dns.broken = False
    dns.names[NAME] = []
    asked = dns.asked
    wait_until(lambda: dns.asked >= asked + 4, what="no addresses")
    assert pool.members("up") == [2, 2]

    load.phase("heard again").check_answered(100).check_p99(500)
    dns.names[NAME] = [hosts[0], hosts[1]]
    pool.wait_traffic(first, FOLLOWED_S * SLOWNESS)
    load.finish().check_answered(100)
    pool.backends = [first, second]
    pool.wait_members(up=2)
    pool.check_leaks()
