"""Many small frames at once: every call of them is answered."""

from support.frames import RawReq, call_frame, lookup_call, results

FRAMES = 3000


def test_a_burst_of_frames_loses_no_answer(shared):
    """nng drops what a connection's queue of 64 messages cannot hold."""
    with RawReq(shared.backend.urls[0]) as peer:
        for n in range(1, FRAMES + 1):
            call = lookup_call(n, "alias", b"example.org")  # by rule
            peer.send(n, call_frame(call, merges=True))
        missing = set(range(1, FRAMES + 1))
        while missing:
            answered = results(peer.receive()[1])
            assert answered.keys() <= missing, "answered twice"
            missing -= answered.keys()


def test_frames_that_do_not_say_so_are_answered_one_by_one(shared):
    """Another nng client tells replies apart by the request's id alone."""
    calls = {n: lookup_call(n, "alias", b"example.org") for n in range(1, 9)}
    with RawReq(shared.backend.urls[0]) as peer:
        for n, call in calls.items():
            peer.send(n, call_frame(call))
        for _ in calls:
            request, frame = peer.receive()
            assert list(results(frame)) == [request]
