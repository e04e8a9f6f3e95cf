"""Tiers of different versions: what one does not know harms neither.

The old and the new are played by hand, so that nothing of the code under test
is on both ends.
"""

import itertools
import time

import pytest
from support.frames import HEALTH, LOOKUP, OUTCOMES, VERSION, call_frame, lookup_call
from support.frames import pack, results, unpack
from support.pool import loopback_address
from support.sp import FakeBackend, Requester
from support.wait import wait_until

OK, UNIMPLEMENTED = OUTCOMES.index("OK"), OUTCOMES.index("UNIMPLEMENTED")
NEW_OUTCOME = 200
NEW_METHOD = 77
PROMPT_S = 5  # far below LOOKUP_TIMEOUT
DOMAIN = ("domain", b"example.org")


# --- A frontend that is newer or older than the backend --------------------


@pytest.fixture
def requester(shared):
    with Requester(shared.backend.urls[0]) as requester:
        yield requester


def ask_one(requester, body):
    wanted = requester.ask(body)
    got, reply = requester.reply()
    assert got == wanted
    return results(reply)


def test_each_call_of_a_mixed_frame_is_answered_as_it_deserves(requester):
    """In however many replies, each of them under the request's id."""
    newer = {**lookup_call(4, *DOMAIN), 9: [{}], 200: "new"}
    newer[4] = {**newer[4], 3: {1: [None]}}
    wanted = requester.ask(
        call_frame(
            lookup_call(1, *DOMAIN),
            {1: 2, 2: NEW_METHOD, 3: 1000, 4: ["anything", {1: 2}]},
            {1: 3, 2: HEALTH, 3: 1000},
            newer,
            {1: 5, 2: LOOKUP, 3: 1000},
            lookup_call(6, "quota", b"alice@example.org"),
        )
    )
    got = {}
    while len(got) < 6:
        request_id, reply = requester.reply()
        assert request_id == wanted
        got.update(results(reply))
    outcomes = {call_id: outcome for call_id, (outcome, _) in got.items()}
    assert outcomes == {
        1: "OK",
        2: "UNIMPLEMENTED",
        3: "OK",
        4: "OK",
        5: "PERM",
        6: "PERM",
    }


@pytest.mark.parametrize("version", (2, 255, 1 << 40))
def test_calls_of_another_version_are_unimplemented(requester, version):
    calls = [lookup_call(n, *DOMAIN) for n in (1, 2, 3)]
    got = ask_one(requester, call_frame(*calls, version=version, later=["?"]))
    assert {outcome for outcome, _ in got.values()} == {"UNIMPLEMENTED"}
    assert sorted(got) == [1, 2, 3]
    assert ask_one(requester, call_frame(lookup_call(4, *DOMAIN)))[4] == ("OK", "1")


def test_a_frame_of_another_shape_is_answered_emptily(requester):
    """A call without an id can be answered by nobody, but nobody hangs."""
    for frame in (pack({0: 2}), pack({}), pack({0: 2, 7: [1]}), pack({0: 1, 1: [{}]})):
        assert ask_one(requester, frame) == {}
    assert ask_one(requester, call_frame(lookup_call(1, *DOMAIN)))[1] == ("OK", "1")


# --- A backend that is newer or older than the frontend --------------------


def result(call, outcome=OK, data=b"1", **more):
    return {1: call[1], 2: outcome, 3: data, 4: 0, 5: 0, **more}


def result_frame(*answers, version=VERSION, **more):
    return pack({0: version, 2: list(answers), 3: "fake", **more})


def plainly(call):
    return [result_frame(result(call))]


class Played:
    """A backend by hand whose lookups are answered as a test says."""

    def __init__(self):
        self.answer_lookup = plainly
        self.lookups = 0
        self.backend = FakeBackend(loopback_address(), self._answer)
        self.url = self.backend.url

    def _answer(self, body):
        bodies = []
        for call in unpack(body)[1]:
            if call[2] == HEALTH:
                bodies += plainly(call)
            else:
                self.lookups += 1
                bodies += self.answer_lookup(call)
        return bodies


@pytest.fixture
def played():
    played = Played()
    yield played
    played.backend.close()
    assert not played.backend.errors


IGNORED = {
    "keys_of_a_frame": lambda call: [result_frame(result(call), later=[1, {2: 3}])],
    "keys_of_a_result": lambda call: [
        pack({0: 1, 2: [{**result(call), 9: {}, 77: [None]}], 3: "fake", 9: b"x"})
    ],
    "source": lambda call: [result_frame({**result(call), 4: 99})],
    "no_name": lambda call: [pack({0: 1, 2: [result(call)]})],
    "no_source": lambda call: [result_frame({1: call[1], 2: OK, 3: b"1"})],
    "text_for_bytes": lambda call: [result_frame(result(call, data="1"))],
    "strangers_first": lambda call: [
        result_frame({**result(call), 1: 1 << 50}, result(call))
    ],
    "no_frame_first": lambda call: [b"", b"\xc1", pack([1]), result_frame(result(call))],
    "empty_first": lambda call: [result_frame(), result_frame(result(call))],
    "twice": lambda call: [result_frame(result(call), result(call))] * 2,
}


@pytest.mark.parametrize("answer", IGNORED.values(), ids=IGNORED.keys())
def test_what_a_frontend_does_not_know_is_ignored(frontend, played, answer):
    played.answer_lookup = answer
    frontend = frontend([played.url]).wait_ready()
    for _ in range(3):
        assert str(frontend.lookup(*DOMAIN)) == "OK 1"
    played.answer_lookup = plainly
    assert str(frontend.lookup(*DOMAIN)) == "OK 1"


UNKNOWN = {
    "unimplemented": lambda call: [result_frame(result(call, UNIMPLEMENTED, b""))],
    "outcome": lambda call: [result_frame(result(call, NEW_OUTCOME, b"?"))],
    "no_outcome": lambda call: [result_frame({1: call[1], 3: b"1"})],
    "outcome_of_text": lambda call: [result_frame(result(call, "OK"))],
    "data_of_numbers": lambda call: [result_frame(result(call, data=7))],
    "version": lambda call: [result_frame(result(call), version=2)],
}


@pytest.mark.parametrize("answer", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_answer_that_a_frontend_cannot_read_is_temporary(frontend, played, answer):
    """At once, and never taken for "not found"."""
    played.answer_lookup = answer
    frontend = frontend([played.url]).wait_ready()
    started = time.monotonic()
    reply = frontend.lookup(*DOMAIN)
    assert reply.status == "TEMP" and reply.data, reply
    assert time.monotonic() - started < PROMPT_S
    played.answer_lookup = plainly
    assert str(frontend.lookup(*DOMAIN)) == "OK 1"


@pytest.mark.parametrize(
    "answer", ([], [b""], [b"\xc1"], [pack({0: 9})]), ids=("none", "empty", "no", "new")
)
def test_a_lookup_that_is_never_answered_ends_in_time(frontend, played, answer):
    """A backend that answers pings but not this: LOOKUP_TIMEOUT bounds it."""
    played.answer_lookup = lambda call: answer
    frontend = frontend([played.url], LOOKUP_TIMEOUT="1s").wait_ready()
    started = time.monotonic()
    assert frontend.lookup(*DOMAIN).status in ("TEMP", "TIMEOUT")
    assert time.monotonic() - started < PROMPT_S
    played.answer_lookup = plainly
    assert str(frontend.lookup(*DOMAIN)) == "OK 1"


def test_a_lookup_is_asked_of_one_that_implements_it(make_stack, frontend, played):
    """While a pool is upgraded, members differ."""
    stack = make_stack()
    played.answer_lookup = UNKNOWN["unimplemented"]
    both = frontend([played.url, *stack.backend.urls])
    members = "userli_postfix_adapter_pool_members"
    wait_until(
        lambda: both.metrics().value(members, state="up") == 2, what="both are up"
    )
    for number in itertools.count():
        assert number < 200, "the old backend was never asked"
        address = f"list{number % 100}@example.org"
        expected = f"OK member{number % 100}@example.org"
        assert str(both.lookup("alias", address)) == expected
        if played.lookups >= 5:
            break
