"""faults - what befalls the world, one at a time.

Each is a function of the world, its random numbers and how long it lasts; it
ends when the cause has ended, not when all is well again.  FAULTS says what
clients may notice of it:

    failures   TEMP and TIMEOUT for what no backend knows: userli is away
    closing    connections end between requests: a frontend leaves
    losing     and within one: it has no time to say so
"""

import signal
import socket
import time
from typing import Callable, NamedTuple

from support.directory import TOKEN
from support.netns import Unavailable
from support.socketmap import connect
from support.sp_stream import connect as connect_rpc
from support.sp_stream import hang_up
from support.web import fetch
from support.webhooks import body, headers

import truth
from world import NAME, userli_fault

DELIVERIES = 150
GUESTS = 300


class Fault(NamedTuple):
    name: str
    cause: Callable
    failures: bool = False
    closing: bool = False
    losing: bool = False


def mortal(world, rng):
    """A backend that may be restarted."""
    return rng.choice([s for s in world.backends if s.name != "A"])


# --- Backends -------------------------------------------------------------


def kill_backend(world, rng, hold):
    slot = mortal(world, rng)
    slot.kill()
    time.sleep(hold)
    slot.start()


def stop_backend(world, rng, hold):
    """It hangs, and comes to."""
    slot = rng.choice(world.backends)
    slot.reachable = False
    slot.daemon.signal(signal.SIGSTOP)
    try:
        time.sleep(hold)
    finally:
        slot.daemon.signal(signal.SIGCONT)
        slot.reachable = True


def roll_backends(world, rng, hold):
    """One after the other, as an update does it."""
    for slot in world.backends[1:]:
        slot.stop()
        slot.start().wait_ready()
        world.wait_whole()


def restart_remembering(world, rng, hold):
    slot = mortal(world, rng)
    world.warm()
    slot.stop()
    daemon = slot.start()
    loaded = slot.metric("cache_file_loaded_entries")
    assert loaded > 0, f"{slot.name} has forgotten everything"
    daemon.wait_ready()


def restart_with_damage(world, rng, hold):
    """Its file is cut short, or garbage."""
    slot = mortal(world, rng)
    slot.stop()
    path = slot.folder / "cache"
    data = path.read_bytes()
    cut = rng.randrange(len(data))
    path.write_bytes(data[:cut] if rng.random() < 0.5 else data[:cut] + rng.randbytes(100))
    slot.start()
    assert slot.metric("cache_file_failures_total", operation="load") == 1
    for left in slot.folder.glob("*.damaged*"):
        left.unlink()


def drain_backend(world, rng, hold):
    slot = rng.choice(world.backends)
    world.tool("drain", slot.admin)
    time.sleep(hold)
    world.tool("resume", slot.admin)


# --- userli ---------------------------------------------------------------


def userli_crashes(world, rng, hold):
    with userli_fault(world):
        world.sandbox.kill()
        time.sleep(hold)
        world.start_sandbox()


def misbehaves(**rule):
    def cause(world, rng, hold):
        with userli_fault(world):
            world.sandbox.set_faults({"match": "*", **rule})
            time.sleep(hold)
            world.sandbox.clear_faults()

    return cause


def rotate_tokens(world, rng, hold):
    """The old one, both, the new one, as the README says."""
    old, new = world.truth.tokens[0], truth.NEW_TOKEN
    if old == new:
        new = TOKEN
    _set_tokens(world, old, new)
    with world.userli:
        world.truth.tokens = [new]
        world.truth.write()
        world.sandbox.set_directory(world.truth.directory())
    time.sleep(hold)
    _set_tokens(world, new, old)


def _set_tokens(world, *tokens):
    world.token_file.write_text(",".join(tokens))
    for slot in world.backends:
        _reload(slot)


# --- Purges ---------------------------------------------------------------


def webhook_storm(world, rng, hold):
    """True ones, each some once more, and forged ones."""
    end = time.monotonic() + hold
    statuses = {}
    for n in range(DELIVERIES):
        slot = rng.choice(world.backends)
        content = body(f"u{rng.randrange(truth.MOVING_USERS)}@moving.example")
        sent = headers(content)
        if n % 5 == 0:
            sent["X-Webhook-Signature"] = "0" * 64
        for _ in range(1 + (n % 7 == 0)):
            status = fetch(slot.daemon.metrics_url + "/webhook", "POST", content, sent).status
            statuses[status] = statuses.get(status, 0) + 1
        time.sleep(max(0, (end - time.monotonic()) / (DELIVERIES - n)))
    assert set(statuses) == {200, 401}, statuses


def flush_caches(world, rng, hold):
    for number in range(3):
        slot = rng.choice(world.backends)
        operands = ([], ["mailbox"], ["all", truth.user(rng.randrange(truth.USERS))])[number]
        world.tool("cache", "flush", *operands, "--addr", world.socket_of(slot.name))
        time.sleep(hold / 3)


# --- Guests ---------------------------------------------------------------


GARBAGE = (
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"99999999999:",
    b"5:ab",
    b"05:hello,",
    b"-1:,",
    b"3:abc;",
    b"\0" * 100,
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"",
)


def rude_clients(world, rng, hold):
    """None of them sends a whole request."""
    end = time.monotonic() + hold
    held = []
    while time.monotonic() < end:
        slot = rng.choice(world.frontends)
        sock = connect(rng.choice(world.addresses[slot.name]), 10)
        data = rng.choice(GARBAGE) or rng.randbytes(200).replace(b":", b";")
        _say(sock, data)
        held.append(sock)
        if len(held) > 50:
            held.pop(rng.randrange(len(held))).close()
        time.sleep(0.02)
    for sock in held:
        sock.close()


def rude_peers(world, rng, hold):
    """At the backends' own listeners, and at everybody's HTTP."""
    end = time.monotonic() + hold
    urls = [url for slot in world.backends for url in world.addresses[slot.name]]
    held = []
    while time.monotonic() < end:
        url = rng.choice(urls)
        if rng.random() < 0.3:
            hang_up(url)
        elif rng.random() < 0.2:
            slot = rng.choice(world.slots)
            sock = connect(slot.daemon.metrics_url.removeprefix("http://"), 10)
            _say(sock, rng.choice(GARBAGE))
            held.append(sock)
        else:
            sock = connect_rpc(url, 10)
            greeting = b"\0SP\0\0\x30\0\0" if rng.random() < 0.6 else b""
            size = rng.choice((10, 1 << 20, 1 << 60)).to_bytes(8, "big")
            _say(sock, greeting + rng.choice(GARBAGE + (size + rng.randbytes(40),)))
            held.append(sock)
        if len(held) > 50:
            held.pop(rng.randrange(len(held))).close()
        time.sleep(0.02)
    for sock in held:
        sock.close()


def _say(sock, data):
    try:
        sock.sendall(data)
    except OSError:
        pass  # it has been shown the door


def crowd(world, rng, hold):
    """Many connections that say nothing."""
    guests = []
    for n in range(GUESTS):
        slot = world.frontends[n % 2]
        guests.append(connect(world.addresses[slot.name][n // 2 % 2], 10))
    time.sleep(hold)
    for guest in guests:
        guest.close()


# --- The network ----------------------------------------------------------


def cut_network(world, rng, hold):
    world.proxy.cut()
    time.sleep(hold)
    world.proxy.heal(reset=True)


def stall_network(world, rng, hold):
    world.proxy.cut()
    time.sleep(hold)
    world.proxy.heal(reset=False)


def change_dns(world, rng, hold):
    """A has another address; then DNS is away for a while."""
    if world.dns is None:
        raise Unavailable("no name server")
    world.a_hosts.reverse()
    world.dns.names[NAME] = [world.a_hosts[0]]
    time.sleep(hold / 2)
    world.dns.silent = True
    time.sleep(hold / 2)
    world.dns.silent = False


# --- Frontends ------------------------------------------------------------


def restart_frontend(world, rng, hold):
    slot = world.slot("F2")
    slot.stop()
    slot.start()


def kill_frontend(world, rng, hold):
    slot = world.slot("F2")
    slot.kill()
    slot.start()


def drain_frontend(world, rng, hold):
    slot = rng.choice(world.frontends)
    world.tool("drain", slot.admin)
    time.sleep(hold / 2)
    world.tool("resume", slot.admin)


# --- Administrators -------------------------------------------------------


def _reload(slot):
    before = slot.metric("config_last_reload_success_timestamp_seconds")
    deadline = time.monotonic() + 30
    slot.daemon.signal(signal.SIGHUP)
    while slot.metric("config_last_reload_success_timestamp_seconds") == before:
        assert time.monotonic() < deadline, f"{slot.name} did not reload"
        time.sleep(0.02)


def reload_settings(world, rng, hold):
    """What is wrong changes nothing, what is right takes effect."""
    slot = rng.choice(world.slots)
    slot.config.write_text("LOG_LEVEL=loud\n")
    slot.daemon.signal(signal.SIGHUP)
    deadline = time.monotonic() + 30
    while slot.metric("config_last_reload_successful"):
        assert time.monotonic() < deadline, f"{slot.name} took LOG_LEVEL=loud"
        time.sleep(0.02)
    for level in ("debug", "info"):
        slot.config.write_text(f"LOG_LEVEL={level}\n")
        _reload(slot)
        time.sleep(hold / 2)


def change_log_level(world, rng, hold):
    slot = rng.choice(world.slots)
    world.tool("log-level", slot.admin, "debug")
    time.sleep(hold)
    world.tool("log-level", slot.admin, "info")


def block_log(world, rng, hold):
    """Nobody reads what a daemon has to say, which is much."""
    slot = rng.choice(world.slots)
    slot.daemon.log_gate.clear()
    try:
        world.tool("log-level", slot.admin, "debug")
        time.sleep(hold)
        world.tool("log-level", slot.admin, "info")
    finally:
        slot.daemon.log_gate.set()


FAULTS = (
    Fault("a backend is killed", kill_backend),
    Fault("a backend is stopped", stop_backend),
    Fault("backends are restarted in turn", roll_backends),
    Fault("a backend restarts from its file", restart_remembering),
    Fault("a backend's file is damaged", restart_with_damage),
    Fault("a backend is drained", drain_backend),
    Fault("userli crashes", userli_crashes, failures=True),
    Fault("userli is slow", misbehaves(delay_ms=1500), failures=True),
    Fault("userli hangs", misbehaves(hang=True), failures=True),
    Fault("userli answers 500", misbehaves(status=500), failures=True),
    Fault("userli resets connections", misbehaves(reset=True), failures=True),
    Fault("the token is exchanged", rotate_tokens),
    Fault("webhooks storm", webhook_storm),
    Fault("caches are flushed", flush_caches),
    Fault("clients send garbage", rude_clients),
    Fault("peers send garbage", rude_peers),
    Fault("many clients are idle", crowd),
    Fault("the network is cut", cut_network),
    Fault("the network stalls", stall_network),
    Fault("DNS changes and is silent", change_dns),
    Fault("a frontend is restarted", restart_frontend, closing=True),
    Fault("a frontend is killed", kill_frontend, closing=True, losing=True),
    Fault("a frontend is drained", drain_frontend, closing=True),
    Fault("settings are reloaded", reload_settings),
    Fault("the log level changes", change_log_level),
    Fault("nobody reads a log", block_log),
)
