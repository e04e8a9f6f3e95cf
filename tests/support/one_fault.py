"""one_fault - a daemon meets one failing system call, and is judged.

A case is a call of one tier: which function, whether nng calls it, how it
fails, and the how manieth such call.  Judged are three lookups with the fault
(of a mailbox, of none, of an alias), the CPU time that a moment of idleness
takes, and three lookups afterwards.
"""

import time
from typing import NamedTuple

from support.daemons import Stack, program_path
from support.directory import TOKEN
from support.failing import ERRORS, NNG_ERRORS, FailCalls
from support.frames import RawReq, call_frame, lookup_call, results
from support.process import Program
from support.socketmap import SocketmapClient
from support.wait import PATIENCE, TimedOut
from support.web import fetch
from support.weight import cpu_seconds

LOOKUP_TIMEOUT = 5  # seconds
SLACK = 10  # what a busy machine may add
LOOK_S = 0.05  # of idleness, at first
LOOK_AGAIN_S = 1
RENEWED_S = 10  # until nng has a connection again
BUSY = 0.5  # of a core: a loop that spins takes all that it gets

LOGGING = ("write_log", "poll")  # a line may be lost with the call
LOGGED_S = 3
SERVICES = 3  # that each tier says it listens for

LOOKUPS = (
    ("mailbox", "alice@example.org", ("OK", "1")),
    ("mailbox", "nobody@example.org", ("NOTFOUND", "")),
    ("alias", "one@example.org", ("OK", "alice@example.org")),
)
AFTERWARDS = (
    ("mailbox", "bob@example.org", ("OK", "1")),
    ("mailbox", "noone@example.org", ("NOTFOUND", "")),
    ("alias", "list7@example.org", ("OK", "member7@example.org")),
)
PERHAPS = ("TEMP", "TIMEOUT", "BUSY")
CLEAN_EXITS = (69, 71, 75, 78)


class Case(NamedTuple):
    tier: str
    function: str
    is_nng: bool
    what: int  # FailCalls' number of the two
    error: str
    nth: int

    @property
    def renews(self):
        """A connection or a listener of nng's may have to be made anew; the
        daemons stand between nng and sendmsg(2)."""
        return self.is_nng or self.function == "sendmsg"

    def __str__(self):
        whose = " of nng" if self.is_nng else ""
        return f"{self.tier}: {self.function}{whose} #{self.nth}: {self.error}"


def cases_of(tier, calls):
    """Every case of so many calls."""
    for (function, is_nng), (what, count) in calls.items():
        errors = NNG_ERRORS if is_nng and function in NNG_ERRORS else ERRORS
        for error in errors.get(function, "").split():
            for nth in range(1, count + 1):
                yield Case(tier, function, is_nng, what, error, nth)


# --- Lookups -------------------------------------------------------------


def ask_frontend(address, map_name, key):
    """(outcome, data); ("closed", "") for a connection that was closed."""
    try:
        with SocketmapClient(address, LOOKUP_TIMEOUT + SLACK) as client:
            reply = client.lookup(map_name, key)
            return reply.status, reply.data
    except TimeoutError:
        return "hangs", ""
    except OSError:
        return "closed", ""


def ask_backend(url, map_name, key):
    call = lookup_call(1, map_name, key.encode(), left_ms=LOOKUP_TIMEOUT * 1000)
    try:
        with RawReq(url, LOOKUP_TIMEOUT + SLACK) as peer:
            peer.send(1, call_frame(call))
            return results(peer.receive()[1])[1]
    except TimeoutError:
        return "hangs", ""
    except (OSError, AssertionError):
        return "closed", ""


def wrong_with_fault(ask):
    """What is neither the answer nor an honest failure."""
    wrong = []
    for map_name, key, want in LOOKUPS:
        got = ask(map_name, key)
        if got != want and got[0] not in (*PERHAPS, "closed"):
            wrong.append(f"{map_name} {key}: {got}")
    return wrong


def wrong_afterwards(ask, case):
    """What is not the answer at once, or once nng has a connection again."""
    wrong = []
    deadline = time.monotonic() + (RENEWED_S if case and case.renews else 0)
    for map_name, key, want in AFTERWARDS:
        while (got := ask(map_name, key)) != want:
            if got[0] not in (*PERHAPS, "closed") or time.monotonic() > deadline:
                wrong.append(f"afterwards {map_name} {key}: {got}")
                break
            time.sleep(0.02)
    return wrong


def spins(*programs):
    """Those that take CPU time while there is nothing to do."""

    def busy(suspects, seconds):
        before = {p: cpu_seconds(p) for p in suspects}
        time.sleep(seconds)  # what is measured is time itself
        return [p for p in suspects if cpu_seconds(p) - before[p] > BUSY * seconds]

    suspects = busy(programs, LOOK_S)
    return [p.name for p in suspects and busy(suspects, LOOK_AGAIN_S)]


# --- A daemon that starts with the fault -----------------------------------


class Start:
    """One start of one tier; .wrong lists what is wrong with it.

    make_settings(folder) gives the environment; ask(program, map, key) asks.
    """

    def __init__(self, case, folder, tier, settings, ask):
        self.calls = FailCalls(folder / "calls")
        if case is not None:
            self.calls.arm(case.what, case.error, case.nth)
        self.case = case
        self.wrong = []
        self.said = []  # of a start that failed
        self.after = {}  # calls until the end of the lookups
        self.program = Program(
            [program_path(f"userli-bridge-{tier}")],
            env={**settings, **self.calls.environment()},
            name=tier,
            exit_codes=None,
        )
        try:
            self._judge(ask)
        finally:
            self.program.kill()
            self.fired = self.calls.disarm()
            self.calls.close()

    def _judge(self, ask):
        if self.case and self.case.function in LOGGING and not self._says_all():
            self._end()  # a line is missing, and the addresses with it
        elif self._is_ready():
            self.wrong += wrong_with_fault(lambda *q: ask(self.program, *q))
            self.after = self.calls.calls()
            self.wrong += [f"{name} spins" for name in spins(self.program)]
            self.wrong += wrong_afterwards(
                lambda *q: ask(self.program, *q), self.case
            )
            self._end()
        elif not self.wrong:
            self._judge_exit()

    def _says_all(self):
        try:
            self.program.wait_event("ready", LOGGED_S)
        except TimedOut:
            return False
        said = {e["service"] for e in self.program.find_events("listening")}
        return len(said) == SERVICES

    def _is_ready(self):
        program = self.program
        try:
            program.wait_event("ready", PATIENCE)
            (metrics,) = program.find_events("listening", service="metrics")
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    status = fetch(f"http://{metrics['address']}/ready").status
                except OSError as error:
                    status = error
                if status == 200:
                    return True
                if time.monotonic() > deadline:
                    self.wrong.append(f"not ready: {status}")
                    return False
                time.sleep(0.02)
        except TimedOut:
            if program.running:
                self.wrong.append("neither ready nor ended")
        return False

    def _judge_exit(self):
        self.said = [
            event for event in self.program.events if event.get("level") == "error"
        ]
        code = self.program.exit_code
        if code not in CLEAN_EXITS:
            self.wrong.append(f"exit status {code}")
        if not self.said:
            self.wrong.append(f"no error in {self.program.lines}")

    def _end(self):
        try:
            code = self.program.stop()
        except TimedOut:
            code = "none"
        if code != 0:
            self.wrong.append(f"exit status {code} when stopped")


def backend_settings(userli_url, folder):
    return {
        "METRICS_LISTEN_ADDR": "127.0.0.1:0",
        "BACKEND_LISTEN_URL": "tcp://127.0.0.1:0",
        "USERLI_BASE_URL": userli_url.replace("127.0.0.1", "localhost"),
        "USERLI_TOKEN": TOKEN,
        "ADMIN_SOCKET": f"{folder}/backend.admin",
        "CACHE_FILE": f"{folder}/cache",
    }


def frontend_settings(backend_urls, folder):
    return {
        "METRICS_LISTEN_ADDR": "127.0.0.1:0",
        "SOCKETMAP_LISTEN_ADDR": f"127.0.0.1:0,{folder}/postfix",
        "BACKEND_URLS": ",".join(backend_urls).replace("127.0.0.1", "localhost"),
        "ADMIN_SOCKET": f"{folder}/frontend.admin",
        "LOOKUP_TIMEOUT": f"{LOOKUP_TIMEOUT}s",
    }


def ask_started_backend(program, map_name, key):
    (event,) = program.find_events("listening", service="rpc")
    return ask_backend(event["address"], map_name, key)


def ask_started_frontend(program, map_name, key):
    event = program.find_events("listening", service="socketmap")[0]
    return ask_frontend(event["address"], map_name, key)


# --- A daemon that runs ------------------------------------------------------


class Running:
    """A stack in which calls of one tier fail while it runs."""

    def __init__(self, keeper, directory, folder, tier):
        self.tier = tier
        self.calls = FailCalls(folder / "calls")
        faulty = self.calls.environment()
        self.stack = Stack(
            keeper,
            directory,
            backend=faulty if tier == "backend" else {},
            frontend={
                "LOOKUP_TIMEOUT": f"{LOOKUP_TIMEOUT}s",
                **(faulty if tier == "frontend" else {}),
            },
        )
        self.program = getattr(self.stack, tier)
        # No connection to userli is used twice, so that each lookup makes one.
        self.stack.sandbox.set_faults({"headers": {"Connection": "close"}})

    def ask(self, map_name, key):
        return ask_frontend(self.stack.frontend.address, map_name, key)

    def health(self):
        try:
            return self.program.health().status
        except OSError as error:
            return error

    def meet(self, case):
        """(what is wrong, whether the call was made at all)."""
        self.calls.arm(case.what, case.error, case.nth)
        wrong = wrong_with_fault(self.ask)
        self.health()
        fired = self.calls.disarm()
        both = spins(self.stack.backend, self.stack.frontend)
        wrong += [f"{name} spins" for name in both]
        wrong += wrong_afterwards(self.ask, case)
        if self.health() != 200:
            wrong.append(f"health afterwards: {self.health()}")
        if not self.program.running:
            wrong.append(f"ended with {self.program.exit_code}")
        return wrong, fired
