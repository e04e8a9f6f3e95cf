"""weight - memory, descriptors and threads of each daemon over the run.

Only what is held at equal states is compared: under the load alone, with no
fault and none just over.  What the last third, after the time that everything
takes to fill up, has above the first is growth: of memory and threads the median
(a question to DNS is a thread), of descriptors the highest, since a backend has
those for its peers only while it has something to tell them.
"""

import statistics
import threading
import time
from typing import NamedTuple

from support.pool import Resources

MIB = 1 << 20
YOUNG_S = 10  # a daemon that has just started holds less than it will


class Sample(NamedTuple):
    at: float
    life: int
    quiet: bool
    memory: int
    fds: int
    threads: int


class Bound(NamedTuple):
    """What the last third may have more than the first."""

    memory: int
    fds: int
    threads: int


class Scales:
    def __init__(self, world, every_s):
        self.world = world
        self.samples = {slot.name: [] for slot in world.slots}
        self.quiet = False
        self._port = int(world.sandbox_host.rsplit(":", 1)[1])
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ended.wait(self._every_s):
            self.weigh()

    def finish(self):
        self._ended.set()
        self._thread.join(60)

    def weigh(self):
        for slot in self.world.slots:
            life, now = slot.lives, time.monotonic()
            quiet = self.quiet and now - slot.born > YOUNG_S
            try:
                got = Resources(slot.daemon.pid, self._port)
            except (OSError, TypeError):
                continue  # it is dead just now
            if life == slot.lives:
                quiet = quiet and self.quiet
                self.samples[slot.name].append(
                    Sample(now, life, quiet, got.memory, got.fds, got.threads)
                )


class Trend(NamedTuple):
    """Of the first and the last third, and the highest ever."""

    name: str
    lives: int
    count: int
    first: tuple  # memory, fds, threads
    last: tuple
    highest: tuple


def trend(name, lives, samples, since):
    """None when there are too few of them."""
    settled = [s for s in samples if s.quiet and s.at >= since]
    third = len(settled) // 3
    if third == 0:
        return None

    first, last = (_levels(part) for part in (settled[:third], settled[-third:]))
    return Trend(name, lives, len(settled), first, last, _highest(samples))


def _highest(samples):
    return tuple(max(column) for column in zip(*(s[3:] for s in samples)))


def _levels(samples):
    return (
        statistics.median(s.memory for s in samples),
        max(s.fds for s in samples),
        statistics.median(s.threads for s in samples),
    )


def growth(found, bound):
    """What is wrong with a trend."""
    wrong = []
    for what, first, last, most in zip(Bound._fields, found.first, found.last, bound):
        if last - first > most:
            wrong.append(f"{found.name}: {what} grew from {first:.0f} to {last:.0f}")
    return wrong
