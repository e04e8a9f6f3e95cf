"""load - clients that check every answer: pool_load as tests use it.

A run has phases; each ends with its Figures.  What no fault may ever cause (a
wrong answer, a lost or a second reply) fails the test when a phase is read.
"""

import json
import subprocess

from support.daemons import BUILD_DIR
from support.process import Program
from support.wait import PATIENCE, TimedOut

POOL_LOAD = BUILD_DIR / "tests" / "pool_load"
CLIENTS = 64
NEVER = ("wrong", "lost", "surplus")
FAILURES = ("temp", "timeout", "perm")


def sanitizers():
    """What this build was made with: "address,undefined", "thread" or ""."""
    try:
        cache = (BUILD_DIR / "CMakeCache.txt").read_text()
    except FileNotFoundError:
        return ""
    lines = (line for line in cache.splitlines() if line.startswith("SANITIZE:"))
    return next(lines, "=").partition("=")[2]


# Sanitizers make the daemons several times slower.  Bounds of time are
# stretched by as much; what must never happen stays what it is.
SLOWNESS = {"": 1, "thread": 4}.get(sanitizers(), 3)


class Figures:
    """What the clients saw in one phase; figures["temp"] and the like."""

    def __init__(self, figures):
        self.figures = figures

    def __getitem__(self, name):
        return self.figures[name]

    def __str__(self):
        shown = {k: v for k, v in self.figures.items() if v not in (0, [], {})}
        return json.dumps(shown)

    @property
    def right(self):
        return self["ok"] + self["notfound"]

    @property
    def failed(self):
        return sum(self[name] for name in FAILURES)

    @property
    def p99(self):
        """Milliseconds, of all answers that were right."""
        return self["right"]["p99_ms"]

    def rate(self):
        """Right answers a second."""
        return self.right / self["seconds"]

    def check(self):
        bad = [name for name in NEVER if self[name]]
        assert not bad, f"{bad} in {self}"
        return self

    def check_answered(self, at_least=1):
        """Nothing failed, and of that enough."""
        assert not self.failed, f"failed answers in {self}"
        assert not self["crossed"] and not self["closed"], f"closed in {self}"
        assert not self["unconnected"], f"not connected in {self}"
        assert self.right >= at_least, f"too few answers in {self}"
        return self

    def check_p99(self, most_ms):
        assert self.p99 <= most_ms * SLOWNESS, f"p99 over {most_ms} ms in {self}"
        return self


class Load(Program):
    """Clients of one or more frontends, from its start until finish()."""

    def __init__(self, expected, addresses, clients=CLIENTS, wait_ms=0, options=()):
        super().__init__(
            [POOL_LOAD, "-c", clients, "-w", wait_ms, *options, expected, *addresses],
            name="load",
            stdin=subprocess.PIPE,
        )
        self._phases = 0

    def _command(self, line):
        self._child.stdin.write(line.encode() + b"\n")
        self._child.stdin.flush()

    def _next_figures(self, timeout=PATIENCE):
        def find():
            return self.output[self._phases] if len(self.output) > self._phases else None

        line = self._wait_for(find, timeout, "figures")
        print(line)  # pytest -rP shows the figures of tests that passed
        self._phases += 1
        return Figures(json.loads(line)).check()

    def phase(self, name):
        """Begin a phase; returns the figures of the one before."""
        self._command(f"phase {name}")
        return self._next_figures()

    def set_rate(self, rate):
        """So many requests a second, whatever the answers do; 0: closed loop."""
        self._command(f"rate {rate}")

    def finish(self):
        """Stop asking, wait for the answers; the last phase's figures."""
        self._child.stdin.close()
        figures = self._next_figures()
        try:
            self.wait()
        except TimedOut:
            self.kill()
            raise
        return figures
