"""shortage - a daemon without descriptors to spare, and a flood that wants some."""

import os
import resource
import socket
import threading

OPEN_MAX = 400  # connections of the flood at once
BATCH = 10


class Shortage:
    """Within it the program may open so few files more than it has open."""

    def __init__(self, program, spare):
        self._pid = program.pid
        self._spare = spare

    def __enter__(self):
        highest = max(int(fd) for fd in os.listdir(f"/proc/{self._pid}/fd"))
        self._before = resource.prlimit(self._pid, resource.RLIMIT_NOFILE)
        limit = (highest + 1 + self._spare, self._before[1])
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, limit)
        return self

    def __exit__(self, *_):
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, self._before)


class Flood:
    """Connections to each address over and over that ask nothing."""

    def __init__(self, addresses, pause_s=0.01):
        hosts = [address.rpartition(":") for address in addresses]
        self._addresses = [(host, int(port)) for host, _, port in hosts]
        self._pause_s = pause_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.count = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _run(self):
        opened = []
        while not self._end.wait(self._pause_s):
            for address in self._addresses * BATCH:
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex(address)
                opened.append(sock)
                self.count += 1
            while len(opened) > OPEN_MAX:
                opened.pop(0).close()
        for sock in opened:
            sock.close()
