"""Who reaches the socketmap port and means harm: nobody else pays for it.

Each test names its attack and prints what it cost: -rP shows the lines.
--full has them last as long as they are meant to.
"""

import socket
import threading
import time

import pytest
from support.daemons import fault
from support.hostile import Bystanders, Crowd
from support.load import SLOWNESS
from support.socketmap import netstring, request
from support.weight import raise_files, resident_bytes

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]

SLOW_CLIENTS = 2000 if SLOWNESS == 1 else 500
DEAF_CLIENTS = 20
TIMEOUT_S = 4
DEAF_BYTES_MAX = 5 << 20  # of memory for one client that never reads
LARGE = [f"{i:06d}-destination@example.org" for i in range(2900)]
LOOKUPS = [
    ("mailbox alice@example.org", "OK 1"),
    ("mailbox nobody@example.org", "NOTFOUND "),
    ("domain example.org", "OK 1"),
    ("alias example.org", "NOTFOUND "),
]


@pytest.fixture
def attacked(machine, make_stack, keeper, tmp_path):
    """A stack whose clients have 4 s for a request, and for a reply."""
    timeout = f"{TIMEOUT_S}s"
    stack = make_stack(
        backend={"LOOKUP_CACHE_TTL": None, "LOOKUP_NEGATIVE_TTL": "300s"},
        frontend={
            "SOCKETMAP_READ_TIMEOUT": timeout,
            "SOCKETMAP_WRITE_TIMEOUT": timeout,
        },
    )
    if not raise_files(3 * SLOW_CLIENTS):
        pytest.skip("too few open files are allowed here")
    stack.bystanders = Bystanders(keeper, tmp_path, stack.frontend.address, LOOKUPS)
    yield stack
    stack.bystanders.finish()


def closed(reason, at_least):
    return {"connections_closed_total": ({"reason": reason}, at_least)}


def test_two_thousand_clients_that_send_a_byte_now_and_then(attacked):
    """Each is let go once its request is not complete in time."""
    query = request("mailbox", "a" * 200 + "@example.org")
    with attacked.bystanders.attacked(
        f"{SLOW_CLIENTS} slow clients",
        attacked.frontend,
        **closed("read_timeout", SLOW_CLIENTS),
    ):
        clients = [attacked.frontend.client() for _ in range(SLOW_CLIENTS)]
        ends = time.monotonic() + 2 * TIMEOUT_S * SLOWNESS
        for byte in query[: 3 * TIMEOUT_S]:
            for client in clients:
                try:
                    client.send_raw(bytes([byte]))
                except ConnectionError:
                    pass  # let go
            time.sleep(0.5)
        assert all(client.at_end() for client in clients)
        assert time.monotonic() < ends + 60
        for client in clients:
            client.close()


def test_as_many_connections_a_second_as_can_be(attacked, keeper, full):
    host_port = attacked.frontend.address
    with attacked.bystanders.attacked(
        "connections that come and go",
        attacked.frontend,
        connections_closed_total=({}, 1000),
    ):
        crowd = keeper.add(Crowd(host_port, 10_000, request("domain", "example.org")))
        time.sleep(30 if full else 3)
        figures = crowd.finish()
    assert not figures["failed"]


def deafen(client, requests):
    """Ask without end and never read, until the other side has had enough."""
    client.sock.settimeout(3 * TIMEOUT_S * SLOWNESS)
    # Or the kernel takes some megabytes of answers first.
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        while True:
            client.send_raw(requests)
    except OSError:
        pass


@pytest.mark.parametrize(
    "size, reason", [("small", "write_timeout"), ("large", "unread")]
)
def test_clients_that_ask_on_and_never_read(attacked, size, reason):
    """What waits for one is bounded, and it is let go."""
    attacked.sandbox.set_faults(fault("alias", "large@example.org", body=LARGE))
    question = {"small": "mailbox alice@example.org", "large": "alias large@example.org"}
    requests = netstring(question[size].encode()) * 1000
    before = resident_bytes(attacked.frontend)
    most = []
    with attacked.bystanders.attacked(
        f"{DEAF_CLIENTS} clients that never read {size} answers",
        attacked.frontend,
        **closed(reason, DEAF_CLIENTS),
    ):
        clients = [attacked.frontend.client() for _ in range(DEAF_CLIENTS)]
        threads = [
            threading.Thread(target=deafen, args=(client, requests))
            for client in clients
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            most.append(resident_bytes(attacked.frontend))
            time.sleep(0.02)
        for client in clients:
            client.close()
    grown = max(most) - before
    print(f"at most {grown >> 10} KiB for {DEAF_CLIENTS} clients")
    if SLOWNESS == 1:
        assert grown <= DEAF_CLIENTS * DEAF_BYTES_MAX
