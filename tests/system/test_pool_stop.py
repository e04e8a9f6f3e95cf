"""Daemons that are stopped: frozen for a while, or asked to end under load."""

import signal
import time

import pytest
from support.load import CLIENTS, SLOWNESS

pytestmark = pytest.mark.timeout(900)  # waiting for the machine counts

FROZEN_S = 20
EXIT_WITHIN_S = 10


def test_a_frozen_backend_is_ejected_and_comes_back(pool):
    """The kernel still accepts what it is sent, so that only silence tells."""
    pool = pool()
    pool.warm_up()
    load = pool.load()
    time.sleep(1)
    load.phase("frozen").check_answered()
    frozen = pool.backends[0]
    try:
        frozen.signal(signal.SIGSTOP)
        started = time.monotonic()
        pool.wait_members(1 * SLOWNESS, ejected=1)
        time.sleep(max(0, started + FROZEN_S - time.monotonic()))
    finally:
        frozen.signal(signal.SIGCONT)
    load.phase("back").check_answered(1000).check_p99(500)
    pool.wait_traffic(frozen, 10 * SLOWNESS)
    # What it was sent before it froze is answered now, to nobody.
    time.sleep(1)
    load.finish().check_answered(100)
    pool.wait_members(up=3)
    pool.check_leaks()


def test_backends_are_replaced_one_by_one_without_a_failed_lookup(pool):
    pool = pool()
    pool.warm_up()
    load = pool.load()
    time.sleep(1)
    for index, backend in enumerate(pool.backends):
        backend.signal(signal.SIGTERM)
        assert backend.wait(EXIT_WITHIN_S * SLOWNESS) == 0
        pool.wait_traffic(pool.restart_backend(index), 10 * SLOWNESS)
    load.finish().check_answered(1000).check_p99(500)
    pool.wait_members(up=3)
    pool.check_leaks()


def test_a_frontend_asked_to_end_answers_what_it_was_asked(pool):
    """And its clients find the next one at the same address."""
    pool = pool()
    pool.warm_up()
    load = pool.load()
    time.sleep(1)
    load.phase("ending").check_answered()
    ending = pool.frontends[0]
    ending.signal(signal.SIGTERM)
    assert ending.wait(EXIT_WITHIN_S * SLOWNESS) == 0
    figures = load.phase("replaced")
    assert not figures.failed, str(figures)
    # A request may meet the end of its connection on the way: Postfix asks
    # again then.  Anyone else's connection is closed between requests.
    ours = CLIENTS // 2
    assert figures["closed"] + figures["crossed"] == ours, str(figures)
    assert figures["crossed"] <= ours // 4, str(figures)
    pool.frontends[0] = pool.new_frontend(ending.address)
    pool.frontends[0].wait_ready()
    time.sleep(1)
    load.phase("answering")
    time.sleep(2)
    figures = load.finish().check_answered(100)
    assert figures["by_target"][0] > 0, str(figures)
    pool.check_leaks()
