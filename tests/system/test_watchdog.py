"""A backend asks its own listeners, and opens anew those that are dead."""

import os
import signal
import time

import pytest
from support.certificates import make_ca, make_certificate
from support.daemons import BUILD_DIR, fault
from support.sp_stream import Peer, answers, hang_up, seconds_until_served, tls_context
from support.wait import wait_until

EX_TEMPFAIL = 75
RESTARTS = "userli_postfix_adapter_backend_listener_restarts_total"
FRONTENDS = "userli_postfix_adapter_backend_frontends"
NOTICED_S = 5  # dead listeners have to be noticed by then


def restarts(backend):
    return backend.metrics().value(RESTARTS)


@pytest.fixture
def two_ways(sandbox, backend, short_dir):
    """A backend that listens on a UNIX socket and on TCP."""
    url = f"ipc://{short_dir}/rpc"
    daemon = backend(
        sandbox().url, BACKEND_LISTEN_URL=f"{url},tcp://127.0.0.1:0"
    ).wait_ready()
    # What has never answered is not watched.
    wait_until(lambda: answers(url), what="the UNIX socket is served")
    time.sleep(1.5)
    return daemon


def test_a_listener_whose_socket_file_is_gone_is_opened_anew(two_ways, frontend):
    ipc, tcp = two_ways.urls
    with Peer(tcp) as neighbour:
        os.unlink(ipc.removeprefix("ipc://"))
        assert not answers(ipc)
        assert seconds_until_served(ipc) < NOTICED_S
        assert neighbour.is_healthy()
    assert restarts(two_ways) == 1
    event = two_ways.wait_event("listener did not answer, opened anew")
    assert event["address"] == ipc
    late = frontend([ipc]).wait_ready()
    assert late.lookup("domain", "example.org").status == "OK"


def test_peers_that_leave_without_a_word_stop_no_listener(two_ways, frontend):
    """nng 1.5.2 by itself takes it for the end of the listener."""
    lasting = frontend(two_ways.urls).wait_ready()
    for url in two_ways.urls:
        hang_up(url, 300)
        assert seconds_until_served(url) < NOTICED_S
    assert lasting.lookup("domain", "example.org").status == "OK"
    assert restarts(two_ways) == 0


def test_a_listener_that_works_is_left_alone(two_ways):
    before = two_ways.metrics()
    with Peer(two_ways.urls[0]) as peer:
        time.sleep(5)
        assert peer.is_healthy()
    after = two_ways.metrics()
    assert after.value(RESTARTS) == 0
    # Five seconds of probes were there.
    name = "userli_postfix_adapter_backend_frames_received_total"
    assert after.value(name) - before.value(name) >= 5
    assert not two_ways.find_events("this listener is not watched")


def test_a_pause_of_the_process_is_no_dead_listener(two_ways):
    with Peer(two_ways.urls[0]) as ipc, Peer(two_ways.urls[1]) as tcp:
        for _ in range(2):
            two_ways.signal(signal.SIGSTOP)
            time.sleep(4)
            two_ways.signal(signal.SIGCONT)
            time.sleep(2)
            assert ipc.is_healthy() and tcp.is_healthy()
    assert restarts(two_ways) == 0


def test_probes_are_no_frontends(two_ways):
    seen = []
    for _ in range(40):
        seen.append(two_ways.metrics().value(FRONTENDS))
        time.sleep(0.05)
    # A probe may be caught between its beginning and its end.
    assert sorted(seen)[len(seen) // 2] == 0
    with Peer(two_ways.urls[0]), Peer(two_ways.urls[1]):
        wait_until(
            lambda: two_ways.metrics().value(FRONTENDS) == 2, what="two frontends"
        )


def test_probes_do_not_delay_a_drain(two_ways):
    started = time.monotonic()
    assert two_ways.stop() == 0
    assert time.monotonic() - started < 2


def test_a_listener_that_cannot_be_opened_ends_the_process(
    sandbox, backend, short_dir, frontend
):
    """But whoever is connected elsewhere is served to the end."""
    folder = short_dir / "gone"
    folder.mkdir()
    daemon = backend(
        sandbox().url, BACKEND_LISTEN_URL=f"ipc://{folder}/rpc,tcp://127.0.0.1:0"
    ).wait_ready()
    wait_until(lambda: answers(daemon.urls[0]), what="the UNIX socket is served")
    time.sleep(1.5)
    daemon.exit_codes = (EX_TEMPFAIL,)
    (folder / "rpc").unlink()
    folder.rmdir()
    assert daemon.wait(20) == EX_TEMPFAIL
    assert daemon.find_events("listener does not answer, however often it is opened")


@pytest.mark.parametrize("usage", ["serverAuth,clientAuth", "serverAuth", None])
def test_a_tls_listener_is_probed_if_its_certificate_lets_us(
    sandbox, backend, tmp_path, usage
):
    ca = make_ca(tmp_path)
    own = make_certificate(tmp_path, ca, ["DNS:backend.test"], usage=usage)
    daemon = backend(
        sandbox().url,
        BACKEND_LISTEN_URL="tls+tcp://127.0.0.1:0",
        RPC_TLS_CERT=own.cert,
        RPC_TLS_KEY=own.key,
        RPC_TLS_CA=ca.cert,
    ).wait_ready()
    frames = "userli_postfix_adapter_backend_frames_received_total"
    if usage == "serverAuth":
        event = daemon.wait_event("this listener is not watched")
        assert "clientAuth" in event["reason"]
        time.sleep(5)
        assert daemon.metrics().value(frames) == 0
    else:
        wait_until(lambda: daemon.metrics().value(frames) >= 2, what="probes")
    client = make_certificate(tmp_path, ca, ["DNS:x"], "client", "clientAuth")
    assert answers(daemon.urls[0], tls_context(ca, client), 10)
    assert restarts(daemon) == 0


# --- When nng hangs -----------------------------------------------------------


def hangs(flag):
    """Settings with which nng_close() hangs once the flag is there."""
    return {
        "LD_PRELOAD": BUILD_DIR / "tests" / "hang_nng_close.so",
        "HANG_NNG_CLOSE": flag,
        "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0",
    }


def test_a_loop_that_nng_stops_ends_the_process(sandbox, backend, tmp_path):
    flag = tmp_path / "hang"
    daemon = backend(sandbox().url, **hangs(flag)).wait_ready()
    daemon.exit_codes = (EX_TEMPFAIL,)
    started = time.monotonic()
    flag.touch()  # the next probe is its last
    assert daemon.wait(60) == EX_TEMPFAIL
    assert 8 < time.monotonic() - started < 20
    assert daemon.find_events("the loop does not turn, exiting for the supervisor")


def test_shutdown_is_bounded_though_nng_hangs(make_stack, tmp_path):
    flag = tmp_path / "hang"
    stack = make_stack(backend={"SHUTDOWN_TIMEOUT": "2s", **hangs(flag)})
    stack.sandbox.set_faults(fault("mailbox", "alice@example.org", delay_ms=1000))
    with stack.client() as client:
        client.send("mailbox", "alice@example.org")
        wait_until(lambda: stack.sandbox.targets(), what="userli is asked")
        started = time.monotonic()
        stack.backend.signal(signal.SIGTERM)
        stack.backend.wait_event("draining")
        flag.touch()
        # What was in flight is answered before the socket is closed.
        assert str(client.receive()) == "OK 1"
        # Nothing is lost by the rest.
        assert stack.backend.wait(30) == 0
        assert time.monotonic() - started < 5
