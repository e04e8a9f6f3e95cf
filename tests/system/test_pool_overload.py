"""More lookups than the pool can carry: it does what it can, and says no."""

import time

import pytest
from support.load import SLOWNESS

pytestmark = pytest.mark.timeout(900)  # waiting for the machine counts

# Known, small, and the same for every build: userli's time, not ours, decides.
REQUESTS, DELAY_MS = 10, 100
CAPACITY = 3 * REQUESTS * 1000 / DELAY_MS  # lookups a second, at most
TIMES = 4
TEMP_WITHIN_MS = 1000
GOODPUT = 0.9
PEAK_S, OVERLOAD_S = 5, 12


def test_four_times_the_load_costs_no_goodput(pool):
    pool = pool(delay_ms=DELAY_MS, backend={"USERLI_MAX_REQUESTS": REQUESTS})
    pool.warm_up()
    load = pool.load(wait_ms=0)
    time.sleep(1)
    load.phase("peak").check_answered()
    time.sleep(PEAK_S)
    peak = load.finish().check_answered()

    # Connections enough for whatever is asked within a second, and more.
    load = pool.load(clients=int(CAPACITY * TIMES * 1.5))
    load.set_rate(CAPACITY * 0.5)
    time.sleep(2)
    load.phase("overload")
    load.set_rate(CAPACITY * TIMES)
    time.sleep(OVERLOAD_S)
    overload = load.phase("settling")
    load.set_rate(CAPACITY * 0.5)
    time.sleep(2 * SLOWNESS)
    load.phase("after")
    time.sleep(2)
    after = load.finish()

    assert not overload["unsent"], f"the load was not offered: {overload}"
    assert overload.rate() >= GOODPUT * peak.rate(), f"{peak}\n{overload}"
    assert not overload["timeout"] and not overload["perm"], str(overload)
    assert overload["temp"] > 0, str(overload)
    assert overload["failed"]["max_ms"] <= TEMP_WITHIN_MS * SLOWNESS, str(overload)
    after.check_answered(100)
    pool.check_leaks()
