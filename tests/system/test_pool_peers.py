"""Peers that are rude or vanish: the ports between the tiers keep serving."""

import contextlib
import random
import signal
import socket
import struct
import threading
import time

import pytest
from support import sp
from support.daemons import program_path
from support.frames import HEALTH, call_frame, results
from support.load import SLOWNESS
from support.pool import PREFIX, loopback_address
from support.process import Program
from support.wait import wait_until

pytestmark = pytest.mark.timeout(900)  # waiting for the machine counts

RUDE = 10_000
RUDE_THREADS = 4
VANISHING = 1_000
KILLED = 40
SERVES_WITHIN_S = 5

HEALTH_CALL = call_frame({1: 0, 2: HEALTH, 3: 1000})
HTTP = b"GET /metrics HTTP/1.1\r\nHost: backend\r\n\r\n"


def close_at_once(sock):
    sock.close()


def say(*parts):
    def speak(sock):
        for part in parts:
            sock.sendall(part)
        sock.close()

    return speak


def reset_after(*parts):
    def speak(sock):
        for part in parts:
            sock.sendall(part)
        sp.reset(sock)

    return speak


def read_then_reset(sock):
    sock.sendall(sp.header(sp.REQ))
    sock.recv(sp.HEADER_SIZE)
    sp.reset(sock)


def shut_then_reset(sock):
    with contextlib.suppress(OSError):  # the other side was first
        sock.shutdown(socket.SHUT_WR)
    sp.reset(sock)


MANNERS = [
    close_at_once,
    reset_after(),
    shut_then_reset,
    say(HTTP),
    reset_after(HTTP),
    say(sp.header(sp.REQ)[:4]),
    reset_after(sp.header(sp.REQ)[:1]),
    say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    say(sp.header(sp.PUB)),
    say(b"\0SP\1" + sp.header(sp.REQ)[4:]),
    reset_after(sp.header(sp.REQ)),
    read_then_reset,
    say(sp.header(sp.REQ), struct.pack(">Q", 1 << 62), b"x" * 100),
    say(sp.header(sp.REQ), struct.pack(">Q", 100), b"x" * 7),
    say(sp.header(sp.REQ), sp.frame(b"")),
    say(sp.header(sp.REQ), sp.frame(b"\0" * 4)),
    say(sp.header(sp.REQ), sp.frame(b"\xff" * 300)),
    say(sp.header(sp.REQ), sp.frame(struct.pack(">I", 0x80000001) + b"rubbish")),
]


def be_rude(url, count, manners=None):
    for number in range(count):
        try:
            sock = sp.dial(url)
            (manners or MANNERS)[number % len(manners or MANNERS)](sock)
        except ConnectionError:
            pass  # as rude as we are


def be_rude_to_all(pool, count):
    """So many connections, several at a time to each backend."""
    share = count // RUDE_THREADS // len(pool.urls)
    threads = [
        threading.Thread(target=be_rude, args=(url, share))
        for url in pool.urls
        for _ in range(RUDE_THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_rude_connections_disturb_no_frontend(pool):
    """Thousands that do not speak the protocol, and some that just stay."""
    pool = pool()
    pool.warm_up(also=lambda: be_rude_to_all(pool, RUDE // 5))
    load = pool.load()
    time.sleep(1)
    load.phase("rude").check_answered()
    staying = [sp.dial(pool.urls[n % 3]) for n in range(60)]
    for sock in staying[::2]:
        sock.sendall(sp.header(sp.REQ)[:5])
    be_rude_to_all(pool, RUDE)
    load.finish().check_answered(100).check_p99(500)
    pool.wait_members(SERVES_WITHIN_S * SLOWNESS, up=3)
    for sock in staying:
        sock.close()
    pool.check_leaks()


def serves(url):
    """Whether a new connection's health call is answered."""
    try:
        with sp.Requester(url, timeout=1) as peer:
            peer.ask(HEALTH_CALL)
            return results(peer.reply()[1])[0][0] == "OK"
    except (OSError, ConnectionError):
        return False


# How far a connection comes before its process is gone.
VANISHING_MANNERS = [
    close_at_once,
    reset_after(),
    shut_then_reset,
    reset_after(sp.header(sp.REQ)[:3]),
    say(sp.header(sp.REQ)[:7]),
    reset_after(sp.header(sp.REQ)),
    read_then_reset,
]


@pytest.mark.parametrize("scheme", ("tcp", "ipc"))
def test_frontends_that_vanish_before_they_have_spoken_stop_no_listener(
    pool, scheme, short_dir
):
    """Connections that end anywhere in the handshake, and frontends killed."""
    pool = pool(backends=0)
    url = f"ipc://{short_dir}/rpc" if scheme == "ipc" else None
    pool.add_backend(url=url)
    pool.add_frontends(1)
    url = pool.urls[0]
    pool.warm_up(1, lambda: be_rude(url, VANISHING // 5, VANISHING_MANNERS))
    wait_until(lambda: serves(url), SERVES_WITHIN_S * SLOWNESS, f"{url} serves")
    pool.wait_members(SERVES_WITHIN_S * SLOWNESS, up=1)
    load = pool.load(clients=8)
    be_rude(url, VANISHING, VANISHING_MANNERS)
    settings = {
        "BACKEND_URLS": url,
        "SOCKETMAP_LISTEN_ADDR": "127.0.0.1:0",
        "METRICS_LISTEN_ADDR": "127.0.0.1:0",
    }
    backoff = random.Random(1)
    for _ in range(KILLED):
        doomed = pool.keeper.add(
            Program([program_path("userli-bridge-frontend")], settings)
        )
        doomed.wait_event("backend added")
        time.sleep(backoff.uniform(0, 0.004))
        doomed.kill()
        pool.keeper.programs.remove(doomed)
    wait_until(lambda: serves(url), SERVES_WITHIN_S * SLOWNESS, f"{url} serves")
    pool.wait_members(SERVES_WITHIN_S * SLOWNESS, up=1)
    restarts = PREFIX + "backend_listener_restarts_total"
    assert pool.backends[0].metrics().value(restarts) == 0
    load.phase("after")
    time.sleep(1)
    load.finish().check_answered(10)
    another = pool.new_frontend().wait_ready(SERVES_WITHIN_S * SLOWNESS)
    another.stop()
    pool.check_leaks()


def test_a_frontend_finds_a_backend_that_had_vanished_while_it_dialled(pool):
    """Its dialer outlives listeners that close in the middle of the handshake."""
    pool = pool(backends=0)
    pool.add_backend()
    pool.add_frontends(1)
    address = loopback_address()
    port = _vanishing_listener(pool, address)
    pool.backends.append(pool.new_backend(f"tcp://{address}:{port}"))
    started = time.monotonic()
    pool.wait_members(SERVES_WITHIN_S * SLOWNESS, up=2)
    assert time.monotonic() - started <= SERVES_WITHIN_S * SLOWNESS


def _vanishing_listener(pool, address):
    """Accept a frontend's connections for a while, and end each early."""
    listener = socket.create_server((address, 0))
    port = listener.getsockname()[1]
    pool.urls.append(f"tcp://{address}:{port}")
    pool.frontends[0].signal(signal.SIGTERM)
    pool.frontends[0].wait()
    pool.frontends[0] = pool.new_frontend()
    listener.settimeout(0.5)
    until = time.monotonic() + 3
    number = 0
    while time.monotonic() < until:
        try:
            sock, _ = listener.accept()
        except TimeoutError:
            continue
        VANISHING_MANNERS[number % len(VANISHING_MANNERS)](sock)
        number += 1
    listener.close()
    assert number > 3, "nobody dialled"
    return port
