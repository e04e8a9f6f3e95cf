"""pool - a sandbox userli, several backends, several frontends, their faults.

The directory has some thousands of users; the lookups asked of it are found and
not found, over the four maps, and no key is asked twice (but for domains that
exist), so that nothing is answered from memory.
"""

import random
import re
import time
from pathlib import Path

from support.daemons import Backend, Frontend, Sandbox
from support.directory import alias, sample_directory, write_directory
from support.load import CLIENTS, SLOWNESS, Load, sanitizers
from support.wait import wait_until

DOMAINS = 500
USERS = 4000
LISTS = 2000
DELAY_MS = 20  # of userli: calls are in flight whenever a fault strikes
WAIT_MS = 10 if SLOWNESS == 1 else 60  # between a client's lookups
LEAK_PATIENCE = 10  # seconds
# What the allocator may keep: each of some 14 threads has an arena of its own,
# which fills up unevenly.  Sanitizers keep far more, and find leaks themselves
# when the daemon ends.
MEMORY_SLACK = 6 << 20
PREFIX = "userli_postfix_adapter_"


def _domain(number):
    return f"d{number % DOMAINS}.example"


def _user(number):
    return f"user{number % USERS}@{_domain(number)}"


def large_directory():
    return sample_directory(
        domains=[_domain(n) for n in range(DOMAINS)],
        users=[{"email": _user(n), "password": "x"} for n in range(USERS)],
        aliases=[
            alias(f"list{n}@{_domain(n)}", _user(n), _user(n + 1))
            for n in range(LISTS)
        ],
        settings={},
    )


def _lookups():
    """(map and key, reply); {} stands for a number."""
    for n in range(USERS):
        user, domain = f"user{n}+{{}}@{_domain(n)}", _domain(n)
        yield f"mailbox {user}", "OK 1"
        yield f"senders {user}", f"OK {_user(n)}"
        yield f"mailbox nobody{{}}@{domain}", "NOTFOUND "
        yield f"alias {user}", "NOTFOUND "
        yield f"senders nobody{{}}@{domain}", "NOTFOUND "
        yield f"domain gone{{}}.{domain}", "NOTFOUND "
        yield f"domain {domain}", "OK 1"
    for n in range(LISTS):
        member = f"OK {_user(n)},{_user(n + 1)}"
        yield f"alias list{n}+{{}}@{_domain(n)}", member


def write_expected(folder):
    """A file for pool_load, in an order that mixes maps and answers."""
    lines = [f"{question}\t{reply}\n" for question, reply in _lookups()]
    random.Random(1).shuffle(lines)
    path = folder / "expected"
    path.write_text("".join(lines))
    return path


class Resources:
    """What a process holds: descriptors, threads, resident memory."""

    def __init__(self, pid, remote_port):
        folder = Path(f"/proc/{pid}")
        kept = _connections_to(folder, remote_port)
        self.fds = sum(_target(fd) not in kept for fd in (folder / "fd").iterdir())
        status = (folder / "status").read_text()
        self.threads = int(re.search(r"^Threads:\s+(\d+)", status, re.M)[1])
        self.memory = int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1]) << 10

    def __str__(self):
        return f"{self.fds} fds, {self.threads} threads, {self.memory >> 10} KiB"

    def within(self, base, spare_fds):
        return (
            self.fds <= base.fds + spare_fds
            and self.threads <= base.threads
            and (sanitizers() or self.memory <= base.memory + MEMORY_SLACK)
        )


def _target(fd):
    try:
        return str(fd.readlink())
    except FileNotFoundError:
        return ""


def _connections_to(folder, port):
    """Kept connections to userli come and go with the load: not counted."""
    found = set()
    for line in (folder / "net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].partition(":")[2], 16) == port:
            found.add(f"socket:[{fields[9]}]")
    return found


def loopback_address():
    """An address of this host that no other test listens on.

    Connections within 127/8 come from 127.0.0.1, so that a port here is still
    free when a backend that was killed wants it back.
    """
    return f"127.{random.randint(1, 250)}.{random.randint(0, 250)}.{random.randint(1, 250)}"


class Pool:
    """Started and ready; every backend can be killed and started again.

    Without backends, none of the frontends: add_backend() and add_frontends().
    """

    def __init__(
        self,
        keeper,
        folder,
        backends=3,
        frontends=2,
        backend=None,
        frontend=None,
        delay_ms=DELAY_MS,
    ):
        self.keeper = keeper
        self.folder = folder
        self.expected = write_expected(folder)
        directory = write_directory(folder, large_directory())
        # The socket is for whom the network does not reach.
        self.userli_socket = folder / "userli"
        self.sandbox = keeper.add(
            Sandbox(directory, "--quiet", "--listen-unix", self.userli_socket)
        )
        self.set_delay(delay_ms)
        self._backend_settings = {
            "POSTFIX_RECIPIENT_DELIMITER": "+",
            **(backend or {}),
        }
        self._frontend_settings = frontend or {}
        self._base = {}
        self.backends, self.urls, self.frontends = [], [], []
        for _ in range(backends):
            self.add_backend()
        if backends:
            self.add_frontends(frontends)

    # --- Daemons ---------------------------------------------------------

    def set_delay(self, delay_ms):
        rules = [{"match": "*", "delay_ms": delay_ms}] if delay_ms else []
        self.sandbox.set_faults(*rules)

    def new_backend(self, url=None, userli=None, launcher=(), **settings):
        url = url or f"tcp://{loopback_address()}:0"
        settings = {**self._backend_settings, "BACKEND_LISTEN_URL": url, **settings}
        userli = userli or self.sandbox.url
        backend = self.keeper.add(Backend(userli, launcher=launcher, **settings))
        # Connections to userli's UNIX socket cannot be told apart.
        backend.spare_fds = 32 if userli.startswith("unix:") else 0
        return backend

    def add_backend(self, **options):
        """One more, before the first frontend starts."""
        self.backends.append(self.new_backend(**options))
        self.urls.append(self.backends[-1].urls[0])

    def new_frontend(self, address=None, launcher=(), **settings):
        settings = {
            "SOCKETMAP_LISTEN_ADDR": address or f"{loopback_address()}:0",
            **self._frontend_settings,
            **settings,
        }
        return self.keeper.add(Frontend(self.urls, launcher=launcher, **settings))

    def add_frontends(self, count, **options):
        """So many, ready, with every backend up."""
        self.frontends += [self.new_frontend(**options) for _ in range(count)]
        self.wait_ready()

    def restart_backend(self, index):
        """In the place of one that has ended."""
        self.backends[index] = self.new_backend(self.urls[index])
        return self.backends[index]

    def wait_ready(self):
        for backend in self.backends:
            backend.wait_ready()
        self.wait_members(up=len(self.backends))

    # --- What the frontends see ------------------------------------------

    def counts(self, name, **labels):
        """A metric of each frontend."""
        return [
            frontend.metrics().total(PREFIX + name, **labels)
            for frontend in self.frontends
            if frontend.running
        ]

    def members(self, state):
        return self.counts("pool_members", state=state)

    def wait_members(self, timeout=30, **states):
        """Every frontend sees so many members in these states."""
        for state, count in states.items():
            wait_until(
                lambda state=state, count=count: all(
                    n == count for n in self.members(state)
                ),
                timeout,
                f"{count} members {state}",
            )

    def calls_answered(self, backend):
        """Lookups that a backend has answered from userli, ever."""
        metrics = backend.metrics()
        return sum(
            metrics.total(PREFIX + "backend_calls_total", outcome=outcome)
            for outcome in ("OK", "NOTFOUND")
        )

    def wait_traffic(self, backend, timeout, calls=20):
        """Seconds until it has answered so many more."""
        started = time.monotonic()
        before = self.calls_answered(backend)
        wait_until(
            lambda: self.calls_answered(backend) >= before + calls,
            timeout,
            f"traffic at {backend.addresses('rpc')}",
        )
        return time.monotonic() - started

    # --- Load ------------------------------------------------------------

    def load(self, clients=CLIENTS, wait_ms=WAIT_MS, addresses=None):
        addresses = addresses or [f.address for f in self.frontends]
        return self.keeper.add(Load(self.expected, addresses, clients, wait_ms))

    def warm_up(self, seconds=2, also=None):
        """Load, and whatever else makes daemons keep memory, called as also().

        What they hold after that is what they must come back to.
        """
        load = self.load()
        time.sleep(seconds)
        if also:
            also()
        load.finish().check_answered()
        self._base = {}
        self._settle()
        self._base = {d.pid: self._resources(d) for d in self._daemons()}

    def _daemons(self):
        return [d for d in (*self.backends, *self.frontends) if d.running]

    def _resources(self, daemon):
        return Resources(daemon.pid, int(self.sandbox.url.rpartition(":")[2]))

    def _settle(self):
        """Until frontends have noticed that all clients have gone."""
        wait_until(
            lambda: not any(self.counts("active_connections")), what="clients gone"
        )

    def check_leaks(self):
        """Whoever was there at warm_up() holds what it held then."""
        self._settle()
        deadline = time.monotonic() + LEAK_PATIENCE * SLOWNESS
        for daemon in self._daemons():
            base = self._base.get(daemon.pid)
            if base is None:
                continue
            spare = getattr(daemon, "spare_fds", 0)
            now = self._resources(daemon)
            while not now.within(base, spare) and time.monotonic() < deadline:
                time.sleep(0.1)
                now = self._resources(daemon)
            assert now.within(base, spare), f"{daemon.name} holds {now}, at first {base}"
