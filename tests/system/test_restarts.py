"""userli restarts again and again; whoever was known is known throughout."""

import random
import time

from support.daemons import Sandbox
from support.directory import alias, sample_directory, write_directory
from support.load import CLIENTS, SLOWNESS, Load
from support.wait import wait_until

PREFIX = "userli_postfix_adapter_"
USERS = 100
# Of sanitizer builds only what must not happen counts, not how often it did not.
RESTARTS = 200 if SLOWNESS == 1 else 60
PAUSE = 0.06  # seconds that userli is up or down, on average


def user(n):
    return f"user{n}@example.org"


def directory():
    return sample_directory(
        users=[{"email": user(n), "password": "x"} for n in range(USERS)],
        aliases=[alias(f"list{n}@example.org", user(n)) for n in range(USERS)],
    )


def warm_lookups():
    """(map, key, reply) of what userli holds."""
    yield "domain", "example.org", "OK 1"
    for n in range(USERS):
        yield "mailbox", user(n), "OK 1"
        yield "senders", user(n), f"OK {user(n)}"
        yield "alias", f"list{n}@example.org", f"OK {user(n)}"


def write_warm(folder):
    path = folder / "warm"
    path.write_text("".join(f"{m} {key}\t{reply}\n" for m, key, reply in warm_lookups()))
    return path


def write_cold(folder):
    """What userli does not hold, and is always asked: TEMP is no fault here."""
    path = folder / "cold"
    path.write_text(
        "mailbox nobody{}@example.org\tNOTFOUND \n"
        "domain gone{}.example\tNOTFOUND \n"
    )
    return path


def restart(keeper, userli, path, address):
    userli.kill()
    time.sleep(random.uniform(0, PAUSE))
    return keeper.add(Sandbox(path, "--quiet", listen=address))


def test_warm_keys_never_notice_that_userli_restarts(
    machine, keeper, make_stack, tmp_path
):
    path = write_directory(tmp_path, directory())
    stack = make_stack(
        # Every answer expires several times in the course of this.
        backend={"LOOKUP_CACHE_TTL": "1s", "LOOKUP_NEGATIVE_TTL": "1s"},
        directory=path,
    )
    with stack.client() as client:
        for name, key, reply in warm_lookups():
            assert str(client.lookup(name, key)) == reply

    userli = stack.sandbox
    address = userli.control_url.removeprefix("http://")
    load = {"wait_ms": 5 * SLOWNESS}
    warm = keeper.add(
        Load(write_warm(tmp_path), [stack.frontend.address], CLIENTS, **load)
    )
    cold = keeper.add(Load(write_cold(tmp_path), [stack.frontend.address], 8, **load))
    random.seed(4)
    for _ in range(RESTARTS):
        userli = restart(keeper, userli, path, address)
        time.sleep(random.uniform(0, PAUSE))
    # Read while the figures still mean something: both fail on a wrong answer.
    warm.finish().check_answered(20 * RESTARTS)
    cold.finish()

    metrics = stack.backend.metrics()
    assert metrics.total(PREFIX + "stale_answers_total") > 0
    assert metrics.total(PREFIX + "userli_failures_total") > 0
    stack.backend.wait_ready()
    wait_until(
        lambda: stack.lookup("domain", "gone.example").status == "NOTFOUND",
        what="userli asked again",
    )
