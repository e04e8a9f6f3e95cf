"""clients - who asks, and who changes what they ask for.

pool_load asks over connections that stay, as Postfix's do: `known` for what is
there from first to last, and every backend knows; `mixed` for all else.  Visitor
asks over short connections, also for what changes meanwhile.  Changer changes
it, and tells the backends.
"""

import contextlib
import json
import random
import socket
import threading
import time

from support.load import SLOWNESS, Load
from support.socketmap import SocketmapClient
from support.sp_stream import Refused
from support.web import fetch
from support.webhooks import body, headers

import truth
from world import LOOKUP_S

LATE_S = 3 * SLOWNESS  # what a lookup may take over LOOKUP_TIMEOUT, on a busy machine
KINDS = {"known": (10, 60), "mixed": (8, 90)}  # clients, milliseconds between
VISITORS = 2
VISIT_S = 0.04
CHANGE_S = 1
FAILURES = ("TEMP", "TIMEOUT", "PERM")


class QuietLoad(Load):
    """Figures as they are: what is wrong with them is said at the end."""

    def figures(self, name):
        self._command(f"phase {name}")
        return self._take()

    def _next_figures(self, timeout=60):
        return self._take()

    def _take(self):
        def find():
            return self.output[0] if self.output else None

        line = self._wait_for(find, 60, "figures")
        self.output.clear()
        return json.loads(line)


class Loads:
    """A pool_load for each kind and frontend."""

    def __init__(self, world):
        self.loads = {}
        for kind, (clients, wait_ms) in KINDS.items():
            for slot in world.frontends:
                lines = truth.found() if kind == "known" else truth.mixed(slot.name.lower())
                lines = [f"{question}\t{reply}\n" for question, reply in lines]
                random.shuffle(lines)
                path = world.folder / f"{kind}-{slot.name}"
                path.write_text("".join(lines))
                self.loads[kind, slot.name] = world.keeper.add(
                    QuietLoad(
                        path,
                        world.addresses[slot.name],
                        clients,
                        wait_ms,
                        options=("-t", (LOOKUP_S + LATE_S) * 1000),
                    )
                )

    def phase(self, name):
        """The figures of the phase that ends."""
        return {who: load.figures(name) for who, load in self.loads.items()}

    def finish(self):
        return {who: load.finish() for who, load in self.loads.items()}


class Tally:
    """What visitors have met in a phase."""

    def __init__(self):
        self.right = self.failed = self.ended = 0
        self.reasons = {}
        self.worst_ms = 0
        self.wrong = []


class Visitors:
    """Short connections, each for some lookups."""

    def __init__(self, world, seed):
        self.world = world
        self.replies = {slot.name: 0 for slot in world.frontends}
        self._tally = Tally()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._known = list(truth.found())
        self._threads = [
            threading.Thread(
                target=self._run, args=(random.Random(f"{seed}{n}"),), daemon=True
            )
            for n in range(VISITORS)
        ]
        for thread in self._threads:
            thread.start()

    def take(self):
        """What was met since the last time."""
        with self._lock:
            tally, self._tally = self._tally, Tally()
        return tally

    def finish(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, rng):
        while not self._ended.wait(VISIT_S):
            slot = rng.choice(self.world.frontends)
            address = rng.choice(self.world.addresses[slot.name])
            try:
                client = SocketmapClient(address, LOOKUP_S + LATE_S)
            except OSError:
                with self._lock:
                    self._tally.ended += 1
                continue
            with client:
                for _ in range(rng.randint(1, 5)):
                    if not self._ask(client, slot, rng):
                        break
                else:
                    if not client.open_and_silent() and client._received:
                        self._wrong("bytes that nobody asked for")

    def _wrong(self, what):
        with self._lock:
            self._tally.wrong.append(what)

    def _ask(self, client, slot, rng):
        """One lookup; False when the connection has ended."""
        if rng.random() < 0.3:
            question, want = rng.choice(self._known)
        else:
            question, want = rng.choice(self.world.truth.moving), None
        map_name, key = question.split(" ", 1)
        asked = time.monotonic()
        try:
            status, data = client.lookup(map_name, key)
        except (socket.timeout, AssertionError) as error:
            self._wrong(f"lost: {question}: {error!r}")
            return False
        except OSError:
            with self._lock:
                self._tally.ended += 1
            return False
        self._count(slot, question, f"{status} {data}", want, asked)
        return True

    def _count(self, slot, question, reply, want, asked):
        problem = None
        failed = reply.split(" ", 1)[0] in FAILURES
        if not failed and want is not None and reply != want:
            problem = f"{reply!r} for {question}, not {want!r}"
        elif not failed and want is None:
            problem = self.world.truth.judge(question, reply, asked)
        with self._lock:
            self.replies[slot.name] += 1
            tally = self._tally
            tally.worst_ms = max(tally.worst_ms, (time.monotonic() - asked) * 1000)
            if failed:
                tally.failed += 1
                tally.reasons[reply] = tally.reasons.get(reply, 0) + 1
            elif problem:
                tally.wrong.append(problem)
            else:
                tally.right += 1


class Changer:
    """userli's users, aliases and domains come and go, and backends hear it."""

    def __init__(self, world, seed):
        self.world = world
        self.changes = 0
        self.untold = 0
        self._random = random.Random(f"{seed}changes")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self):
        self._ended.set()
        self._thread.join(60)

    def _run(self):
        kinds = (self._user, self._list, self._domain)
        while not self._ended.wait(CHANGE_S):
            with self.world.userli:
                map_name, key = self._random.choices(kinds, (4, 2, 1))[0]()
                opened = self.world.truth.begin()
                told = self._tell_userli() and self._tell_backends(map_name, key)
                self.world.truth.end(opened, told)
                self.changes += 1
                self.untold += not told

    def _user(self):
        n = self._random.randrange(truth.MOVING_USERS)
        self.world.truth.users ^= {n}
        return None, f"u{n}@moving.example"

    def _list(self):
        n = self._random.randrange(truth.MOVING_LISTS)
        lists = self.world.truth.lists
        if n in lists and self._random.random() < 0.3:
            del lists[n]
        else:
            lists[n] = self.changes
        return "alias", f"a{n}@moving.example"

    def _domain(self):
        n = self._random.randrange(truth.MOVING_DOMAINS)
        self.world.truth.domains ^= {n}
        return "domain", f"m{n}.example"

    def _tell_userli(self):
        self.world.truth.write()
        try:
            self.world.sandbox.set_directory(self.world.truth.directory())
            return True
        except (OSError, AssertionError):
            return False  # it has gone; it reads the file when it is back

    def _tell_backends(self, map_name, key):
        """One of them tells the others."""
        reachable = [s for s in self.world.backends if s.reachable]
        self._random.shuffle(reachable)
        for slot in reachable:
            # It may be about to die, or its listener opened anew.
            with contextlib.suppress(OSError, EOFError, Refused, AssertionError):
                if map_name is not None:
                    return self.world.purge(slot, map_name, key)
                content = body(key)
                url = slot.daemon.metrics_url + "/webhook"
                sent = fetch(url, "POST", content, headers(content), timeout=5)
                return sent.status == 200
        return False
