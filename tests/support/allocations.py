"""allocations - programs of which one allocation fails, and what comes of it.

What counts as an allocation is said in preload/fail_allocation.c.  A Life is
one run of a program, from its start to its end; in it one allocation fails.
What may happen then: lookups are answered TEMP or lose their connection, or the
program ends by itself, with one message and a status that says "start it
again".  It may not crash, hang, leak, answer wrongly or stay unwell.
"""

import re
import signal
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from support.daemons import BUILD_DIR, program_path
from support.directory import TOKEN
from support.frames import RawReq, call_frame, lookup_call, results
from support.process import SANITIZER_EXIT, Program
from support.socketmap import SocketmapClient
from support.wait import PATIENCE, TimedOut, wait_until
from support.web import fetch

LEAKS = Path(__file__).with_name("lsan-allocations.txt")
LIBRARY = BUILD_DIR / "tests" / "fail_allocation.so"
# A service manager starts the program again: README, exit codes.
UNAVAILABLE, TEMPORARY = 69, 75
# A thread that cannot be made for want of memory is said as that.
GIVES_REASON = re.compile(r"memory|no threads", re.IGNORECASE)
FOUND, NOT_FOUND = 0, 1  # of userli-bridge query
AT_ONCE = 3

ANSWERS = {
    ("alias", "info@example.org"): ("OK", "alice@example.org,bob@example.org"),
    ("mailbox", "nobody@example.org"): ("NOTFOUND", ""),
    ("senders", "alice@example.org"): ("OK", "alice@example.org"),
}


# --- Which allocation ---------------------------------------------------------


class Call(NamedTuple):
    """One allocation."""

    number: int
    site: str
    stack: tuple  # "file+offset", the innermost caller first; "-" the program


def environment(log, **fault):
    """fault: at=NUMBER or site=ID; without either every allocation is logged."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAIL_ALLOCATION_LOG": str(log),
        "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=1"
        f":exitcode={SANITIZER_EXIT}",
        "LSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:print_suppressions=0"
        f":suppressions={LEAKS}",
        **{f"FAIL_ALLOCATION_{name.upper()}": str(fault[name]) for name in fault},
    }


def read_calls(log):
    if not log.exists():
        return []
    words = (line.split() for line in log.read_text("ascii").splitlines())
    return [Call(int(number), site, tuple(stack)) for number, site, *stack in words]


def own_frames(stack):
    return [frame for frame in stack if "san.so" not in frame]


def one_of_each(calls):
    """The first of each call stack; the innermost frames tell them apart.

    OpenSSL, which makes most of them when it starts, is not ours: there the
    one that asks is enough.
    """
    seen = {}
    for call in calls:
        stack = own_frames(call.stack)
        openssl = any("libcrypto" in f or "libssl" in f for f in stack[:4])
        seen.setdefault(tuple(stack[: 2 if openssl else 5]), call)
    return list(seen.values())


def describe(program, stack):
    """A call stack as functions and lines, where there are symbols."""
    lines = []
    for frame in stack:
        path, _, offset = frame.rpartition("+")
        path = str(program) if path == "-" else path
        argv = ["addr2line", "-sfpe", path, hex(int(offset, 16) - 1)]
        found = subprocess.run(argv, capture_output=True, text=True, check=False)
        name = found.stdout.strip()
        lines.append(name if name and "??" not in name else f"{Path(path).name}+{offset}")
    return " < ".join(lines)


# --- A life -------------------------------------------------------------------


class Ended(Exception):
    """The program has gone."""


class Life:
    """A program that is started, used and stopped.

    Subclasses say how.  Afterwards `problems` says what was wrong, `outcome`
    what happened.
    """

    path = None  # of the program
    log = None  # with the allocation that has failed

    def __init__(self, arguments, settings, fault):
        self.problems = []
        self.outcome = Counter()
        self.program = Program([self.path, *arguments], env={**settings, **fault})

    def run(self):
        try:
            self.use()
            self.outcome["lived"] += 1
            status = self.program.stop()
            self.judge(status, ended=status != 0)
        except Ended:
            self.outcome["ended"] += 1
            self.judge(self.program.wait(), ended=True)
        except (TimedOut, AssertionError) as error:
            self.problems.append(str(error))
            self.program.kill()
        return self

    def use(self):
        """Raises Ended, or AssertionError for what may not be."""
        raise NotImplementedError

    def is_clean_end(self, status, why):
        """Whether it may end so by itself, having said `why`, some lines."""
        return status in (UNAVAILABLE, TEMPORARY) and len(why) == 1

    def judge(self, status, ended):
        self.problems += [
            problem
            for problem in self.program.problems()
            if not problem.startswith("exit status")
        ]
        why = [line for line in self.program.lines if GIVES_REASON.search(line)]
        if ended and not self.is_clean_end(status, why):
            self.problems.append(f"exit status {status}, {len(why)} messages")

    def until(self, condition, what):
        """Wait for a condition, as long as the program runs."""

        def check():
            if not self.program.running:
                raise Ended
            return condition()

        return wait_until(check, PATIENCE, what)

    def ask(self, question, want):
        """Whether the answer is right.  TEMP or none is not wrong."""
        try:
            status, data = self.lookup(*question)
        except (OSError, AssertionError, LookupError) as error:
            self.outcome[f"no answer: {type(error).__name__}"] += 1
            time.sleep(0.02)  # it may be about to end
            return False
        if (status, data) != want:
            self.outcome[status] += 1
            if status not in ("TEMP", "TIMEOUT"):
                raise AssertionError(f"{question}: {status} {data}, not {want}")
        return (status, data) == want

    def ask_all(self, answers):
        """Each question once, then until the answer is right."""
        for question, want in answers.items():
            self.ask(question, want)
        for question, want in answers.items():
            self.until(lambda q=question, w=want: self.ask(q, w), f"{question} is {want}")


class DaemonLife(Life):
    """Starts, answers, shows its metrics, is stopped."""

    def __init__(self, settings, fault):
        env = {"METRICS_LISTEN_ADDR": "127.0.0.1:0", "CORE_DUMPS": "1", **settings}
        super().__init__([], env, fault)
        self.addresses = {}

    def use(self):
        self.until(lambda: self.program.find_events("ready"), "it is ready")
        for event in self.program.find_events("listening"):
            self.addresses[event["service"]] = event["address"]
        self.until(lambda: self.shows("/ready", "ready"), "/ready is 200")
        self.ask_all(ANSWERS)
        self.until(lambda: self.shows("/metrics", "build_info{"), "/metrics is whole")

    def shows(self, path, text):
        try:
            response = fetch(f"http://{self.addresses['metrics']}{path}")
        except (OSError, ValueError) as error:
            self.outcome[f"{path}: {type(error).__name__}"] += 1
            return False
        return response.status == 200 and text in response.body


class FrontendLife(DaemonLife):
    path = program_path("userli-bridge-frontend")

    def __init__(self, stack, fault):
        settings = {
            "SOCKETMAP_LISTEN_ADDR": "127.0.0.1:0",
            "BACKEND_URLS": stack.backend.urls[0],
        }
        super().__init__(settings, fault)

    def lookup(self, map_name, key):
        with SocketmapClient(self.addresses["socketmap"]) as client:
            return client.lookup(map_name, key)


class BackendLife(DaemonLife):
    """With the cache on, so that what is asked again may be remembered."""

    path = program_path("userli-bridge-backend")

    def __init__(self, stack, fault):
        settings = {
            "BACKEND_LISTEN_URL": "tcp://127.0.0.1:0",
            "USERLI_BASE_URL": stack.sandbox.url,
            "USERLI_TOKEN": TOKEN,
        }
        super().__init__(settings, fault)

    def lookup(self, map_name, key):
        with RawReq(self.addresses["rpc"]) as peer:
            peer.send(1, call_frame(lookup_call(1, map_name, key)))
            return results(peer.receive()[1])[1]


class QueryLife(Life):
    """One question of the administrator's tool."""

    path = program_path("userli-bridge")
    address = None

    def __init__(self, stack, fault):
        address = self.address(stack)
        super().__init__(
            ["query", "alias", "info@example.org", "--addr", address], {}, fault
        )

    def use(self):
        self.program.wait()
        raise Ended

    def is_clean_end(self, status, why):
        if status == FOUND:
            return self.program.output == ["alice@example.org,bob@example.org"]
        return status in (UNAVAILABLE, TEMPORARY) and len(self.program.lines) == 1


class FrontendQueryLife(QueryLife):
    @staticmethod
    def address(stack):
        return stack.frontend.address


class BackendQueryLife(QueryLife):
    @staticmethod
    def address(stack):
        return stack.backend.urls[0]


class LibraryLife(Life):
    """The example of libsocketmap, which leaves libuv's allocator as it is."""

    path = program_path("socketmap-example")
    answers = {
        ("colour", "sky"): ("OK", "blue"),
        ("colour", "sea"): ("NOTFOUND", ""),
        ("echo", "text"): ("OK", "text"),
    }

    def __init__(self, _stack, fault):
        super().__init__(["127.0.0.1:0"], {}, fault)

    def use(self):
        self.until(lambda: self.program.output, "it listens")
        self.port = self.program.wait_output(r"port (\d+)")[1]
        self.ask_all(self.answers)

    def is_clean_end(self, status, why):
        # socketmap.h says that libuv may abort.
        if status == -signal.SIGABRT and not self.program.lines:
            return "libuv" in own_frames(read_calls(self.log)[0].stack)[0]
        return status == 1 and len(why) == 1

    def lookup(self, map_name, key):
        with SocketmapClient(f"127.0.0.1:{self.port}") as client:
            return client.lookup(map_name, key)


# --- Many lives ---------------------------------------------------------------


class Trials:
    """Lives of one kind, each with another allocation that fails."""

    def __init__(self, kind, stack, directory):
        self.kind = kind
        self.stack = stack
        self.directory = directory
        self.outcomes = Counter()
        self.failures = []
        self.lives = self.hits = 0

    def record(self):
        """The allocations of a life in which all goes well."""
        log = self.directory / "recorded"
        life = self.kind(self.stack, environment(log)).run()
        assert not life.problems, life.problems
        return read_calls(log)

    def run(self, faults):
        """faults: {at: NUMBER} or {site: ID} each.  A few at once."""
        faults = iter(faults)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while batch := list(islice(faults, 50)):
                for result in pool.map(self._try, batch):
                    self._keep(*result)

    def _try(self, fault):
        log = self.directory / "-".join(f"{k}-{v}" for k, v in fault.items())
        life = self.kind(self.stack, environment(log, **fault))
        life.log = log
        life.run()
        failed = read_calls(log)
        log.unlink(missing_ok=True)
        return fault, life, failed

    def _keep(self, fault, life, failed):
        self.lives += 1
        self.hits += bool(failed)
        self.outcomes.update(life.outcome.keys())
        if not life.problems:
            return
        where = describe(life.path, failed[0].stack) if failed else "nowhere"
        report = [str(fault), *life.problems, f"failed: {where}"]
        self.failures.append("\n".join([*report, life.program.transcript(20)]))
