"""dns - a name server for tests: A, AAAA and SRV records, changed while it runs.

Over UDP, and over TCP what UDP has no room for.  It can be silent, fail, and
send answers that are no answers.
"""

import ipaddress
import selectors
import socket
import struct
import threading

TYPE_A, TYPE_AAAA, TYPE_SRV, CLASS_IN = 1, 28, 33, 1
FLAGS_ANSWER = 0x8580  # a response, authoritative, recursion available
FLAG_TRUNCATED = 0x0200
NXDOMAIN, SERVFAIL = 3, 2
UDP_MAX = 512
TCP_PATIENCE = 5  # seconds


class DnsServer:
    """Answers on port 53 of a loopback address, which needs root.

    names maps a name to its addresses, services one to its SRV records, as
    (priority, weight, port, target).  silent, broken (SERVFAIL) and garbled
    are faults.  asked counts questions, over_tcp those that came so.
    """

    def __init__(self, address):
        self.address = address
        self.names = {}
        self.services = {}
        self.silent = self.broken = self.garbled = False
        self.asked = self.over_tcp = 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._tcp = socket.socket(family, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._wake, self._woken = socket.socketpair()
        try:
            self._udp.bind((address, 53))
            self._tcp.bind((address, 53))
            self._tcp.listen()
        except OSError:
            self._close_sockets()
            raise
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with selectors.DefaultSelector() as selector:
            for sock in (self._udp, self._tcp, self._woken):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._woken in ready:
                    return
                if self._udp in ready:
                    self._serve_udp()
                if self._tcp in ready:
                    self._serve_tcp()

    def _serve_udp(self):
        query, peer = self._udp.recvfrom(UDP_MAX)
        answer = self._answer(query)
        if answer and len(answer) > UDP_MAX:
            # The question alone: ask again over TCP.
            flags = struct.pack(">H", FLAGS_ANSWER | FLAG_TRUNCATED)
            counts = struct.pack(">HHHH", 1, 0, 0, 0)
            answer = query[:2] + flags + counts + _question(query)
        if answer:
            self._udp.sendto(answer, peer)

    def _serve_tcp(self):
        connection, _ = self._tcp.accept()
        with connection, connection.makefile("rb") as stream:
            connection.settimeout(TCP_PATIENCE)
            try:
                query = stream.read(struct.unpack(">H", stream.read(2))[0])
                self.over_tcp += 1
                answer = self._answer(query)
                if answer:
                    connection.sendall(struct.pack(">H", len(answer)) + answer)
            except (OSError, struct.error):
                pass  # whoever asked has gone

    def _answer(self, query):
        self.asked += 1
        if self.silent:
            return None
        name, kind = _name(query), struct.unpack(">H", _question(query)[-4:-2])[0]
        code, records = 0, self._records(name, kind)
        if self.broken:
            code, records = SERVFAIL, []
        elif records is None:
            code, records = NXDOMAIN, []
        counts = struct.pack(">HHHH", 1, len(records), 0, 0)
        answer = (
            query[:2]
            + struct.pack(">H", FLAGS_ANSWER | code)
            + counts
            + _question(query)
            + b"".join(_record(kind, data) for data in records)
        )
        if self.garbled:  # it claims a record that is cut off
            answer = answer[:6] + b"\0\1" + answer[8:12] + _question(query) + b"\xc0"
        return answer

    def _records(self, name, kind):
        """The data of each; None when there is no such name."""
        if name not in self.names and name not in self.services:
            return None
        if kind == TYPE_SRV:
            return [
                struct.pack(">HHH", *numbers) + _labels(target)
                for *numbers, target in self.services.get(name, ())
            ]
        addresses = map(ipaddress.ip_address, self.names.get(name, ()))
        version = {TYPE_A: 4, TYPE_AAAA: 6}.get(kind)
        return [a.packed for a in addresses if a.version == version]

    def _close_sockets(self):
        for sock in (self._udp, self._tcp, self._wake, self._woken):
            sock.close()

    def close(self):
        self._wake.send(b"x")
        self._thread.join()
        self._close_sockets()


def _question(query):
    end = query.index(0, 12)  # labels hold no NUL here
    return query[12 : end + 5]


def _name(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels).lower()


def _labels(name):
    parts = [part.encode() for part in name.split(".") if part]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def _record(kind, data):
    """Named as the question is; with a time to live that is too long."""
    head = struct.pack(">HHHIH", 0xC00C, kind, CLASS_IN, 600, len(data))
    return head + data
