"""Who reaches the port between the tiers and means harm: nobody else pays.

Each test names its attack and prints what it cost: -rP shows the lines.
"""

import contextlib
import struct
import time

import pytest
from support import sp
from support.frames import HEALTH, call_frame, lookup_call, pack, results, unpack
from support.hostile import Bystanders, Crowd
from support.load import SLOWNESS
from support.pool import PREFIX
from support.wait import wait_until

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]

LOOKUPS = [
    ("mailbox alice@example.org", "OK 1"),
    ("mailbox nobody@example.org", "NOTFOUND "),
    ("domain example.org", "OK 1"),
    ("senders alice@example.org", "OK alice@example.org"),
]
GOOD = lookup_call(1, "domain", b"example.org")
GREETING_S = 10  # nng's patience with who has not greeted
HELD = 200

# No frame, whoever sends it.
RUBBISH = {
    "nothing": b"",
    "no msgpack": b"\xc1rubbish",
    "a map of 2^32-1": b"\xdf\xff\xff\xff\xff",
    "2^32-1 calls": b"\x82\x00\x01\x01\xdd\xff\xff\xff\xff",
    "2^32-1 results": b"\x82\x00\x01\x02\xdd\xff\xff\xff\xff",
    "a string of 2^32-1": b"\x82\x00\x01\x01\x91\x82\x01\x01\x04\xdb\xff\xff\xff\xff",
    "an extension of 2^32-1": b"\x81\x00\xc9\xff\xff\xff\xff\x01",
    "200,000 deep": b"\x91" * 200_000,
    "maps 100,000 deep": b"\x81\x00" * 100_000,
    "a million nils": b"\x82\x00\x01\x01\xdd\x00\x03\xff\x00" + b"\xc0" * 0x3FF00,
    "cut short": call_frame(GOOD)[:-3],
    "one byte more": call_frame(GOOD) + b"\0",
    "two frames": call_frame(GOOD) * 2,
    "a list": pack([1, 2, 3]),
}


@pytest.fixture
def attacked(machine, make_stack, keeper, tmp_path, short_dir):
    """A stack whose backend listens on TCP and on a UNIX socket."""
    stack = make_stack(
        backend={
            "BACKEND_LISTEN_URL": f"tcp://127.0.0.1:0,ipc://{short_dir}/rpc",
            "LOOKUP_CACHE_TTL": None,
            "LOOKUP_NEGATIVE_TTL": "300s",
        },
    )
    stack.bystanders = Bystanders(keeper, tmp_path, stack.frontend.address, LOOKUPS)
    yield stack
    stack.bystanders.finish()
    restarts = PREFIX + "backend_listener_restarts_total"
    assert stack.backend.metrics().value(restarts) == 0


def useless(reason, at_least):
    return {"backend_connections_useless_total": ({"reason": reason}, at_least)}


# --- A frontend that means harm ----------------------------------------------


def test_frames_that_claim_nest_and_end_as_they_like(attacked):
    """Each is refused, and its sender is answered and served as before."""
    rounds = 20
    with attacked.bystanders.attacked(
        "frames of a hostile frontend",
        attacked.backend,
        backend_frames_rejected_total=({"reason": "malformed"}, rounds * len(RUBBISH)),
    ):
        with sp.Requester(attacked.backend.urls[0]) as peer:
            for _ in range(rounds):
                for frame in RUBBISH.values():
                    peer.ask(frame)
                for _ in RUBBISH:
                    assert results(peer.reply()[1]) == {}
                peer.ask(call_frame(GOOD))
                assert results(peer.reply()[1]) == {1: ("OK", "1")}


def test_a_frame_that_repeats_an_id(attacked):
    """Each call is answered, whatever it is called."""
    calls = 200
    with attacked.bystanders.attacked(
        "repeated ids", attacked.backend, backend_calls_total=({}, calls)
    ):
        with sp.Requester(attacked.backend.urls[0]) as peer:
            peer.ask(call_frame(*[GOOD] * calls))
            answers = 0
            while answers < calls:
                answers += len(unpack(peer.reply()[1])[2])
            assert answers == calls


# What is said over a connection, and the reason that it is counted for.
STREAMS = {
    "HTTP": (b"GET /metrics HTTP/1.1\r\nHost: b\r\n\r\n", "no_greeting"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "no_greeting"),
    "another protocol": (sp.header(sp.PUB), "protocol"),
    "another backend": (sp.header(sp.REP), "protocol"),
    "a greeting alone": (sp.header(sp.REQ), "unused"),
    "2^63 bytes": (sp.header(sp.REQ) + struct.pack(">Q", 1 << 63) + b"x" * 99, "unused"),
    "2^32 bytes": (sp.header(sp.REQ) + struct.pack(">Q", 1 << 32) + b"x" * 99, "unused"),
    "half a message": (sp.header(sp.REQ) + struct.pack(">Q", 100) + b"x" * 7, "unused"),
    "no request": (sp.header(sp.REQ) + sp.frame(b""), "unused"),
    "no end of hops": (sp.header(sp.REQ) + sp.frame(b"\0" * 4), "unused"),
}


def over_ipc(said):
    """On IPC a byte stands before each length."""
    greeting = sp.HEADER_SIZE
    if said.startswith(b"\0SP") and len(said) > greeting:
        return said[:greeting] + b"\1" + said[greeting:]
    return said


@pytest.mark.parametrize("scheme", ("tcp", "ipc"))
def test_streams_that_are_not_nngs(attacked, scheme):
    """Nothing said on one connection reaches another."""
    url = attacked.backend.urls[scheme == "ipc"]
    times = 30
    for reason in sorted({reason for _, reason in STREAMS.values()}):
        kinds = sum(of_reason == reason for _, of_reason in STREAMS.values())
        # nng looks away for 0.1 s after a failed greeting; of the others one
        # may be gone before it is looked at.
        count = 1 if reason == "no_greeting" else kinds * times * 9 // 10
        with attacked.bystanders.attacked(
            f"{reason} over {scheme}", attacked.backend, **useless(reason, count)
        ):
            for said, of_reason in STREAMS.values():
                for _ in range(times if of_reason == reason else 0):
                    speak(url, over_ipc(said) if scheme == "ipc" else said)
    with sp.Requester(url) as peer:
        peer.ask(call_frame(GOOD))
        assert results(peer.reply()[1]) == {1: ("OK", "1")}


def speak(url, said):
    """Until nng has said its greeting, and has had time for ours."""
    with sp.dial(url) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(said)
        sock.recv(sp.HEADER_SIZE)
        sock.settimeout(0.02)
        with contextlib.suppress(TimeoutError):
            sock.recv(1)


def test_connections_that_are_held_and_say_nothing(attacked):
    """Those without a greeting are let go; the others cost their descriptor."""
    url = attacked.backend.urls[0]
    with attacked.bystanders.attacked(
        f"{HELD} connections held in silence", attacked.backend, **useless("silent", 1)
    ):
        mute = [sp.dial(url) for _ in range(HELD)]
        for sock in mute[::2]:
            sock.sendall(sp.header(sp.REQ)[:5])
        idle = [sp.Requester(url) for _ in range(HELD)]
        time.sleep(GREETING_S)
        for sock in mute:
            sock.settimeout(GREETING_S * SLOWNESS)
            with contextlib.suppress(ConnectionError):
                while sock.recv(sp.HEADER_SIZE):
                    pass
            sock.close()
        with sp.Requester(url) as peer:
            peer.ask(call_frame(GOOD))
            assert results(peer.reply()[1]) == {1: ("OK", "1")}
        for peer in idle:
            peer.close()


@pytest.mark.parametrize("scheme", ("tcp", "ipc"))
def test_a_crowd_that_greets_and_leaves(attacked, keeper, scheme, full):
    """No lookup fails, no listener ends, every descriptor comes back."""
    url = attacked.backend.urls[scheme == "ipc"]
    # As a peer of the attacked listener, too.
    neighbour = keeper.add(
        type(attacked.frontend)([url], LOOKUP_TIMEOUT="20s")
    ).wait_ready()
    rate = 10_000 if full else 1_000
    with attacked.bystanders.attacked(
        f"a crowd over {scheme}", attacked.backend, **useless("unused", 1)
    ):
        address = url.partition("://")[2]
        crowd = keeper.add(Crowd(address, rate, sp.header(sp.REQ)))
        ends = time.monotonic() + (30 if full else 3)
        with neighbour.client() as client:
            while time.monotonic() < ends:
                assert client.lookup("domain", "example.org").status == "OK"
        with contextlib.suppress(ConnectionError):
            speak(url, sp.header(sp.REQ))
        crowd.finish()
    neighbour.stop()


# --- A backend that means harm -----------------------------------------------


class Liar:
    """Answers one health call, so that it is believed; then as misled says."""

    def __init__(self, misled):
        self._misled = misled
        self._greeted = False
        self.backend = sp.FakeBackend("127.0.0.1", self._answer)

    def _answer(self, body):
        calls = unpack(body)[1]
        if not self._greeted and calls[0][2] == HEALTH:
            self._greeted = True
            return [result_frame({1: calls[0][1], 2: 0})]
        return self._misled(calls)


def result_frame(*found):
    return pack({0: 1, 2: list(found), 3: "liar"})


def rubbish(calls):
    return list(RUBBISH.values())


def right_and_more(calls):
    """Every answer as it should be, twice, and some that nobody asked for."""
    known = {question: answer for question, answer in LOOKUPS}
    found = []
    for call in calls:
        if call[2] == HEALTH:
            found.append({1: call[1], 2: 0})
            continue
        key = call[4][2]
        key = key.decode() if isinstance(key, bytes) else key
        status, _, data = known[f"{call[4][1]} {key}"].partition(" ")
        found.append({1: call[1], 2: ["OK", "NOTFOUND"].index(status), 3: data})
    stray = [{1: call_id, 2: 0, 3: "stray"} for call_id in (7, 1 << 63, (1 << 64) - 1)]
    return [result_frame(*found), result_frame(*found), result_frame(*stray)]


@pytest.mark.parametrize(
    "misled, counted",
    [
        (rubbish, {"pool_frames_malformed_total": ({}, 1)}),
        (
            right_and_more,
            {
                "pool_answers_unasked_total": ({}, 3),
                "pool_answers_late_total": ({}, 1),
            },
        ),
    ],
    ids=("rubbish", "answers never asked"),
)
def test_a_backend_that_answers_what_nobody_asked(
    machine, make_stack, keeper, tmp_path, misled, counted
):
    """Beside a good one: no lookup fails and none is answered wrongly."""
    stack = make_stack(backend={"LOOKUP_CACHE_TTL": None, "LOOKUP_NEGATIVE_TTL": "300s"})
    liar = Liar(misled)
    frontend = keeper.add(
        type(stack.frontend)([stack.backend.urls[0], liar.backend.url])
    )
    frontend.wait_ready()
    wait_until(lambda: liar.backend.requests > 0, what="the liar is asked")
    members = PREFIX + "pool_members"
    wait_until(
        lambda: frontend.metrics().value(members, state="up") == 2, what="both are up"
    )
    before = {name: frontend.metrics().total(PREFIX + name) for name in counted}
    bystanders = Bystanders(keeper, tmp_path, frontend.address, LOOKUPS)
    with bystanders.attacked(f"a backend that sends {misled.__name__}", frontend):
        time.sleep(3)
    bystanders.finish()
    for name, (_, least) in counted.items():
        more = frontend.metrics().total(PREFIX + name) - before[name]
        print(f"{name}: {more}")
        assert more >= least, name
    liar.backend.close()
    assert not liar.backend.errors
    complaints = frontend.find_events("backend sent no frame")
    assert len(complaints) <= 20, "the log is filled"
