"""frames - the messages between the tiers, written and read by hand.

A small msgpack of its own, so that the wire is tested against the schema in
common/rpc.h and not against the code that implements it.
"""

import struct

from support.daemons import BUILD_DIR
from support.process import run
from support.socketmap import connect
from support.wait import PATIENCE

VERSION = 1
LOOKUP = 1
HEALTH = 2
OUTCOMES = (
    "OK NOTFOUND TEMP TIMEOUT PERM BUSY DRAINING UNIMPLEMENTED"  # in this order
).split()


def pack(value):
    """msgpack of None, bool, int, str, bytes, list and dict, shortest form."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _pack_integer(value)
    if isinstance(value, str):
        data = value.encode("utf-8")
        if len(data) < 32:
            return bytes([0xA0 | len(data)]) + data
        return b"\xdb" + struct.pack(">I", len(data)) + data
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, list):
        head = b"\xdd" + struct.pack(">I", len(value))
        return head + b"".join(pack(item) for item in value)
    head = b"\xdf" + struct.pack(">I", len(value))
    return head + b"".join(pack(k) + pack(v) for k, v in value.items())


def _pack_integer(value):
    if 0 <= value < 128:
        return bytes([value])
    if value >= 0:
        return b"\xcf" + struct.pack(">Q", value)
    return b"\xd3" + struct.pack(">q", value)


class _Reader:
    """Every form that an encoder may choose, but for floats and extensions."""

    _SIZES = {
        **{0xC4: (bytes, ">B"), 0xC5: (bytes, ">H"), 0xC6: (bytes, ">I")},
        **{0xD9: (str, ">B"), 0xDA: (str, ">H"), 0xDB: (str, ">I")},
        **{0xDC: (list, ">H"), 0xDD: (list, ">I")},
        **{0xDE: (dict, ">H"), 0xDF: (dict, ">I")},
    }
    _INTEGERS = {
        **{0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"},
        **{0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"},
    }

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        assert self.at + count <= len(self.data), "msgpack ends early"
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self):
        head = self.take(1)[0]
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 0x100
        if head in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[head]
        if head in self._INTEGERS:
            return self.number(self._INTEGERS[head])
        if head in self._SIZES:
            kind, form = self._SIZES[head]
            return self.sized(kind, self.number(form))
        if head < 0x90:
            return self.sized(dict, head & 0x0F)
        if head < 0xA0:
            return self.sized(list, head & 0x0F)
        assert head < 0xC0, f"msgpack type {head:#x} is not expected"
        return self.sized(str, head & 0x1F)

    def sized(self, kind, size):
        if kind is bytes:
            return self.take(size)
        if kind is str:
            return self.take(size).decode("utf-8")
        if kind is list:
            return [self.value() for _ in range(size)]
        return {self.value(): self.value() for _ in range(size)}


def unpack(data):
    """The one value that data holds."""
    reader = _Reader(data)
    value = reader.value()
    assert reader.at == len(data), "bytes after the value"
    return value


def lookup_call(call_id, map_name, key, left_ms=10_000, request_id=1):
    arguments = {1: map_name, 2: key}
    return {1: call_id, 2: LOOKUP, 3: left_ms, 4: arguments, 5: request_id}


def call_frame(*calls, version=VERSION, merges=False, **more):
    """merges: results may come under the header of another frame."""
    if merges:
        more[4] = 1
    return pack({0: version, 1: list(calls), **more})


def results(frame):
    """{id: (outcome, data)} of a frame of results."""
    value = unpack(frame)
    assert value[0] == VERSION, value
    found = {}
    for result in value[2]:
        data = result.get(3, b"")
        data = data if isinstance(data, bytes) else data.encode()
        found[result[1]] = (OUTCOMES[result.get(2, 0)], data.decode())
    assert len(found) == len(value[2]), "a call was answered twice"
    return found


def exchange(url, frame):
    """Send one message over an nng REQ connection of its own; the reply."""
    program = BUILD_DIR / "tests" / "cooked_req"
    status, out, err = run([program, url], stdin=frame.hex().encode())
    assert status == 0, err
    return bytes.fromhex(out.strip())


class RawReq:
    """A raw REQ peer over TCP, by hand: sees every message of an answer.

    Source: the SP transport mapping for TCP (RFC draft of nanomsg): a greeting
    of eight bytes each way, then messages with eight bytes of length.
    """

    REQ, REP = 0x30, 0x31  # protocol numbers
    FINAL = 0x80000000  # set in a request's id, the last of its header

    def __init__(self, url, timeout=PATIENCE):
        self._sock = connect(url.removeprefix("tcp://"), timeout)
        self._sock.sendall(struct.pack(">4sHH", b"\0SP\0", self.REQ, 0))
        greeting = struct.unpack(">4sHH", self._read(8))
        assert greeting == (b"\0SP\0", self.REP, 0), greeting

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._sock.close()

    def _read(self, count):
        data = b""
        while len(data) < count:
            part = self._sock.recv(count - len(data))
            assert part, "the backend has closed the connection"
            data += part
        return data

    def send(self, request_id, frame):
        message = struct.pack(">I", request_id | self.FINAL) + frame
        self._sock.sendall(struct.pack(">Q", len(message)) + message)

    def receive(self):
        """The next message: (the id of the request it answers, its frame)."""
        (size,) = struct.unpack(">Q", self._read(8))
        message = self._read(size)
        (header,) = struct.unpack(">I", message[:4])
        assert header & self.FINAL, f"header {header:#x}"
        return header & ~self.FINAL, message[4:]

    def receive_all(self, request_id, count):
        """Collect the answers to so many calls of one request, in messages."""
        messages = []
        while sum(len(results(frame)) for frame in messages) < count:
            got, frame = self.receive()
            assert got == request_id, "an answer to another request"
            messages.append(frame)
        return messages
