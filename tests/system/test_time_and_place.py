"""Time and place: clocks that somebody sets, and logs that nobody reads.

Full disks, networks of one family, few and many descriptors are in
test_time_and_place_hosts.py.
"""

import contextlib
import datetime
import os
import signal
import time

import pytest
from support.certificates import make_ca, make_certificate
from support.daemons import Backend, Frontend, Sandbox, fault, program_path
from support.directory import LISTS, TOKEN, sample_directory
from support.load import SLOWNESS, Load
from support.places import Clock, network
from support.socketmap import SocketmapClient
from support.wait import wait_until
from support.webhooks import SECRET, body, headers, post

PREFIX = "userli_postfix_adapter_"
HOUR = 3600
LISTED = [f"list{n}@example.org" for n in range(LISTS)]


def value(daemon, name, **labels):
    return daemon.metrics().value(PREFIX + name, **labels)


def total(daemon, name, **labels):
    return daemon.metrics().total(PREFIX + name, **labels)


def right(key):
    return f"OK {key.replace('list', 'member')}"


def ask_lists(stack):
    with stack.client() as client:
        for key in LISTED:
            assert str(client.lookup("alias", key)) == right(key)


# --- Clocks ------------------------------------------------------------------


@pytest.fixture
def make_clock(tmp_path):
    clocks = []

    def make():
        clocks.append(Clock(tmp_path / f"clock{len(clocks)}"))
        return clocks[-1]

    return make


def seconds_off(event):
    """By how much the time of a log line differs from the right one."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return (datetime.datetime.fromisoformat(event["ts"]) - now).total_seconds()


@pytest.mark.parametrize("hours", (-1, 1))
def test_a_clock_that_jumps_disturbs_no_lookup(make_stack, make_clock, hours):
    clock = make_clock()
    settings = {
        "LOOKUP_CACHE_TTL": "30m",
        "LOOKUP_NEGATIVE_TTL": "1s",
        "USERLI_TIMEOUT": "1s",
        "LOG_LEVEL": "debug",
    }
    stack = make_stack(
        backend={**clock.settings, **settings},
        frontend={**clock.settings, "LOG_LEVEL": "debug"},
    )
    slow, hanging = "alice@example.org", "bob@example.org"
    ask_lists(stack)
    assert str(stack.lookup("mailbox", "carol@example.org")) == "NOTFOUND "
    stack.sandbox.clear_stats()
    stack.sandbox.set_faults(
        fault("mailbox", slow, delay_ms=500), fault("mailbox", hanging, delay_ms=60000)
    )
    with stack.client() as first, stack.client() as second, stack.client() as held:
        began = time.monotonic()
        first.send("mailbox", slow)
        second.send("mailbox", hanging)
        wait_until(lambda: len(stack.sandbox.targets()) == 2, what="both are asked")
        clock.jump(hours * HOUR)
        # What waits is neither given up for that, nor waited for any longer.
        assert str(first.receive()) == "OK 1"
        assert second.receive().status == "TIMEOUT"
        assert 0.9 < time.monotonic() - began < 20
        assert str(held.lookup("alias", LISTED[0])) == right(LISTED[0])
    ask_lists(stack)  # from memory: what is remembered is not older
    assert not [path for path in stack.sandbox.targets() if "/alias/" in path]
    directory = sample_directory()
    directory["users"].append({"email": "carol@example.org", "password": "x"})
    stack.sandbox.set_directory(directory)
    wait_until(  # nor younger
        lambda: str(stack.lookup("mailbox", "carol@example.org")) == "OK 1",
        what="the new mailbox is seen",
    )
    for daemon in (stack.backend, stack.frontend):
        last = daemon.find_events("lookup")[-1]
        assert abs(seconds_off(last) - hours * HOUR) < 60
    assert total(stack.frontend, "pool_ejections_total") == 0
    assert total(stack.frontend, "pool_redials_total") == 0
    assert total(stack.frontend, "lookups_moved_total") == 0
    for state in ("ejected", "draining", "gone"):
        assert not stack.frontend.find_events("backend changed state", to=state)


@pytest.mark.parametrize("hours", (-1, 1))
def test_a_clock_that_jumps_prolongs_no_outage(make_stack, make_clock, hours):
    clock = make_clock()
    stack = make_stack(backend=clock.settings, frontend=clock.settings)
    stack.sandbox.set_faults({"match": "*", "status": 500})
    with stack.client() as client:
        for n in range(10):
            assert client.lookup("mailbox", f"x{n}@example.org").status == "TEMP"
    held = value(stack.backend, "userli_breaker_state", state="closed") == 0
    assert held
    clock.jump(hours * HOUR)
    stack.sandbox.clear_faults()
    began = time.monotonic()
    stack.backend.wait_ready()
    wait_until(
        lambda: str(stack.lookup("mailbox", "alice@example.org")) == "OK 1",
        what="userli is asked again",
    )
    assert time.monotonic() - began < 10 * SLOWNESS


# By how much the clock is set while no backend runs: what userli did not have is
# told for 2 s, no matter what; what it had is as old as the older clock says.
JUMPS = {"back an hour": -HOUR, "back a moment": -2, "not": 0, "ahead an hour": HOUR}


@pytest.mark.parametrize("jump", JUMPS)
def test_what_a_file_keeps_lives_no_longer_when_the_clock_is_set(
    keeper, sandbox, make_clock, tmp_path, jump
):
    clock = make_clock()
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o700)
    userli = sandbox()
    settings = {
        **clock.settings,
        "LOOKUP_CACHE_TTL": "10m",
        "LOOKUP_NEGATIVE_TTL": "2s",
        "CACHE_FILE": folder / "cache",
    }

    def start():
        rear = keeper.add(Backend(userli.url, **settings))
        return rear, keeper.add(Frontend(rear.urls)).wait_ready()

    rear, front = start()
    assert str(front.lookup("alias", LISTED[0])) == right(LISTED[0])
    assert str(front.lookup("mailbox", "nobody@example.org")) == "NOTFOUND "
    learnt = time.monotonic()
    assert front.stop() == 0 and rear.stop() == 0 and userli.stop() == 0
    clock.jump(JUMPS[jump])
    wait_until(lambda: time.monotonic() > learnt + 2.2, what="it has expired")
    rear, front = start()
    assert front.lookup("mailbox", "nobody@example.org").status == "TEMP"
    assert str(front.lookup("alias", LISTED[0])) == right(LISTED[0])
    source = "stale" if JUMPS[jump] > 0 else "cached"
    assert value(front, "lookups_answered_total", source=source) == 1


def test_the_webhooks_window_goes_with_the_clock_and_nothing_is_taken_twice(
    backend, sandbox, make_clock
):
    clock = make_clock()
    rear = backend(sandbox().url, WEBHOOK_SECRET=SECRET, **clock.settings)
    known = body("carol@example.org")
    delivery = headers(known)
    assert post(rear, known, delivery).status == 200
    for hours in (-1, 1):
        clock.jump(hours * HOUR)
        assert post(rear, body("carol@example.org")).status == 401
        there = body("carol@example.org", age=-hours * HOUR)
        assert post(rear, there).status == 200
    assert value(rear, "webhooks_total", result="stale") == 2
    clock.jump(0)  # and back: what was seen has not been forgotten
    assert post(rear, known, delivery).status == 401
    assert value(rear, "webhooks_total", result="replayed") == 1
    assert post(rear, body("dave@example.org")).status == 200


def test_hosts_whose_clocks_are_hours_apart_work_together(
    keeper, sandbox, make_clock, short_dir
):
    userli = sandbox()
    clocks = [make_clock() for _ in range(3)]
    for clock, hours in zip(clocks, (-1, 1, 0), strict=True):
        clock.jump(hours * HOUR)
    urls = [f"ipc://{short_dir}/{n}" for n in range(2)]
    rears = [
        keeper.add(
            Backend(
                userli.url,
                BACKEND_LISTEN_URL=url,
                BACKEND_PEERS=",".join(urls),
                WEBHOOK_SECRET=SECRET,
                LOOKUP_CACHE_TTL="1h",
                **clock.settings,
            )
        )
        for url, clock in zip(urls, clocks, strict=False)
    ]
    front = keeper.add(
        Frontend(urls, LOOKUP_TIMEOUT="2s", **clocks[2].settings)
    ).wait_ready()
    wait_until(
        lambda: value(front, "pool_members", state="up") == 2, what="both backends"
    )
    with front.client() as client:
        for key in LISTED:
            assert str(client.lookup("alias", key)) == right(key)
    for rear in rears:  # deadlines are spans: none had passed on arrival
        assert total(rear, "backend_calls_total", outcome="OK") > 0
        assert total(rear, "backend_calls_expired_total") == 0
        rear.secrets = {"carol@example.org"}
    # The first takes the webhook by its own clock, the second has it from there.
    purges = post(rears[0], body("carol@example.org", age=HOUR))
    assert purges.status == 200
    for rear in rears:
        wait_until(
            lambda r=rear: value(r, "purges_total", origin="relayed") == 1,
            what="both are told",
        )


def test_a_certificate_counts_by_the_clock_and_a_connection_outlives_it(
    keeper, sandbox, make_clock, tmp_path
):
    clock = make_clock()
    ca = make_ca(tmp_path)
    both = "serverAuth,clientAuth"
    own = make_certificate(tmp_path, ca, ["DNS:localhost"], "own", both)
    settings = {
        "RPC_TLS_CERT": own.cert,
        "RPC_TLS_KEY": own.key,
        "RPC_TLS_CA": ca.cert,
        "RPC_TLS_SERVER_NAME": "localhost",
    }
    rear = keeper.add(
        Backend(
            sandbox().url, BACKEND_LISTEN_URL="tls+tcp://127.0.0.1:0", **settings
        )
    )
    front = keeper.add(Frontend(rear.urls, **settings, **clock.settings)).wait_ready()
    clock.jump(-HOUR)  # it has been issued just now
    assert str(front.lookup("mailbox", "alice@example.org")) == "OK 1"
    later = keeper.add(Frontend(rear.urls, **settings, **clock.settings))
    assert later.lookup("mailbox", "alice@example.org").status == "TEMP"
    assert str(front.lookup("mailbox", "alice@example.org")) == "OK 1"
    clock.jump(HOUR)
    later.wait_ready()
    assert str(later.lookup("mailbox", "alice@example.org")) == "OK 1"


# --- Logs that nobody reads --------------------------------------------------


def dropped(daemon):
    return value(daemon, "log_lines_dropped_total")


def test_a_log_that_nobody_reads_delays_no_lookup(machine, make_stack, keeper, tmp_path):
    debug = {"LOG_LEVEL": "debug"}
    stack = make_stack(backend=debug, frontend=debug)
    expected = tmp_path / "expected"
    expected.write_text("".join(f"alias {k}\t{right(k)}\n" for k in LISTED))
    load = keeper.add(Load(expected, [stack.frontend.address], clients=16))
    load.set_rate(2000)
    began = time.monotonic()
    wait_until(lambda: time.monotonic() > began + 2, what="it is warm")
    load.phase("read")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() > began + 3, what="a phase has passed")
    daemons = (stack.backend, stack.frontend)
    with contextlib.ExitStack() as silence:
        for daemon in daemons:
            silence.enter_context(daemon.unread())
        wait_until(lambda: min(map(dropped, daemons)) > 0, what="both are unread")
        read = load.phase("unread")
        wait_until(lambda: min(map(dropped, daemons)) > 4000, what="lines are dropped")
        unread = load.finish()
        assert all(daemon.health().status == 200 for daemon in daemons)
    for figures in (read, unread):
        figures.check_answered(at_least=500)
    assert unread.p99 <= 3 * read.p99 + 20 * SLOWNESS, (str(read), str(unread))
    assert stack.lookup("alias", LISTED[0]).status == "OK"
    for daemon in daemons:
        lost = dropped(daemon)
        wait_until(
            lambda d=daemon, n=lost: n
            == sum(e.get("dropped_lines", 0) for e in d.find_events()),
            what="the log says how many lines are missing",
        )
        assert not daemon.find_events("not JSON")


def test_a_daemon_ends_though_nobody_reads_its_log(make_stack):
    debug = {"LOG_LEVEL": "debug"}
    stack = make_stack(backend=debug, frontend=debug)
    daemons = (stack.frontend, stack.backend)
    with contextlib.ExitStack() as silence:
        for daemon in daemons:
            silence.enter_context(daemon.unread())
        with stack.client() as client:
            wait_until(
                lambda: client.lookup("alias", LISTED[0]).status == "OK"
                and min(map(dropped, daemons)) > 0,
                interval=0,
                what="both are unread",
            )
        for daemon in daemons:
            daemon.signal(signal.SIGTERM)
        wait_until(lambda: not any(d.running for d in daemons), what="both have ended")
    assert [daemon.exit_code for daemon in daemons] == [0, 0]


REDIRECTIONS = {
    "a full pipe, shared": "2>&{full}",
    "a pipe whose reader has gone": "2>&{broken}",
    "a full device": "2>/dev/full",
    "closed": "0<&- 1>&- 2>&-",
}


@pytest.fixture
def pipes():
    """{"full": …, "broken": …}: what to write to."""
    read, full = os.pipe()
    os.set_blocking(full, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(full, b"x" * 4096)
    os.set_blocking(full, True)
    gone, broken = os.pipe()
    os.close(gone)
    yield {"full": full, "broken": broken}
    for descriptor in (read, full, broken):
        os.close(descriptor)


@pytest.mark.parametrize("where", REDIRECTIONS)
def test_a_log_that_leads_nowhere_disturbs_nobody(
    may, keeper, directory_file, pipes, where
):
    may(network)  # with the ports that need no log to be found
    userli = keeper.add(Sandbox(directory_file))
    settings = {"LOG_LEVEL": "debug", "USERLI_TOKEN": TOKEN}
    settings["USERLI_BASE_URL"] = userli.url
    redirection = REDIRECTIONS[where].format(**pipes)
    daemons = [
        keeper.start(
            ["bash", "-c", f'exec "$0" {redirection}', program_path(f"userli-bridge-{t}")],
            env=settings,
            pass_fds=tuple(pipes.values()),
        )
        for t in ("backend", "frontend")
    ]

    def answer():
        with contextlib.suppress(OSError):
            with SocketmapClient("127.0.0.1:10001") as client:
                return str(client.lookup("alias", LISTED[0])) == right(LISTED[0])

    wait_until(answer, what="the first answer")
    with SocketmapClient("127.0.0.1:10001") as client:
        for key in LISTED * 3:
            assert str(client.lookup("alias", key)) == right(key)
    for daemon, port in zip(daemons, (10012, 10002), strict=True):
        daemon.metrics = lambda p=port: Backend.metrics(_At(p))
        assert (dropped(daemon) > 0) == (where != "closed")
    for daemon in reversed(daemons):
        assert daemon.stop() == 0
        assert not daemon.lines and not daemon.output


class _At:
    def __init__(self, port):
        self.metrics_url = f"http://127.0.0.1:{port}"
