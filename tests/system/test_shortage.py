"""Out of file descriptors under a flood of connections: who is connected is
answered, the CPU rests, the log stays short, and afterwards all is as before.
"""

import time

from support.load import SLOWNESS
from support.shortage import Flood, Shortage
from support.wait import wait_until
from support.weight import cpu_seconds

FULL_S, BRIEF_S = 10, 4
CPU_MAX = 0.2 * SLOWNESS  # of a core
LINES_MAX = 4  # a second, of each kind one
PREFIX = "userli_postfix_adapter_"


class Watched:
    """What the program took and said while a client went on asking."""

    def __init__(self, stack, program, client, seconds):
        lines, cpu = len(program.lines), cpu_seconds(program)
        began = time.monotonic()
        self.answered = 0
        while time.monotonic() < began + seconds:
            assert client.lookup("mailbox", "alice@example.org").status == "OK"
            self.answered += 1
            time.sleep(0.05)
        self.seconds = time.monotonic() - began
        self.cores = (cpu_seconds(program) - cpu) / self.seconds
        self.lines = program.lines[lines:]

    def check(self):
        print(f"{self.cores:.3f} cores, {self.answered} answers, {len(self.lines)} lines")
        assert self.cores < CPU_MAX
        assert len(self.lines) <= LINES_MAX * (self.seconds + 1), "\n".join(self.lines)


def counted(program, name, **labels):
    return program.metrics().value(PREFIX + name, **labels)


def recovers_at_once(stack, program):
    """New connections are answered; the listeners look again twice a second."""
    began = time.monotonic()
    assert stack.lookup("mailbox", "alice@example.org").status == "OK"
    assert program.health().status == 200
    took = time.monotonic() - began
    print(f"answers again after {took:.2f} s")
    assert took < 5


def test_a_frontend_without_descriptors_answers_who_is_connected(make_stack, full):
    stack = make_stack()
    program = stack.frontend
    addresses = [program.address, program.metrics_url.removeprefix("http://")]
    with stack.client() as client, stack.client() as seldom:
        for each in (client, seldom):
            assert each.lookup("domain", "example.org").status == "OK"
        with Shortage(program, spare=20), Flood(addresses) as flood:
            wait_until(lambda: flood.count > 1000, what="the flood is there")
            watched = Watched(stack, program, client, FULL_S if full else BRIEF_S)
        watched.check()
        recovers_at_once(stack, program)
        # It was idle for longer than any connection of the flood.
        assert seldom.lookup("domain", "example.org").status == "OK"
    assert counted(program, "accept_failures_total") > 0
    assert counted(program, "connections_closed_total", reason="reaped") > 0
    assert counted(program, "ops_accept_failures_total", reason="descriptors") > 0


def test_a_backend_without_descriptors_answers_who_is_connected(make_stack, full):
    stack = make_stack()
    program = stack.backend
    listener = program.urls[0].removeprefix("tcp://")
    addresses = [listener, program.metrics_url.removeprefix("http://")]
    with stack.client() as client:
        assert client.lookup("domain", "example.org").status == "OK"
        with Shortage(program, spare=20), Flood(addresses) as flood:
            wait_until(lambda: flood.count > 1000, what="the flood is there")
            watched = Watched(stack, program, client, FULL_S if full else BRIEF_S)
        watched.check()
        recovers_at_once(stack, program)
        assert client.lookup("domain", "example.org").status == "OK"
    name = "backend_listener_probes_skipped_total"
    assert counted(program, name, reason="resources") > 0
    assert counted(program, "ops_accept_failures_total", reason="descriptors") > 0
    assert counted(program, "backend_listener_restarts_total") == 0
