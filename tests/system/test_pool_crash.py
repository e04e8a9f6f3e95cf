"""Backends that die, one or all, once or again and again: no lookup is lost."""

import time

import pytest
from support.load import SLOWNESS
from support.wait import wait_until

pytestmark = pytest.mark.timeout(900)  # waiting for the machine counts

STEADY_S = 15  # 60 with --full
TEMP_WITHIN_MS = 1000
CALLS_PER_LIFE = 200
LIVES = 6


def test_a_pool_without_faults_answers_everything(pool, full):
    pool = pool()
    pool.warm_up()
    load = pool.load()
    time.sleep(60 if full else STEADY_S)
    load.finish().check_answered(1000).check_p99(500)
    answered = [pool.calls_answered(backend) for backend in pool.backends]
    assert min(answered) > 0, f"one was never asked: {answered}"
    pool.check_leaks()


def test_a_backend_killed_and_started_again_costs_no_lookup(pool):
    pool = pool()
    pool.warm_up()
    load = pool.load()
    time.sleep(1)
    load.phase("killed").check_answered()
    pool.backends[1].kill()
    time.sleep(3)
    backend = pool.restart_backend(1)
    pool.wait_traffic(backend, 3 * SLOWNESS)
    time.sleep(1)
    load.finish().check_answered(1000).check_p99(500)
    pool.wait_members(up=3)
    pool.check_leaks()


def test_without_a_backend_lookups_fail_temporarily_until_one_is_back(pool):
    pool = pool()
    pool.warm_up()
    load = pool.load()
    time.sleep(1)
    load.phase("dead").check_answered()
    for backend in pool.backends:
        backend.kill()
    for frontend in pool.frontends:
        frontend.wait_not_ready(2 * SLOWNESS)
    time.sleep(1)
    load.phase("still dead")
    time.sleep(2)
    dead = load.phase("back")
    assert dead.right == 0 and dead["timeout"] == 0 and dead["perm"] == 0, str(dead)
    assert dead["temp"] > 0, str(dead)
    assert dead["failed"]["max_ms"] <= TEMP_WITHIN_MS * SLOWNESS, str(dead)
    backend = pool.restart_backend(0)
    started = time.monotonic()
    for frontend in pool.frontends:
        frontend.wait_ready(3 * SLOWNESS)
    pool.wait_traffic(backend, 3 * SLOWNESS - (time.monotonic() - started))
    load.phase("answering")
    time.sleep(2)
    load.finish().check_answered()
    assert all(frontend.running for frontend in pool.frontends)
    pool.restart_backend(1)
    pool.restart_backend(2)
    pool.wait_members(up=3)
    pool.check_leaks()


def test_a_backend_that_dies_again_and_again_costs_no_lookup(pool):
    pool = pool()
    pool.warm_up()
    load = pool.load()
    for _ in range(LIVES):
        backend = pool.backends[2]
        wait_until(
            lambda backend=backend: pool.calls_answered(backend) >= CALLS_PER_LIFE,
            what=f"{CALLS_PER_LIFE} calls",
        )
        backend.kill()
        pool.restart_backend(2)
    load.finish().check_answered(1000).check_p99(500)
    pool.wait_members(up=3)
    pool.check_leaks()
