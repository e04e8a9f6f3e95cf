"""What a cached lookup may cost: no allocation; and what the daemons weigh."""

import json
import struct
import subprocess
import time

import pytest

from support.daemons import BUILD_DIR, Backend, Frontend, program_path
from support.load import sanitizers
from support.weight import Started, idle_connection_bytes, raise_files, resident_bytes

COUNTER = BUILD_DIR / "tests" / "count_allocations.so"
BENCH = [program_path("userli-bridge"), "bench", "--json"]
WINDOW_S = 0.5
WINDOWS = 8
MIB = 1024 * 1024

not_sanitized = pytest.mark.skipif(
    bool(sanitizers()), reason="a sanitizer's own memory would be counted"
)


class Counts:
    """What count_allocations.so has counted in one process."""

    def __init__(self, path):
        self.path = path

    def environment(self):
        return {"LD_PRELOAD": COUNTER, "COUNT_ALLOCATIONS": self.path}

    def read(self):
        """(for nng, for all others, {address: count} of those)."""
        data = self.path.read_bytes()
        words = struct.unpack(f"{len(data) // 8}Q", data)
        callers = dict(zip(words[2::2], words[3::2]))
        return words[0], words[1], {a: n for a, n in callers.items() if a}


def where(program, address):
    """An address as file and offset, for addr2line(1)."""
    for line in open(f"/proc/{program.pid}/maps", encoding="ascii"):
        span, _, offset, _, _, *path = line.split()
        start, end = (int(part, 16) for part in span.split("-"))
        if start <= address < end:
            return f"{''.join(path)}+{address - start + int(offset, 16):#x}"
    return hex(address)


class Watched:
    """A program whose allocations are counted in windows of a run."""

    def __init__(self, program, counts):
        self.program = program
        self.counts = counts
        self.windows = []  # allocations of others than nng
        self._last = None

    def look(self):
        now = self.counts.read()
        if self._last is not None:
            self.windows.append(now[1] - self._last[1])
            self._new = {
                a: n - self._last[2].get(a, 0)
                for a, n in now[2].items()
                if n != self._last[2].get(a, 0)
            }
        self._last = now

    def check(self):
        """Timers may allocate now and then; a lookup's share shows in every
        window of thousands of lookups."""
        found = [f"{n} × {where(self.program, a)}" for a, n in self._new.items()]
        assert min(self.windows) == 0, (
            f"{self.program.name}: allocations in each window: {self.windows}, "
            f"in the last: {found}"
        )


@not_sanitized
@pytest.mark.parametrize("clients", [1, 64])
def test_a_cached_lookup_allocates_nothing(sandbox, keeper, tmp_path, clients):
    counts = {name: Counts(tmp_path / name) for name in ("backend", "frontend")}
    backend = keeper.add(
        Backend(
            sandbox().url, LOOKUP_CACHE_TTL="1h", **counts["backend"].environment()
        )
    ).wait_ready()
    frontend = keeper.add(
        Frontend(
            backend.urls, BACKEND_RESOLVE_INTERVAL="1h",
            **counts["frontend"].environment(),
        )
    ).wait_ready()  # fmt: skip
    watched = [
        Watched(backend, counts["backend"]),
        Watched(frontend, counts["frontend"]),
    ]
    argv = [
        *BENCH, "-a", frontend.address, "-c", clients, "--warmup", "1s", "-d",
        f"{(WINDOWS + 2) * WINDOW_S + 1}s", "--key", "list%d@example.org", "--range",
        100, "--expect", "ok",
    ]  # fmt: skip
    child = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE)
    time.sleep(1 + WINDOW_S)  # what is measured is time itself
    for _ in range(WINDOWS + 1):
        for each in watched:
            each.look()
        time.sleep(WINDOW_S)
    report = json.loads(child.communicate()[0])
    assert report["ok"]["count"] > 10000 / 5, "too few to tell"
    for each in watched:
        each.check()


@not_sanitized
def test_both_tiers_answer_soon_after_their_start(sandbox, keeper, short_dir):
    """In about 20 ms; the bound is for machines that do much else."""
    started = Started(keeper, short_dir, sandbox().url, "one@example.org")
    print(f"first answer after {started.seconds * 1000:.0f} ms")
    assert started.answer == ("OK", "alice@example.org")
    assert started.seconds < 2


@not_sanitized
def test_the_daemons_are_small_after_their_start(stack):
    assert resident_bytes(stack.frontend) <= 8 * MIB
    assert resident_bytes(stack.backend) <= 16 * MIB


@not_sanitized
def test_an_idle_connection_takes_two_kib_at_most(stack):
    count = 10000 if raise_files(10100) else 500
    each = idle_connection_bytes(stack.frontend, count)
    print(f"{each:.0f} bytes for each of {count} idle connections")
    assert each <= 2048
