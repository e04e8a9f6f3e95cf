"""weight - what a running program takes: CPU time, memory, time to start."""

import os
import resource
import socket
import time
from pathlib import Path

from support.daemons import program_path
from support.directory import TOKEN
from support.socketmap import SocketmapClient
from support.wait import PATIENCE

PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(program):
    """CPU time of all its threads, by the kernel's nanoseconds."""
    total = 0
    for task in Path(f"/proc/{program.pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / 1e9


def resident_bytes(program):
    """Memory that is its alone or shared, but now in RAM."""
    return int(Path(f"/proc/{program.pid}/statm").read_text().split()[1]) * PAGE


def raise_files(count):
    """Let this process open so many files; False when that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return count <= hard


def idle_connection_bytes(frontend, count):
    """What an idle connection adds, each of which has asked once."""
    host, _, port = frontend.address.rpartition(":")
    query = b"17:alias example.org,"  # answered by rule
    opened = []
    before = resident_bytes(frontend)
    try:
        for _ in range(count):
            opened.append(socket.create_connection((host, int(port)), 60))
            opened[-1].sendall(query)
        for connection in opened:
            assert connection.recv(100) == b"9:NOTFOUND ,"
        return (resident_bytes(frontend) - before) / count
    finally:
        for connection in opened:
            connection.close()


class Started:
    """Both tiers, started at the same moment; .seconds until the first answer.

    They meet on UNIX sockets, whose names are known before.
    """

    def __init__(self, keeper, folder, userli_url, key):
        rpc, postfix = f"ipc://{folder}/rpc", f"{folder}/socketmap"
        metrics = {"METRICS_LISTEN_ADDR": "127.0.0.1:0"}
        began = time.monotonic()
        self.backend = keeper.start(
            [program_path("userli-bridge-backend")],
            env={
                "BACKEND_LISTEN_URL": rpc,
                "USERLI_BASE_URL": userli_url,
                "USERLI_TOKEN": TOKEN,
                **metrics,
            },
        )
        self.frontend = keeper.start(
            [program_path("userli-bridge-frontend")],
            env={"SOCKETMAP_LISTEN_ADDR": postfix, "BACKEND_URLS": rpc, **metrics},
        )
        self.answer = _first_answer(postfix, key)
        self.seconds = time.monotonic() - began


def _first_answer(address, key):
    """Asked as soon as somebody listens, as Postfix would be answered."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with SocketmapClient(address) as client:
                return client.lookup("alias", key)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.001)  # until the listener is there
