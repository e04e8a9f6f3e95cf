"""Place: hosts whose disks are full, whose networks have one family of addresses,
and who allow few open files or many.  Clocks and logs: test_time_and_place.py.
"""

import contextlib
import os
import resource
import socket
import time
from pathlib import Path

import pytest
from support.daemons import Backend, Frontend, Sandbox, program_path
from support.directory import LISTS
from support.dns import DnsServer
from support.load import SLOWNESS
from support.netns import Unavailable, resolver_launcher
from support.places import (
    file_limit,
    files_allowed,
    in_namespace,
    network,
    preloaded,
)
from support.process import run
from support.sp_stream import GREETING
from support.wait import wait_until
from support.weight import cpu_seconds

PREFIX = "userli_postfix_adapter_"
LISTED = [f"list{n}@example.org" for n in range(LISTS)]
KEPT = LISTS + 1  # with the domain


def value(daemon, name, **labels):
    return daemon.metrics().value(PREFIX + name, **labels)


def right(key):
    return f"OK {key.replace('list', 'member')}"


# --- Disks -------------------------------------------------------------------

NOT_SAVED = "cache not saved, the file of last time stays"
SAVED_AGAIN = "cache is saved again"


class Keeping:
    """A backend with a cache file on a disk of a kind, and who asks it."""

    def __init__(self, keeper, sandbox, folder, launcher=(), **settings):
        self.userli = sandbox()
        self.rear = keeper.add(
            Backend(
                self.userli.url,
                launcher=launcher,
                LOOKUP_CACHE_TTL="1h",
                CACHE_FILE=folder / "cache",
                CACHE_FILE_INTERVAL="100ms",
                **settings,
            )
        )
        self.front = keeper.add(Frontend(self.rear.urls)).wait_ready()
        # The folder as the backend sees it.
        self.folder = Path(f"/proc/{self.rear.pid}/root{folder}")

    def ask(self, count):
        with self.front.client() as client:
            for key in LISTED[:count]:
                assert str(client.lookup("alias", key)) == right(key)

    def wait_saved(self, count):
        wait_until(
            lambda: value(self.rear, "cache_file_saved_entries") == count,
            what=f"{count} are saved",
        )

    def failures(self, operation="save"):
        return value(self.rear, "cache_file_failures_total", operation=operation)

    def check_outage(self, begin, end, reason):
        """Between begin() and end() nothing can be saved."""
        self.ask(10)
        self.wait_saved(11)
        seen = len(self.rear.find_events(NOT_SAVED))
        begin()
        self._wait_failures(2)
        whole = (self.folder / "cache").read_bytes()
        self.ask(LISTS)
        self._wait_failures(3)
        assert (self.folder / "cache").read_bytes() == whole
        told = self.rear.find_events(NOT_SAVED)[seen:]
        assert len(told) == 1 and reason in told[0]["error"], told
        assert value(self.rear, "cache_file_saved_entries") == 11
        end()
        self.rear.wait_event(SAVED_AGAIN)
        self.wait_saved(KEPT)
        return whole

    def _wait_failures(self, more):
        before = self.failures()
        wait_until(lambda: self.failures() >= before + more, what="saving fails")


@pytest.fixture
def kept(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o700)
    return folder


def fill(path, count=1 << 30):
    """All the room that there is, up to count bytes."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.tell() < count:
            file.write(b"x" * 4096)


def use_up_names(folder):
    with contextlib.suppress(OSError):
        for n in range(100):
            (folder / f"file{n}").touch()


def test_a_full_disk_keeps_the_last_file_and_is_told_once(
    may, keeper, sandbox, backend, kept
):
    mount = f"mount -t tmpfs -o size=256k,nr_inodes=20,mode=0700 none {kept}"
    keeping = Keeping(keeper, sandbox, kept, may(in_namespace, mount))
    there = keeping.folder
    whole = keeping.check_outage(
        lambda: fill(there / "filler"), (there / "filler").unlink, "No space left"
    )
    assert sorted(path.name for path in there.iterdir()) in (
        ["cache"], ["cache", "cache.tmp"])  # fmt: skip
    # Not even a name for the new file.
    use_up_names(there)
    told = keeping.rear.wait_event(NOT_SAVED, skip=1)
    assert "cannot create" in told["error"] and "No space left" in told["error"]
    for path in there.glob("file*"):
        path.unlink()
    keeping.rear.wait_event(SAVED_AGAIN, skip=1)
    # What had stayed there is a file like any other.
    (kept / "cache").write_bytes(whole)
    (kept / "cache").chmod(0o600)
    later = backend(
        keeping.userli.url, LOOKUP_CACHE_TTL="1h", CACHE_FILE=kept / "cache"
    )
    assert value(later, "cache_file_loaded_entries") == 11


@pytest.mark.parametrize("step", ("fsync", "rename"))
def test_a_disk_that_is_full_at_the_last_step_keeps_the_last_file(
    keeper, sandbox, kept, tmp_path, step
):
    full = tmp_path / "full"
    keeping = Keeping(keeper, sandbox, kept, **preloaded("full_disk", FULL_DISK=full))
    keeping.check_outage(lambda: full.symlink_to(step), full.unlink, "No space left")


def test_a_folder_that_cannot_be_written_is_told_once(may, keeper, sandbox, kept):
    mount = f"mount --bind {kept} {kept} && mount -o remount,bind,ro {kept}"
    keeping = Keeping(keeper, sandbox, kept, may(in_namespace, mount))
    assert keeping.rear.find_events("CACHE_FILE is in an unfit directory")
    wait_until(lambda: keeping.failures() > 3, what="saving fails")
    (told,) = keeping.rear.find_events(NOT_SAVED)
    assert "Read-only file system" in told["error"]
    keeping.ask(LISTS)
    assert keeping.rear.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_belongs_to_somebody_else_is_not_taken(keeper, sandbox, kept):
    first = Keeping(keeper, sandbox, kept)
    first.ask(10)
    first.wait_saved(11)
    assert first.rear.stop() == 0
    os.chown(kept / "cache", 12345, 12345)
    second = Keeping(keeper, sandbox, kept, USERLI_BASE_URL=first.userli.url)
    (told,) = second.rear.find_events("cache file not taken, starting without")
    assert "belongs to user 12345" in told["error"]
    assert second.failures("load") == 1
    assert value(second.rear, "cache_file_loaded_entries") == 0
    second.ask(LISTS)
    second.wait_saved(KEPT)  # and this one is its own
    assert (kept / "cache").stat().st_uid == os.geteuid()


# --- Networks ----------------------------------------------------------------

TOOL = program_path("userli-bridge")


def tool(*arguments):
    """Exit status and standard output of userli-bridge."""
    return run([TOOL, *arguments], timeout=30)[:2]


def postmap(folder, address, key):
    """What Postfix's own client has from a map of this host."""
    (folder / "main.cf").write_text("")
    table = f"socketmap:inet:{address}:mailbox"
    return run(["postmap", "-c", folder, "-q", key, table])[:2]


def test_a_host_with_ipv6_alone(may, keeper, directory_file, tmp_path):
    may(network, ipv4=False)
    dns = DnsServer("::1")
    keeper.defer(dns.close)
    resolver = may(resolver_launcher, tmp_path, dns.address)
    dns.names["host.example"] = ["::1"]
    userli = keeper.add(Sandbox(directory_file, listen="[::1]:0"))
    metrics = {"METRICS_LISTEN_ADDR": "[::1]:0"}
    rears = [
        keeper.add(
            Backend(
                userli.url.replace("[::1]", "host.example"),
                BACKEND_LISTEN_URL="tcp://[::1]:0",
                launcher=resolver,
                **metrics,
            )
        ).wait_ready()
        for _ in range(2)
    ]
    ports = [int(rear.urls[0].rpartition(":")[2]) for rear in rears]
    dns.services["_userli-bridge._tcp.pool.example"] = [
        (0, 1, ports[1], "host.example")
    ]
    front = keeper.add(
        Frontend(
            [f"tcp://host.example:{ports[0]}", "srv+tcp://pool.example"],
            SOCKETMAP_LISTEN_ADDR="[::1]:0,:10001",
            launcher=resolver,
            **metrics,
        )
    ).wait_ready()
    wait_until(
        lambda: value(front, "pool_members", state="up") == 2, what="both are found"
    )
    for address in (front.address, "[::1]:10001"):
        with front.client(address) as client:
            for key in LISTED:
                assert str(client.lookup("alias", key)) == right(key)
        key = "alice@example.org"
        assert tool("query", "mailbox", key, "--addr", address) == (0, "1\n")
        with contextlib.suppress(FileNotFoundError):  # Postfix may not be there
            assert postmap(tmp_path, address, key) == (0, "1\n")
    for rear in rears:
        assert rear.metrics().total(PREFIX + "backend_calls_total", outcome="OK") > 0
        assert tool("cache", "flush", "--addr", rear.urls[0])[0] == 0
    for daemon in (front, *rears):
        assert daemon.metrics_url.startswith("http://[::1]:")
        assert tool("healthcheck", f"{daemon.metrics_url}/ready")[0] == 0


# "localhost" is ::1 first on such a host as well, if its files say so.
HOSTS = "::1 localhost ip6-localhost\\n127.0.0.1 localhost\\n"


@pytest.mark.parametrize("lack", ("no ::1", "no IPv6 in the kernel"))
@pytest.mark.parametrize("host", ("", "localhost"))
def test_a_host_without_loopback_ipv6(may, keeper, directory_file, tmp_path, lack, host):
    may(network, ipv6=False)
    hosts = tmp_path / "hosts"
    launcher = may(
        in_namespace, f"printf '{HOSTS}' >{hosts} && mount --bind {hosts} /etc/hosts"
    )
    settings = preloaded("no_ipv6") if lack == "no IPv6 in the kernel" else {}
    userli = keeper.add(Sandbox(directory_file, listen="127.0.0.1:8000"))
    listens = f"tcp://{host}:10010" if host else None  # None: the default
    rear = Backend(
        userli.url,
        launcher=launcher,
        USERLI_BASE_URL=None,
        BACKEND_LISTEN_URL=listens,
        METRICS_LISTEN_ADDR=f"{host}:10012",
        **settings,
    )
    rear.metrics_url = "http://127.0.0.1:10012"
    keeper.add(rear).wait_ready()
    front = Frontend(
        [],
        launcher=launcher,
        BACKEND_URLS=listens,
        SOCKETMAP_LISTEN_ADDR=f"{host}:10001",
        METRICS_LISTEN_ADDR=f"{host}:10002",
        **settings,
    )
    front.metrics_url = "http://127.0.0.1:10002"
    keeper.add(front).wait_ready()
    with front.client("127.0.0.1:10001") as client:
        for key in LISTED:
            assert str(client.lookup("alias", key)) == right(key)
    for daemon in (rear, front):
        assert not [e for e in daemon.find_events() if e["level"] == "error"]
        assert tool("healthcheck", f"{daemon.metrics_url}/ready")[0] == 0
    assert tool("query", "mailbox", "alice@example.org") == (0, "1\n")


# --- Descriptors -------------------------------------------------------------

FEW, MANY = 1024, 65536
RESERVE = 256  # what the frontend leaves for all but connections
CROWD = 20000
QUERY = b"17:alias example.org,"  # answered by rule
ANSWER = b"9:NOTFOUND ,"


def open_asked(stack, address, count):
    """So many connections, each of which has asked once.

    To several addresses: ports of ours become rare, and dear to find.
    """
    port = int(address.rpartition(":")[2])
    opened = []
    for n in range(count):
        sock = socket.create_connection((f"127.0.0.{1 + n % 4}", port), 60)
        opened.append(stack.enter_context(sock))
        sock.sendall(QUERY)
        assert sock.recv(100) == ANSWER
    return opened


def test_with_1024_descriptors_the_frontend_says_and_keeps_to_what_it_can(
    may, keeper, sandbox, backend
):
    rear = backend(sandbox().url).wait_ready()
    front = keeper.add(
        Frontend(
            rear.urls, launcher=may(file_limit, FEW), SOCKETMAP_LISTEN_ADDR=":0"
        )
    ).wait_ready()
    told = front.wait_event(
        "so few open files leave room for fewer connections than "
        "SOCKETMAP_MAX_CONNECTIONS"
    )
    assert (told["level"], told["connections"]) == ("warn", FEW - RESERVE)
    with contextlib.ExitStack() as stack:
        may(files_allowed, 4096)
        opened = open_asked(stack, front.address, FEW + 200)
        metrics = front.metrics()
        assert metrics.value(PREFIX + "active_connections") == FEW - RESERVE
        assert metrics.value("process_max_fds") == FEW
        assert metrics.value("process_open_fds") < FEW
        assert metrics.value(PREFIX + "accept_failures_total") == 0
        # Those who have been idle the longest had to go, nobody else.
        assert opened[0].recv(100) == b""
        for sock in opened[-100:]:
            sock.sendall(QUERY)
            assert sock.recv(100) == ANSWER
        with front.client(f"127.0.0.1{front.address}") as client:
            assert str(client.lookup("alias", LISTED[0])) == right(LISTED[0])
        # There is room for a backend that comes back, too.
        rear.kill()
        later = keeper.add(
            Backend(keeper.programs[0].url, BACKEND_LISTEN_URL=rear.urls[0])
        )
        later.wait_ready()
        front.wait_ready()
        with front.client(f"127.0.0.1{front.address}") as client:
            assert str(client.lookup("alias", LISTED[1])) == right(LISTED[1])
        before, began = cpu_seconds(front), time.monotonic()
        wait_until(lambda: time.monotonic() > began + 1, what="a second has passed")
        assert cpu_seconds(front) - before < 0.2 * SLOWNESS


def open_files(daemon):
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


def test_with_1024_descriptors_the_backend_goes_on_for_those_it_has(
    may, keeper, sandbox, frontend
):
    userli = sandbox()
    rear = keeper.add(Backend(userli.url, launcher=may(file_limit, FEW))).wait_ready()
    front = frontend(rear.urls).wait_ready()
    assert str(front.lookup("alias", LISTED[0])) == right(LISTED[0])
    host, _, port = rear.urls[0].removeprefix("tcp://").rpartition(":")
    with contextlib.ExitStack() as stack:
        may(files_allowed, 4096)
        while open_files(rear) < FEW - 1:
            peer = socket.create_connection((host, int(port)), 60)
            stack.enter_context(peer).sendall(GREETING)
            assert len(peer.recv(8)) == 8
        for _ in range(10):  # and these wait for room
            peer = socket.create_connection((host, int(port)), 60)
            stack.enter_context(peer).sendall(GREETING)
        before, began = cpu_seconds(rear), time.monotonic()
        with front.client() as client:
            for key in LISTED:
                assert str(client.lookup("alias", key)) == right(key)
            wait_until(lambda: time.monotonic() > began + 2, what="two seconds")
            assert open_files(rear) >= FEW - 1
            for key in LISTED:
                assert str(client.lookup("alias", key)) == right(key)
        assert cpu_seconds(rear) - before < 0.5 * SLOWNESS
    wait_until(lambda: open_files(rear) < 100, what="all have gone")
    later = frontend(rear.urls).wait_ready()
    assert str(later.lookup("alias", LISTED[1])) == right(LISTED[1])


def test_with_65536_descriptors_twenty_thousand_connections_are_kept(
    may, keeper, sandbox, backend
):
    """Or as many as this machine allows, less what is open besides."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    allowed = MANY if hard == resource.RLIM_INFINITY else min(MANY, hard)
    crowd = min(CROWD, allowed - 1000)
    rear = backend(sandbox().url).wait_ready()
    front = keeper.add(
        Frontend(
            rear.urls,
            launcher=may(file_limit, allowed),
            SOCKETMAP_LISTEN_ADDR=":0",
            SOCKETMAP_MAX_CONNECTIONS=allowed - RESERVE,
        )
    ).wait_ready()
    assert not [e for e in front.find_events() if e["level"] == "warn"]
    with contextlib.ExitStack() as stack:
        may(files_allowed, allowed)
        opened = open_asked(stack, front.address, crowd)
        local = f"127.0.0.1{front.address}"
        assert value(front, "active_connections") == crowd
        with front.client(local) as client:
            for key in LISTED:
                assert str(client.lookup("alias", key)) == right(key)
        for sock in opened[::100]:
            sock.sendall(QUERY)
            assert sock.recv(100) == ANSWER
        for reason in ("refused", "reaped"):
            assert value(front, "connections_closed_total", reason=reason) == 0
