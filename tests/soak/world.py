"""world - what the soak runs: a sandbox userli, three backends, two frontends.

    A   tcp, by a name of DNS      | all of them also on a UNIX socket, where
    B   mutual TLS, over a proxy   | peers and the checker ask
    C   ipc                        |
    F1, F2   each on TCP and on a UNIX socket

A and F1 live as long as the run; the others are killed and restarted, in the
same place.
"""

import contextlib
import signal
import threading
import time

from support.certificates import make_ca, make_certificate
from support.daemons import Backend, Frontend, Sandbox, program_path
from support.directory import TOKEN
from support.dns import DnsServer
from support.frames import call_frame, lookup_call, results
from support.netns import Unavailable, resolver_launcher
from support.pool import PREFIX, loopback_address
from support.process import run
from support.sp_stream import Peer, answers
from support.wait import wait_until
from support.webhooks import SECRET

import truth
from proxy import Proxy

NAME = "pool.example"
TLS_NAME = "backend.example"
LOOKUP_S = 5  # LOOKUP_TIMEOUT
PATIENCE = 60
LINES_MAX = 20000  # of a daemon's log that are kept
PURGE = 3  # the method
PORT, RPC_PORT = 10001, 10010  # at addresses of our own


class _Gated:
    """A stream that is read only while the gate is open."""

    def __init__(self, stream, gate):
        self._stream, self._gate = stream, gate

    def __iter__(self):
        for line in self._stream:
            self._gate.wait()
            yield line

    def close(self):
        self._stream.close()


class _Log:
    """Of a daemon: nobody reads it while log_gate is closed."""

    def _read(self, stream, keep):
        super()._read(_Gated(stream, self.log_gate), keep)

    def _keep_error(self, line):
        super()._keep_error(line)
        if len(self.lines) > LINES_MAX:
            # What was said at its start is asked for later.
            del self.lines[: LINES_MAX // 2]
            del self.events[200 : 200 + LINES_MAX // 2]

    def before_stop(self):
        self.log_gate.set()
        super().before_stop()


class SoakBackend(_Log, Backend):
    def __init__(self, *arguments, **settings):
        self.log_gate = threading.Event()
        self.log_gate.set()
        super().__init__(*arguments, **settings)


class SoakFrontend(_Log, Frontend):
    def __init__(self, *arguments, **settings):
        self.log_gate = threading.Event()
        self.log_gate.set()
        super().__init__(*arguments, **settings)


class Slot:
    """A daemon's place; whoever lives there has the same addresses."""

    def __init__(self, name, folder, start):
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(mode=0o700)
        self.admin = self.folder / "admin"
        self.config = self.folder / "config"
        self.config.touch()
        self._start = start
        self.reachable = True  # whether it can be expected to answer
        self.lives = 0
        self.daemon = None
        self.born = 0
        self.start()

    def start(self):
        self.daemon = self._start(self)
        self.born = time.monotonic()
        self.lives += 1
        self.reachable = True
        return self.daemon

    def kill(self):
        self.reachable = False
        self.daemon.kill()

    def stop(self):
        self.reachable = False
        status = self.daemon.stop(PATIENCE)
        assert status == 0, f"{self.name} ended with {status}"

    def metric(self, name, **labels):
        return self.daemon.metrics().total(PREFIX + name, **labels)


class World:
    def __init__(self, keeper, folder):
        self.keeper = keeper
        self.folder = folder
        self.truth = truth.Truth(folder)
        self.deaths = []  # that nobody wanted
        self.userli = threading.Lock()  # whoever changes what it holds
        self.sandbox_host = f"{loopback_address()}:0"
        self.sandbox = None
        self.start_sandbox()
        ca = make_ca(folder)
        self.own = make_certificate(
            folder, ca, [f"DNS:{TLS_NAME}"], usage="serverAuth,clientAuth"
        )
        self.tls = {
            "RPC_TLS_CERT": self.own.cert,
            "RPC_TLS_KEY": self.own.key,
            "RPC_TLS_CA": ca.cert,
            "RPC_TLS_SERVER_NAME": TLS_NAME,
        }
        self.token_file = folder / "token"
        self.token_file.write_text(f"{TOKEN},{truth.NEW_TOKEN}")
        self.addresses = {}  # of each slot, once they are known
        self._start_backends()
        self._start_network()
        self.frontends = [Slot(name, folder, self._frontend) for name in ("F1", "F2")]
        self.slots = self.backends + self.frontends
        self.wait_whole()

    # --- Starting --------------------------------------------------------

    def start_sandbox(self):
        file = self.truth.write()
        self.sandbox = self.keeper.add(
            Sandbox(file, "--quiet", listen=self.sandbox_host)
        )
        self.sandbox_host = self.sandbox.url.removeprefix("http://")

    def socket_of(self, name):
        return f"ipc://{self.folder}/{name}/rpc"

    def _start_backends(self):
        self.backends = []
        for name in "ABC":
            self.backends.append(Slot(name, self.folder, self._backend))
            self.addresses[name] = self.backends[-1].daemon.urls
        # The first did not know the others' ports.
        first = self.backends[0]
        first.stop()
        first.start()
        first.lives = 1

    def _listen(self, name):
        """What the backend listens on, and what peers are told."""
        if name in self.addresses:
            return self.addresses[name]
        own = self.socket_of(name)
        if name == "A":
            hosts = (loopback_address(), loopback_address())
            return [f"tcp://{host}:{RPC_PORT}" for host in hosts] + [own]
        if name == "B":
            return [f"tls+tcp://{loopback_address()}:{RPC_PORT}", own]
        return [own]

    def _backend(self, slot):
        settings = {
            **self.tls,
            "BACKEND_LISTEN_URL": ",".join(self._listen(slot.name)),
            "BACKEND_PEERS": ",".join(self.socket_of(n) for n in "AC")
            + "".join(f",{url}" for url in self.addresses.get("B", [])[:1]),
            "BACKEND_NAME": slot.name,
            "BACKEND_RESOLVE_INTERVAL": "1s",
            "ADMIN_SOCKET": slot.admin,
            "CACHE_FILE": slot.folder / "cache",
            "CACHE_FILE_INTERVAL": "10s",
            "CACHE_MAX_BYTES": "1MiB",
            "LOOKUP_CACHE_TTL": f"{truth.FOUND_S}s",
            "LOOKUP_NEGATIVE_TTL": f"{truth.NOT_FOUND_S}s",
            "LOOKUP_NEGATIVE_TTL_DOMAIN": f"{truth.NOT_FOUND_S}s",
            "LOOKUP_STALE_TTL": f"{truth.STALE_S}s",
            "POSTFIX_RECIPIENT_DELIMITER": "+",
            "USERLI_TIMEOUT": f"{truth.USERLI_S}s",
            "USERLI_TOKEN": None,
            "USERLI_TOKEN_FILE": self.token_file,
            "WEBHOOK_SECRET": SECRET,
            "WEBHOOK_REPEAT": "2s",
        }
        return self.keeper.add(
            SoakBackend(
                self.sandbox.url, arguments=["--config", slot.config], **settings
            )
        )

    def _start_network(self):
        """DNS and the proxy between the tiers."""
        self.a_hosts = [
            url.partition("//")[2].rsplit(":", 1)[0] for url in self.addresses["A"][:2]
        ]
        try:
            self.dns = DnsServer(loopback_address())
            self.keeper.defer(self.dns.close)
            self.dns.names[NAME] = self.a_hosts[:1]
            self.launcher = resolver_launcher(self.folder, self.dns.address)
            a = f"tcp://{NAME}:{RPC_PORT}"
        except (OSError, Unavailable):
            self.dns, self.launcher, a = None, (), self.addresses["A"][0]
        self.proxy = Proxy(
            self.addresses["B"][0].partition("//")[2], loopback_address()
        )
        self.keeper.defer(self.proxy.close)
        self.backend_urls = [
            a,
            f"tls+tcp://{self.proxy.address}",
            self.addresses["C"][0],
        ]

    def _frontend(self, slot):
        listen = self.addresses.get(slot.name) or [
            f"{loopback_address()}:{PORT}",  # the same after a drain
            str(slot.folder / "socketmap"),
        ]
        settings = {
            **self.tls,
            "SOCKETMAP_LISTEN_ADDR": ",".join(listen),
            "ADMIN_SOCKET": slot.admin,
            "BACKEND_RESOLVE_INTERVAL": "1s",
            "LOOKUP_TIMEOUT": f"{LOOKUP_S}s",
        }
        daemon = self.keeper.add(
            SoakFrontend(
                self.backend_urls,
                arguments=["--config", slot.config],
                launcher=self.launcher,
                **settings,
            )
        )
        self.addresses[slot.name] = daemon.addresses("socketmap")
        return daemon

    # --- What it is like -------------------------------------------------

    def slot(self, name):
        return next(slot for slot in self.slots if slot.name == name)

    def whole(self):
        """Everybody is there and asks userli, and peers know everything."""
        for slot in self.slots:
            if slot.daemon.ready().status != 200:
                return False
        for slot in self.backends:
            if (
                not slot.metric("userli_breaker_state", state="closed")
                or slot.metric("peer_purges_waiting")
                or not answers(self.socket_of(slot.name))
            ):
                return False
        for slot in self.frontends:
            metrics = slot.daemon.metrics()
            members = metrics.samples(PREFIX + "pool_members")
            up = metrics.total(PREFIX + "pool_members", state="up")
            if up != len(self.backends) or sum(members.values()) != up:
                return False
        return True

    def wait_whole(self):
        wait_until(self._whole_now, PATIENCE, "all daemons are ready", interval=0.1)

    def _whole_now(self):
        self.supervise()
        try:
            return self.whole()
        except (OSError, AssertionError):
            return False  # one of them has gone just now

    def supervise(self):
        """Who has ended without being asked is started again, as ever."""
        for slot in self.slots:
            if slot.reachable and not slot.daemon.running:
                self.deaths.append(f"{slot.name} ended with {slot.daemon.exit_code}")
                slot.start()

    def calm(self):
        """After a fault that has gone wrong: take away what may be left of it."""
        for slot in self.slots:
            slot.daemon.signal(signal.SIGCONT)
            slot.daemon.log_gate.set()
            slot.reachable = True
            if slot.daemon.running:
                run([program_path("userli-bridge"), "resume", slot.admin])
        if not self.sandbox.running:
            self.start_sandbox()
        self.sandbox.clear_faults()
        self.proxy.heal(reset=True)
        if self.dns is not None:
            self.dns.silent = False

    def ask(self, slot, questions):
        """Of one backend directly: [(outcome, data)]."""
        replies = []
        with Peer(self.socket_of(slot.name)) as peer:
            for question in questions:
                map_name, key = question.split(" ", 1)
                frame = call_frame(lookup_call(1, map_name, key.encode()))
                replies.append(results(peer.ask(frame))[1])
        return replies

    def warm(self):
        """Every backend knows all that is found, and that it is in use."""
        for slot in self.backends:
            wanted = dict(truth.found())
            for (outcome, data), (question, reply) in zip(
                self.ask(slot, wanted), wanted.items()
            ):
                got = f"{outcome} {data}"
                assert got == reply, f"{slot.name} says {got!r} for {question}"

    def purge(self, slot, map_name, key):
        """As `userli-bridge cache flush` does."""
        call = {1: 1, 2: PURGE, 3: 1000, 4: {1: map_name, 2: key.encode(), 3: 1}}
        with Peer(self.socket_of(slot.name), timeout=5) as peer:
            return results(peer.ask(call_frame(call)))[1][0] == "OK"

    def tool(self, *arguments):
        status, out, err = run([program_path("userli-bridge"), *arguments])
        assert status == 0, f"userli-bridge {arguments}: {status} {err}"
        return out

    def idle_gauges(self):
        """What must be nothing when nobody asks."""
        found = {}
        for slots, names in (
            (
                self.frontends,
                "active_connections lookups_waiting lookups_parked pool_calls_in_flight",
            ),
            (
                self.backends,
                "backend_calls_in_progress http_client_active http_client_queued"
                " peer_purges_waiting",
            ),
        ):
            for slot in slots:
                metrics = slot.daemon.metrics()
                for name in names.split():
                    value = metrics.total(PREFIX + name)
                    if value:
                        found[f"{slot.name} {name}"] = value
        return found


@contextlib.contextmanager
def userli_fault(world):
    """From here on, userli is nobody to believe in; it is well at the end."""
    world.warm()
    with world.userli:
        world.truth.last_userli_fault = float("inf")
        try:
            yield
        finally:
            world.truth.last_userli_fault = time.monotonic()
