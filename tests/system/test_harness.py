"""The harness itself: a test must be able to fail, and nothing may be left."""

import os
import signal
import socket
import sys
import threading
from contextlib import nullcontext

import pytest
from support import daemons
from support.daemons import TOKEN
from support.frames import pack, unpack
from support.process import Keeper, Program, run
from support.prometheus import Exposition
from support.socketmap import SocketmapClient, netstring
from support.wait import TimedOut, wait_until

READY = 'import sys, time; print(\'{"msg": "ready"}\', file=sys.stderr, flush=True); '
IDLE = READY + "time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + IDLE


def stand_in(code, **options):
    return Program([sys.executable, "-c", code], name="stand-in", **options)


def gone(pid):
    try:
        os.kill(pid, 0)
        return False
    except ProcessLookupError:
        return True


def test_an_event_is_waited_for_and_returned():
    keeper = Keeper()
    program = keeper.add(stand_in(IDLE, exit_codes=(-signal.SIGTERM,)))
    assert program.wait_event("ready") == {"msg": "ready"}
    keeper.finish()
    assert gone(program.pid)


def test_the_end_of_a_program_ends_the_wait_for_its_event():
    program = stand_in("import sys; sys.exit('no such thing')")
    with pytest.raises(TimedOut, match="ended with 1 before.*(.|\n)*no such thing"):
        program.wait_event("ready")


def test_a_program_that_stays_silent_is_not_waited_for_forever():
    program = stand_in("import time; time.sleep(600)")
    with pytest.raises(TimedOut, match="no event 'ready'"):
        program.wait_event("ready", timeout=0.5)
    program.kill()


def test_a_program_that_ignores_sigterm_is_ended_and_reported():
    keeper = Keeper()
    program = keeper.add(stand_in(STUBBORN, exit_codes=None))
    program.wait_event("ready")
    with pytest.raises(TimedOut, match="did not end"):
        program.stop(timeout=0.5)
    assert gone(program.pid)


@pytest.mark.parametrize(
    "code, problem",
    [
        ("sys.exit(3)", "exit status 3"),
        ("os.kill(os.getpid(), 6)", "exit status -6"),
        ("print('x.c:1:2: runtime error: overflow', file=sys.stderr)", "sanitizer"),
        ("print('==1==ERROR: AddressSanitizer: uaf', file=sys.stderr)", "sanitizer"),
        ("print('WARNING: ThreadSanitizer: data race', file=sys.stderr)", "sanitizer"),
        ("print('ERROR: LeakSanitizer: leaks', file=sys.stderr)", "sanitizer"),
    ],
)
def test_what_goes_wrong_in_a_program_fails_its_test(code, problem):
    keeper = Keeper()
    keeper.add(stand_in("import os, sys; " + code)).wait()
    with pytest.raises(AssertionError, match=problem):
        keeper.finish()


def test_one_program_that_fails_does_not_keep_others_from_being_stopped():
    keeper = Keeper()
    first = keeper.add(stand_in(IDLE, exit_codes=(-signal.SIGTERM,)))
    keeper.add(stand_in("raise SystemExit(4)")).wait()
    first.wait_event("ready")
    with pytest.raises(AssertionError, match="exit status 4"):
        keeper.finish()
    assert gone(first.pid)


CHATTY = """#!{python}
import http.server, os, signal, sys, threading

class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'# HELP a b\\n# TYPE a counter\\na{{x="{metric}"}} 1\\n'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Metrics)
threading.Thread(target=server.serve_forever, daemon=True).start()
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print('{{"msg":"listening","service":"metrics","address":"127.0.0.1:%d"}}'
      % server.server_port, file=sys.stderr)
print('{{"msg":"ready","note":"{log}"}}', file=sys.stderr, flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize(
    "log, metric, settings, problem",
    [
        ("fine", "fine", {}, None),
        ("alice@example.org", "fine", {}, "shows an address"),
        ("alice@example.org", "fine", {"LOG_PII": "1"}, None),
        ("GET /x/alice%40example.org", "fine", {}, "shows an address"),
        ("fine", "alice@example.org", {}, "shows an address"),
        (TOKEN, "fine", {"LOG_PII": "1"}, "shows the token"),
        ("secret.example", "fine", {}, "shows the key 'secret.example'"),
    ],
)
def test_an_indiscreet_daemon_fails_its_test(
    monkeypatch, tmp_path, log, metric, settings, problem
):
    path = tmp_path / "bin" / "userli-bridge-frontend"
    path.parent.mkdir()
    path.write_text(CHATTY.format(python=sys.executable, log=log, metric=metric))
    path.chmod(0o755)
    monkeypatch.setattr(daemons, "BUILD_DIR", tmp_path)
    keeper = Keeper()
    front = keeper.add(daemons.Frontend([], **settings))
    front.asked.add(b"secret.example")
    front.secrets = front.secrets_asked()
    with pytest.raises(AssertionError, match=problem) if problem else nullcontext():
        keeper.finish()


def test_the_callers_settings_do_not_reach_a_program(monkeypatch):
    monkeypatch.setenv("USERLI_TOKEN", "of the caller")
    status, out, _ = run(
        [sys.executable, "-c", "import os; print('USERLI_TOKEN' in os.environ)"]
    )
    assert (status, out) == (0, "False\n")


def test_waiting_for_a_condition_ends():
    assert wait_until(lambda: 5) == 5
    with pytest.raises(TimedOut, match="a miracle"):
        wait_until(lambda: False, timeout=0.1, what="a miracle")


@pytest.fixture
def wire(tmp_path):
    """A socketmap client and the server's end of its connection."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        client = SocketmapClient(path, timeout=5)
        server = listener.accept()[0]
    with client, server:
        yield client, server


def test_the_client_reads_replies_in_any_pieces(wire):
    client, server = wire
    data = netstring(b"OK a,b:c") + netstring(b"NOTFOUND ") + netstring(b"")

    def send():
        for byte in data:
            server.send(bytes([byte]))

    thread = threading.Thread(target=send)
    thread.start()
    assert str(client.receive()) == "OK a,b:c"
    assert str(client.receive()) == "NOTFOUND "
    assert client.receive_raw() == b""
    thread.join()


@pytest.mark.parametrize(
    "reply",
    (b"8:NOTFOUND,", b"05:OK ab,", b"5:OK ab;", b"2:OK,", b"garbage for a reply"),
)
def test_the_client_does_not_take_a_bad_reply(wire, reply):
    client, server = wire
    server.sendall(reply)
    with pytest.raises((AssertionError, ValueError)):
        client.receive()


def test_the_client_tells_silence_from_an_end(wire):
    client, server = wire
    assert client.open_and_silent()
    server.close()
    assert client.at_end()
    assert not client.open_and_silent() or client.at_end()


@pytest.mark.parametrize(
    "text",
    [
        "# HELP a b\n# TYPE a counter\na 1",
        "a 1\n",
        "# HELP a b\n# TYPE a counter\na 1\na 2\n",
        "# HELP a b\n# TYPE a counter\na{x=1} 1\n",
        "# HELP a b\n# HELP a b\n# TYPE a counter\na 1\n",
        "# HELP a b\n# TYPE a counter\na one\n",
        '# HELP h b\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n',
        "# HELP h b\n# TYPE h histogram\n"
        'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    ],
)
def test_a_bad_exposition_is_not_taken(text):
    with pytest.raises((AssertionError, ValueError)):
        Exposition(text)


def test_an_exposition_is_read():
    metrics = Exposition(
        "# HELP a Of a.\n# TYPE a counter\n"
        'a{x="1",y="q\\"q"} 2\na{x="2",y=""} 3\n'
        "# HELP h Of h.\n# TYPE h histogram\n"
        'h_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 2\nh_sum 9\nh_count 2\n'
    )
    assert metrics.value("a", x="2", y="") == 3
    assert metrics.total("a") == 5 and metrics.total("a", x="1") == 2
    assert metrics.buckets("h") == [0.5]
    assert metrics.value("h_count") == 2


@pytest.mark.parametrize(
    "value",
    [
        *(0, 127, 128, 2**40, -1, -(2**40), True, None),
        *("", "x" * 40, b"\0\xff", [1, [2]], {0: 1, 1: [{2: b""}]}),
    ],
    ids=repr,
)
def test_frames_are_read_as_they_were_written(value):
    assert unpack(pack(value)) == value
