"""judge - what the clients saw in one phase, and whether they may.

A phase is a fault, until all is well again, or the time after it.
"""

from clients import LATE_S
from world import LOOKUP_S

OUTCOMES = ("ok", "notfound", "temp", "timeout", "perm")
FAILURES = ("temp", "timeout", "perm")
NEVER = ("wrong", "surplus", "perm")
# To be looked into: of 1.8 million, one has ended so where a frontend was restarted.
LOST_IN_CLOSING = 1
ENDINGS = ("closed", "crossed", "unconnected")
WORST_MS = (LOOKUP_S + LATE_S) * 1000


class Phase:
    """fault is None for the time without one."""

    def __init__(self, name, fault, figures, visits, seconds):
        self.name = name
        self.fault = fault
        self.figures = figures  # {(kind, frontend): figures}
        self.visits = visits
        self.seconds = seconds

    def count(self, name):
        return sum(f[name] for f in self.figures.values())

    @property
    def replies(self):
        return self.visits.right + self.visits.failed + sum(map(self.count, OUTCOMES))

    @property
    def failed(self):
        return self.visits.failed + sum(map(self.count, FAILURES))

    @property
    def ended(self):
        return self.visits.ended + sum(map(self.count, ENDINGS))

    @property
    def worst_ms(self):
        of_loads = (
            f[kind]["max_ms"] for f in self.figures.values() for kind in ("right", "failed")
        )
        return max(self.visits.worst_ms, *of_loads)

    @property
    def p99_ms(self):
        return max(f["right"]["p99_ms"] for f in self.figures.values())

    def findings(self):
        """What must not be."""
        may_fail = self.fault is not None and self.fault.failures
        may_close = self.fault is not None and self.fault.closing
        may_lose = self.fault is not None and self.fault.losing
        never = NEVER + (() if may_lose else ("lost",)) + (() if may_close else ENDINGS)
        found = [f"{what}" for what in self.visits.wrong]
        for (kind, frontend), figures in self.figures.items():
            bad = {name: figures[name] for name in never if figures[name]}
            if may_close and bad.get("lost", 0) <= LOST_IN_CLOSING:
                bad.pop("lost", None)
            if kind == "known" or not may_fail:
                bad.update({n: figures[n] for n in ("temp", "timeout") if figures[n]})
            if bad:
                found.append(
                    f"{kind} at {frontend}: {bad} {figures['reasons']} {figures['examples'][:3]}"
                )
        if self.visits.failed and not may_fail:
            found.append(f"visitors: {self.visits.reasons}")
        if self.visits.ended and not may_close:
            found.append(f"visitors: {self.visits.ended} connections refused or ended")
        if self.worst_ms > WORST_MS:
            found.append(f"a reply took {self.worst_ms:.0f} ms")
        return [f"{self.name}: {what}" for what in found]


def rows(phases):
    """A line for each fault, and one for the time between them."""
    groups = {}
    for phase in phases:
        groups.setdefault(phase.fault.name if phase.fault else "none", []).append(phase)
    yield (
        f"{'fault':34} {'times':>5} {'seconds':>7} {'replies':>9} {'failed':>6} "
        f"{'ended':>6} {'p99 ms':>7} {'worst ms':>8}"
    )
    for name, group in sorted(groups.items()):
        yield (
            f"{name:34} {len(group):5} {sum(p.seconds for p in group):7.0f} "
            f"{sum(p.replies for p in group):9} {sum(p.failed for p in group):6} "
            f"{sum(p.ended for p in group):6} {max(p.p99_ms for p in group):7.1f} "
            f"{max(p.worst_ms for p in group):8.1f}"
        )


def outcomes(phases):
    """How often each way to be answered, or not, was met."""
    names = OUTCOMES + NEVER[:2] + ("lost",) + ENDINGS
    counts = {name: sum(p.count(name) for p in phases) for name in names}
    met = {
        "right": sum(p.visits.right for p in phases),
        "failed": sum(p.visits.failed for p in phases),
        "wrong or lost": sum(len(p.visits.wrong) for p in phases),
        "ended": sum(p.visits.ended for p in phases),
    }
    yield "connections that stay: " + ", ".join(f"{n} {c}" for n, c in counts.items())
    yield "short connections: " + ", ".join(f"{n} {c}" for n, c in met.items())
