"""truth - what userli holds, what it held, and how long that may still be told.

Answers may be old: for as long as the README says, and not a moment longer than
SLACK more.  A change that backends were told of is seen within PROMPT, as long
as no fault came between.
"""

import threading
import time

from support.directory import TOKEN, alias, write_directory
from support.load import SLOWNESS

NEW_TOKEN = "the-token-that-comes-after-the-first"
DOMAINS, USERS, LISTS = 40, 200, 100
MOVING_USERS, MOVING_LISTS, MOVING_DOMAINS = 24, 12, 6

FOUND_S, NOT_FOUND_S, STALE_S = 20, 5, 60  # LOOKUP_CACHE_TTL and so on
USERLI_S = 3  # USERLI_TIMEOUT: how old an answer may be when it comes
PROMPT = 3 * SLOWNESS  # seconds
SLACK = 3 * SLOWNESS  # of a machine that does something else as well
KEPT_S = FOUND_S + STALE_S + 60  # nobody judges by what is older


def domain(n):
    return f"d{n % DOMAINS}.example"


def user(n):
    return f"user{n % USERS}@{domain(n % USERS)}"


def found():
    """(map and key, reply) of what is there from first to last."""
    for n in range(USERS):
        yield f"mailbox {user(n)}", "OK 1"
        yield f"senders {user(n)}", f"OK {user(n)}"
    for n in range(LISTS):
        yield f"alias list{n}@{domain(n)}", f"OK {user(n)},{user(n + 1)}"
    for n in range(DOMAINS):
        yield f"domain {domain(n)}", "OK 1"


def mixed(tag):
    """Of all kinds; {} stands for a number, so that nobody has asked before."""
    for n in range(USERS):
        yield f"mailbox {tag}{{}}@{domain(n)}", "NOTFOUND "
        yield f"senders {tag}{{}}@{domain(n)}", "NOTFOUND "
        yield f"alias {user(n)}", "NOTFOUND "
        yield f"domain {tag}{{}}.{domain(n)}", "NOTFOUND "
        yield f"mailbox x@{tag}{{}}.example", "NOTFOUND "
        yield f"alias {domain(n)}", "NOTFOUND "
        yield f"mailbox {user(n)[:-8]}.EXAMPLE", "OK 1"
        yield f"senders {user(n).replace('@', '+{}@')}", f"OK {user(n)}"
        yield f"alias list{n % LISTS}+{{}}@{domain(n % LISTS)}", (
            f"OK {user(n % LISTS)},{user(n % LISTS + 1)}"
        )


class Period:
    """A time in which one reply was right."""

    def __init__(self, reply, since):
        self.reply = reply
        self.since = since
        self.until = None  # or when every backend had been told, or could
        self.told = False


class Truth:
    """The directory, changed while it runs.  Any thread."""

    def __init__(self, folder):
        self.folder = folder
        self.tokens = [TOKEN]
        self.users = set(range(0, MOVING_USERS, 2))
        self.lists = {n: 0 for n in range(0, MOVING_LISTS, 2)}  # their version
        self.domains = set(range(0, MOVING_DOMAINS, 2))
        self.last_fault = 0  # when one was last felt
        self.last_userli_fault = 0
        self._lock = threading.Lock()
        now = time.monotonic()
        self._periods = {
            question: [Period(reply, now)] for question, reply in self._moving()
        }
        self.moving = sorted(self._periods)

    def _moving(self):
        """What is right just now of all that changes."""
        for n in range(MOVING_USERS):
            email, there = f"u{n}@moving.example", n in self.users
            yield f"mailbox {email}", "OK 1" if there else "NOTFOUND "
            yield f"senders {email}", f"OK {email}" if there else "NOTFOUND "
        for n in range(MOVING_LISTS):
            reply = f"OK v{self.lists[n]}@moving.example" if n in self.lists else "NOTFOUND "
            yield f"alias a{n}@moving.example", reply
        for n in range(MOVING_DOMAINS):
            yield f"domain m{n}.example", "OK 1" if n in self.domains else "NOTFOUND "

    def directory(self):
        users = [user(n) for n in range(USERS)]
        users += [f"u{n}@moving.example" for n in self.users]
        return {
            "domains": [domain(n) for n in range(DOMAINS)]
            + ["moving.example"]
            + [f"m{n}.example" for n in self.domains],
            "users": [{"email": email, "password": "x"} for email in users],
            "aliases": [
                alias(f"list{n}@{domain(n)}", user(n), user(n + 1)) for n in range(LISTS)
            ]
            + [
                alias(f"a{n}@moving.example", f"v{version}@moving.example")
                for n, version in self.lists.items()
            ],
            "settings": {},
            "tokens": [{"token": t, "scopes": ["postfix"]} for t in self.tokens],
        }

    def write(self):
        return write_directory(self.folder, self.directory())

    def begin(self):
        """After a change, before userli is told: both replies are right."""
        now = time.monotonic()
        opened = []
        with self._lock:
            for question, reply in self._moving():
                periods = self._periods[question]
                if periods[-1].reply != reply:
                    opened.append(periods[-1])
                    periods.append(Period(reply, now))
                    while periods[0].until and periods[0].until < now - KEPT_S:
                        periods.pop(0)
        return opened

    def end(self, opened, told):
        """userli has it, and backends have been told or not."""
        with self._lock:
            for period in opened:
                period.until, period.told = time.monotonic(), told

    def _allowance(self, period):
        """For how long after its time it may be told."""
        if period.told and self.last_fault < period.until - PROMPT:
            return PROMPT
        if period.reply == "NOTFOUND ":
            return NOT_FOUND_S + USERLI_S + SLACK
        longest = FOUND_S + USERLI_S + SLACK
        if self.last_userli_fault > period.until - longest:
            longest += STALE_S
        return longest

    def judge(self, question, reply, asked):
        """None when it is right, or what is wrong."""
        with self._lock:
            periods = self._periods[question]
            for period in reversed(periods):
                if period.reply != reply:
                    continue
                if period.until is None or asked <= period.until + self._allowance(period):
                    return None
            now = time.monotonic()
            history = ", ".join(
                f"{p.reply.strip()!r} from {p.since - now:.1f} s"
                + (f" to {p.until - now:.1f} s{', told' if p.told else ''}" if p.until else "")
                for p in periods[-4:]
            )
        return (
            f"{reply!r} for {question}, asked {asked - now:.1f} s; right were {history}; "
            f"the last fault {self.last_fault - now:.1f} s"
        )
