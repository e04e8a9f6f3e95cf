"""A backend on the wire, by the schema: plain REQ/REP, and frames in parts."""

import pytest
from support.daemons import fault
from support.frames import (
    HEALTH,
    RawReq,
    call_frame,
    exchange,
    lookup_call,
    pack,
    results,
    unpack,
)

def ask(stack, *calls, **more):
    return results(exchange(stack.backend.urls[0], call_frame(*calls, **more)))


@pytest.mark.parametrize(
    "name, key, outcome, data",
    [
        ("alias", b"info@example.org", "OK", "alice@example.org,bob@example.org"),
        ("domain", b"example.org", "OK", "1"),
        ("mailbox", b"alice@example.org", "OK", "1"),
        ("senders", b"alice@example.org", "OK", "alice@example.org"),
        ("mailbox", b"nobody@example.org", "NOTFOUND", ""),
        # The backend checks the key rules again.
        ("alias", b"example.org", "NOTFOUND", ""),
        ("alias", b'""', "NOTFOUND", ""),
        ("mailbox", b"a/../b@example.org", "NOTFOUND", ""),
        ("mailbox", b"alice\0@example.org", "NOTFOUND", ""),
    ],
)
def test_a_frame_with_one_call_is_one_request_and_one_reply(
    shared, name, key, outcome, data
):
    got = ask(shared, lookup_call(7, name, key))
    assert got == {7: (outcome, data)}


def test_strings_and_bytes_are_taken_alike(shared):
    assert ask(shared, lookup_call(1, b"domain", "example.org")) == {1: ("OK", "1")}


def test_an_unknown_map_is_a_configuration_error(shared):
    (outcome, reason) = ask(shared, lookup_call(1, "nosuchmap", b"x"))[1]
    assert outcome == "PERM" and reason


def test_health_is_a_method(shared):
    assert ask(shared, {1: 3, 2: HEALTH, 3: 1000})[3][0] == "OK"


def test_an_unknown_method_is_an_outcome(shared):
    assert ask(shared, {1: 3, 2: 999, 3: 1000, 4: {}})[3][0] == "UNIMPLEMENTED"


def test_an_unknown_version_is_an_outcome(shared):
    got = ask(shared, lookup_call(3, "domain", b"example.org"), version=99)
    assert got[3][0] == "UNIMPLEMENTED"


def test_unknown_keys_are_ignored(shared):
    call = lookup_call(5, "domain", b"example.org")
    call[4] = {**call[4], 77: [1, {2: 3}]}
    frame = {0: 1, 1: [{**call, 88: {"new": None}}], 99: "later"}
    assert results(exchange(shared.backend.urls[0], pack(frame))) == {5: ("OK", "1")}


def test_a_call_that_has_expired_is_not_sent_to_userli(shared):
    shared.sandbox.clear_stats()
    call = lookup_call(6, "mailbox", b"alice@example.org", left_ms=0)
    assert ask(shared, call)[6][0] in ("TIMEOUT", "TEMP")
    assert shared.sandbox.targets() == {}


def test_a_call_is_bounded_by_the_time_it_may_take(shared):
    shared.sandbox.set_faults(fault("mailbox", "alice@example.org", hang=True))
    call = lookup_call(6, "mailbox", b"alice@example.org", left_ms=500)
    assert ask(shared, call)[6][0] == "TIMEOUT"


def test_the_answer_names_its_backend(shared):
    frame = call_frame(lookup_call(1, "domain", b"example.org"))
    assert unpack(exchange(shared.backend.urls[0], frame))[3]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"rubbish",
        pack([1, 2]),
        pack({0: 1}),
        pack({0: 1, 1: {}}),
        pack({0: 1, 1: [7]}),
        pack({0: 1, 1: []}),
        b"\xdf\xff\xff\xff\xff",
        b"\x82\x00\x01\x01\xdd\xff\xff\xff\xff",
        b"\x91" * 1000,
        call_frame(lookup_call(1, "domain", b"example.org")) + b"\0",
        call_frame(lookup_call(1, "domain", b"example.org"))[:-3],
    ],
    ids=lambda frame: frame[:12].hex() or "empty",
)
def test_a_frame_that_cannot_be_read_is_answered_emptily(shared, frame):
    """Nobody is left to wait, and the next caller notices nothing."""
    assert results(exchange(shared.backend.urls[0], frame)) == {}
    got = ask(shared, lookup_call(2, "domain", b"example.org"))
    assert got == {2: ("OK", "1")}


def test_a_frame_with_several_calls_is_answered_in_parts(shared):
    """Each call exactly once, and none waits for a slower neighbour."""
    shared.sandbox.set_faults(fault("mailbox", "alice@example.org", delay_ms=1500))
    calls = [
        lookup_call(10, "mailbox", b"alice@example.org"),
        lookup_call(11, "domain", b"example.org"),
        lookup_call(12, "alias", b"example.org"),  # by rule
        lookup_call(13, "nosuchmap", b"x"),
        lookup_call(14, "mailbox", b"nobody@example.org"),
    ]
    with RawReq(shared.backend.urls[0]) as peer:
        peer.send(7, call_frame(*calls))
        frames = peer.receive_all(7, len(calls))
    answers = [results(frame) for frame in frames]
    assert list(answers[-1]) == [10], "the slow one comes alone and last"
    together = {}
    for answer in answers:
        assert not together.keys() & answer.keys(), "answered twice"
        together.update(answer)
    assert together.pop(13)[0] == "PERM"
    assert together == {
        10: ("OK", "1"),
        11: ("OK", "1"),
        12: ("NOTFOUND", ""),
        14: ("NOTFOUND", ""),
    }


def test_what_finishes_in_one_turn_shares_a_message(shared):
    """A hundred calls that need no request are answered together."""
    calls = [lookup_call(n, "alias", b"example.org") for n in range(1, 101)]
    with RawReq(shared.backend.urls[0]) as peer:
        peer.send(1, call_frame(*calls))
        frames = peer.receive_all(1, 100)
    assert len(frames) == 1
    assert set(results(frames[0]).values()) == {("NOTFOUND", "")}


def test_requests_of_one_peer_do_not_wait_for_each_other(shared):
    shared.sandbox.set_faults(fault("mailbox", "alice@example.org", delay_ms=1500))
    slow = lookup_call(1, "mailbox", b"alice@example.org")
    quick = lookup_call(1, "domain", b"example.org")
    with RawReq(shared.backend.urls[0]) as peer:
        peer.send(1, call_frame(slow))
        peer.send(2, call_frame(quick))
        order = [peer.receive()[0] for _ in range(2)]
    assert order == [2, 1]


def test_answers_too_large_for_one_message_come_in_several(shared):
    addresses = [f"{i:06d}-destination@example.org" for i in range(2900)]
    shared.sandbox.set_faults(
        *(fault("alias", f"list{n}@example.org", body=addresses) for n in range(10))
    )
    calls = [lookup_call(n, "alias", f"list{n}@example.org".encode()) for n in range(10)]
    with RawReq(shared.backend.urls[0]) as peer:
        peer.send(5, call_frame(*calls))
        frames = peer.receive_all(5, 10)
    assert all(len(frame) <= 262_144 for frame in frames)
    together = {}
    for frame in frames:
        together.update(results(frame))
    assert together == {n: ("OK", ",".join(addresses)) for n in range(10)}
