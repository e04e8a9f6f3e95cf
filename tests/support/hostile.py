"""hostile - what an attack costs those who have no part in it.

Some well-behaved clients ask all the time, each answer checked.  Around an
attack, attacked() looks at three things: their p99 against that of a moment
before, the memory and descriptors of the daemon under attack, before and once
it is over, and the metrics that must have counted it.
"""

import contextlib
import json
import subprocess
import time
from pathlib import Path

from support.daemons import BUILD_DIR
from support.load import SLOWNESS, Load, sanitizers
from support.pool import PREFIX
from support.process import Program
from support.wait import TimedOut, wait_until
from support.weight import resident_bytes

CROWD = BUILD_DIR / "tests" / "crowd"
CALM_S = 1
CLIENTS = 16
WAIT_MS = 10
# The p99 is reported; these only tell slow from stalled, on any machine.
P99_FACTOR = 25
P99_MS = 1000
BACK_TO_NORMAL_S = 20
# The daemons keep some buffers for reuse, and the allocator an arena for each
# of nng's threads.
MEMORY_SLACK = 12 << 20


def open_files(daemon):
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


class Bystanders:
    """Clients of the frontend; lookups is a list of (question, reply)."""

    def __init__(self, keeper, folder, address, lookups):
        expected = folder / "bystanders"
        expected.write_text("".join(f"{q}\t{a}\n" for q, a in lookups))
        self._load = keeper.add(Load(expected, [address], CLIENTS, WAIT_MS))
        self._load_for(1)  # whatever happens for the first time has happened

    def _load_for(self, seconds):
        time.sleep(seconds)
        return self._load.phase("next").check_answered()

    @contextlib.contextmanager
    def attacked(self, what, daemon, **counted):
        """counted: metric=(labels, at least so many more)."""
        calm = self._load_for(CALM_S)
        before = _Look(daemon, counted)
        yield
        during = self._load_for(0.2)
        self._check_p99(calm.p99, during.p99)
        after = _back_to_normal(daemon, before, counted)
        print(
            f"{what}: p99 {calm.p99:.1f} -> {during.p99:.1f} ms "
            f"(x{during.p99 / max(calm.p99, 0.1):.1f}), "
            f"{before.memory >> 10} -> {after.memory >> 10} KiB, "
            f"{before.files} -> {after.files} files, counted {after.since(before)}"
        )

    def _check_p99(self, calm_ms, during_ms):
        most = max(P99_FACTOR * calm_ms, P99_MS * SLOWNESS)
        assert during_ms <= most, f"p99 {calm_ms} ms became {during_ms} ms"

    def finish(self):
        self._load.finish()


class _Look:
    def __init__(self, daemon, counted):
        metrics = daemon.metrics()
        self.counts = {
            name: metrics.total(PREFIX + name, **labels)
            for name, (labels, _) in counted.items()
        }
        self.memory = resident_bytes(daemon)
        self.files = open_files(daemon)

    def since(self, before):
        return {name: n - before.counts[name] for name, n in self.counts.items()}

    def is_normal(self, before, counted):
        return (
            (sanitizers() or self.memory <= before.memory + MEMORY_SLACK)
            and self.files <= before.files + 4  # to userli, and the like
            and all(
                more >= counted[name][1] for name, more in self.since(before).items()
            )
        )


def _back_to_normal(daemon, before, counted):
    looks = []

    def look():
        looks.append(_Look(daemon, counted))
        return looks[-1].is_normal(before, counted)

    try:
        wait_until(look, BACK_TO_NORMAL_S * SLOWNESS, "all as before")
    except TimedOut:
        now = looks[-1]
        raise AssertionError(
            f"{daemon.name}: {before.memory >> 10} -> {now.memory >> 10} KiB, "
            f"{before.files} -> {now.files} files, counted {now.since(before)}, "
            f"wanted {counted}"
        ) from None
    return looks[-1]


class Crowd(Program):
    """Connects and leaves, rate times a second (0: all the time)."""

    def __init__(self, address, rate=0, say=b""):
        say = ["-s", say.hex()] if say else []
        super().__init__(
            [CROWD, "-r", rate, *say, address], name="crowd", stdin=subprocess.PIPE
        )

    def finish(self):
        """How many came: {"made": …, "failed": …, "seconds": …}."""
        self._child.stdin.close()
        self.wait()
        figures = json.loads(self.output[-1])
        print(figures)
        return figures
