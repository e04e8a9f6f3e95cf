"""userli-bridge bench: what it counts is what the server answered."""

import json
import os
import pty
import select
import socket
import threading

import pytest

from support.daemons import program_path
from support.directory import LISTS
from support.process import run
from support.wait import PATIENCE

BENCH = [program_path("userli-bridge"), "bench"]
OK, WRONG, USAGE, UNAVAILABLE, TEMPORARY = 0, 1, 64, 69, 75

LIST_KEYS = ("--key", "list%d@example.org", "--range", LISTS)
# list0 to list99 are there, list100 to list199 are not.
HALF_KEYS = ("--key", "list%d@example.org", "--range", 2 * LISTS)


def bench(address, *options, status=OK, timeout=60):
    """Its report, as --json has it."""
    got, out, err = run(
        [*BENCH, "--json", "--addr", address, *options], timeout=timeout
    )
    assert got == status, err
    return json.loads(out) if out else err


def expectation(n):
    if n < LISTS:
        return f"alias list{n}@example.org\tOK member{n}@example.org\n"
    return f"alias list{n}@example.org\tNOTFOUND\n"


@pytest.fixture
def answers(tmp_path):
    """A file with the right answer to each of HALF_KEYS."""
    path = tmp_path / "answers"
    path.write_text("".join(expectation(n) for n in range(2 * LISTS)))
    return path


class Peer:
    """A socketmap server that does to each connection what a function says."""

    def __init__(self, serve):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._serve = serve
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(
                target=self._run, args=(connection,), daemon=True
            ).start()

    def _run(self, connection):
        try:
            self._serve(connection)
        except OSError:
            pass

    def close(self):
        for end in (self._listener, *self._open):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


@pytest.fixture
def peer():
    peers = []

    def start(serve):
        peers.append(Peer(serve))
        return peers[-1].address

    yield start
    for each in peers:
        each.close()


# --- What it counts ---------------------------------------------------------


def test_its_counts_are_what_frontend_and_backend_counted(shared):
    handled = "userli_postfix_adapter_requests_total"
    before = shared.frontend.metrics().total(handled)
    report = bench(shared.frontend.address, "-c", 4, "-n", 500, *HALF_KEYS)
    assert report["all"]["count"] == 500
    assert report["ok"]["count"] + report["notfound"]["count"] == 500
    assert report["ok"]["count"] >= 200  # the first of each round are there
    assert shared.frontend.metrics().total(handled) - before == 500


def test_keys_in_turn_are_each_asked_as_often(shared):
    report = bench(shared.frontend.address, "-n", 4 * LISTS, *HALF_KEYS)
    assert report["ok"]["count"] == report["notfound"]["count"] == 2 * LISTS
    assert report["unchecked"] == 4 * LISTS


def test_a_mix_of_maps_asks_each_map(shared):
    report = bench(
        shared.frontend.address, "-n", 600, "--map", "alias=2,domain=1,nonsense=1",
        "--key", "domain=example.org", "--key", "nobody%d@example.org",
    )  # fmt: skip
    assert report["ok"]["count"] in range(100, 200)  # domain
    assert report["notfound"]["count"] in range(240, 360)  # alias
    assert report["perm"]["count"] in range(100, 200)  # nonsense


def test_percentiles_rise(shared):
    figures = bench(shared.frontend.address, "-n", 300, "-c", 3, *LIST_KEYS)["all"]
    rising = [figures[f"{p}_ms"] for p in ("p50", "p90", "p99", "p999", "max")]
    assert rising == sorted(rising) and rising[0] > 0


def test_right_answers_are_right(shared, answers):
    report = bench(
        shared.frontend.address, "-n", 1000, "-c", 8, "-p", 5, "--expect", answers,
        *HALF_KEYS,
    )  # fmt: skip
    assert report["wrong"] == report["unchecked"] == report["lost"] == 0


def test_wrong_answers_are_found_and_shown(shared, answers):
    answers.write_text(answers.read_text().replace("OK member7@", "OK member8@"))
    report = bench(
        shared.frontend.address, "-n", 4 * LISTS, "--expect", answers, *HALF_KEYS,
        status=WRONG,
    )  # fmt: skip
    assert report["wrong"] == 2
    assert report["example"] == (
        "alias list7@example.org: got OK member7@example.org, "
        "wanted OK member8@example.org"
    )


def test_an_outcome_can_be_expected_of_all(shared):
    address = shared.frontend.address
    right = bench(address, "-n", 100, *LIST_KEYS, "--expect", "ok")
    assert right["wrong"] == 0
    wrong = bench(address, "-n", 400, *HALF_KEYS, "--expect", "ok", status=WRONG)
    assert wrong["wrong"] == 200


def test_keys_come_from_a_file(shared, tmp_path):
    path = tmp_path / "keys"
    path.write_text("list1@example.org\nlist2@example.org\nlist100@example.org\n")
    report = bench(shared.frontend.address, "-n", 300, "--keys", path)
    assert report["ok"]["count"] == 200 and report["notfound"]["count"] == 100


def test_zipf_prefers_the_first_keys(shared):
    report = bench(
        shared.frontend.address, "-n", 2000, "--zipf", "1.2", "--key",
        "list%d@example.org", "--range", 100 * LISTS,
    )  # fmt: skip
    # Of a hundred times as many keys, those that are there: 1 % of the keys,
    # most of the requests.
    assert report["ok"]["count"] > 1000


# --- Loops ------------------------------------------------------------------


def test_a_duration_is_kept(shared):
    report = bench(shared.frontend.address, "-d", "700ms", "-c", 2, *LIST_KEYS)
    assert 0.69 < report["seconds"] < 5
    assert report["all"]["count"] > 10
    assert report["per_second"] * report["seconds"] <= report["all"]["count"] + 1


def test_what_is_asked_to_warm_up_is_not_counted(shared):
    handled = "userli_postfix_adapter_requests_total"
    before = shared.frontend.metrics().total(handled)
    report = bench(
        shared.frontend.address, "-n", 50, "--warmup", "300ms", *LIST_KEYS
    )
    assert report["all"]["count"] == 50
    assert shared.frontend.metrics().total(handled) - before > 50


def test_an_open_loop_keeps_its_rate(shared):
    report = bench(
        shared.frontend.address, "-c", 8, "-r", 200, "-d", "2s", *LIST_KEYS
    )
    # On a machine that is busy a request may be late, but none is left out.
    assert report["all"]["count"] + report["unsent"] in range(395, 405)
    assert report["rate"] == 200


def serve_after(seconds):
    """Answer in order, but the first only after so long."""
    stalled = threading.Event()

    def serve(connection):
        while data := connection.recv(65536):
            if not stalled.is_set():
                threading.Event().wait(seconds)
                stalled.set()
            connection.sendall(b"9:NOTFOUND ," * data.count(b","))

    return serve


def test_an_open_loop_shows_a_stall_that_a_closed_one_hides(peer):
    opened = bench(peer(serve_after(1)), "-r", 100, "-d", "2s")
    closed = bench(peer(serve_after(1)), "-n", 200)
    # A request in a hundred was due in each 10 ms of the stalled second.
    assert opened["all"]["p50_ms"] < 1000 and opened["all"]["p90_ms"] > 500
    assert closed["all"]["p90_ms"] < 500 and closed["all"]["max_ms"] > 900


# --- Trouble ----------------------------------------------------------------


def unused_address():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return "127.0.0.1:%d" % listener.getsockname()[1]


def test_an_unreachable_server_is_named_with_the_reason():
    address = unused_address()
    error = bench(address, status=UNAVAILABLE)
    assert address in error and "refused" in error


def test_a_missing_socket_is_named(tmp_path):
    error = bench(tmp_path / "none", status=UNAVAILABLE)
    assert str(tmp_path / "none") in error


def test_requests_without_an_answer_are_lost(peer):
    address = peer(lambda connection: connection.recv(65536) and connection.close())
    report = bench(address, "-n", 5, status=TEMPORARY)
    assert report["lost"] == 5 and report["all"]["count"] == 0
    assert report["reconnects"] >= 5


def test_requests_that_take_too_long_are_lost(peer):
    silent = peer(lambda connection: connection.recv(65536) and connection.recv(1))
    report = bench(silent, "-n", 2, "--timeout", "200ms", status=TEMPORARY)
    assert report["lost"] == 2


def test_what_is_no_socketmap_is_told(peer):
    address = peer(lambda c: c.recv(65536) and c.sendall(b"HTTP/1.1 400 Bad\r\n"))
    report = bench(address, "-n", 1, status=TEMPORARY)
    assert report["malformed"] == 1 and report["lost"] == 1


def test_a_server_that_goes_for_good_ends_the_run(peer):
    listening = []

    def leave(connection):
        connection.recv(65536)
        listening[0]._listener.close()
        connection.close()

    listening.append(Peer(leave))
    error = bench(
        listening[0].address, "-d", "30s", "--timeout", "300ms", status=UNAVAILABLE
    )
    assert "lost " + listening[0].address in error


@pytest.mark.parametrize(
    "options, named",
    [
        (["--connections", "0"], "--connections"),
        (["--connections", "many"], "--connections"),
        (["--pipeline", "0"], "--pipeline"),
        (["--duration", "0"], "--duration"),
        (["--duration", "10"], "--duration"),
        (["--count", "-1"], "--count"),
        (["--rate", "0"], "--rate"),
        (["--rate", "nan"], "--rate"),
        (["--zipf", "-2"], "--zipf"),
        (["--range", "9-1"], "--range"),
        (["--map", "alias=x"], "alias=x"),
        (["--key", "a%d%d"], "a%d%d"),
        (["--key", "mailbox=a"], "mailbox"),
        (["--keys", "/nonexistent"], "/nonexistent"),
        (["--expect", "maybe"], "maybe"),
        (["--addr", "nowhere"], "--addr"),
        (["--frobnicate"], "--frobnicate"),
        (["alias"], "alias"),
        (["--rate"], "--rate"),
    ],
)
def test_a_wrong_option_is_named(options, named):
    status, out, err = run([*BENCH, *options])
    assert status == USAGE and not out
    assert named in err and "--help" in err


def test_too_many_connections_for_the_limit_are_refused_at_once():
    command = ["bash", "-c", 'ulimit -n 100 && exec "$@"', "-", *BENCH, "-c", "200"]
    status, _, err = run(command)
    assert status == UNAVAILABLE and "ulimit" in err


# --- What it prints ---------------------------------------------------------


def test_the_text_has_a_line_for_each_outcome(shared):
    status, out, _ = run(
        [*BENCH, "--addr", shared.frontend.address, "-n", "400", *map(str, HALF_KEYS)]
    )
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert status == OK
    assert lines["OK"][1] == lines["NOTFOUND"][1] == "200"
    assert lines["all"][1] == "400" and len(lines["all"]) == 8


def run_on_terminal(argv):
    """What a program writes to standard error when that is a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(argv[0], [str(arg) for arg in argv])
    shown = b""
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        shown += data
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == OK, shown
    return shown.decode()


def test_a_terminal_sees_a_live_line(shared):
    argv = [*BENCH, "--addr", shared.frontend.address, "-d", "1500ms", *LIST_KEYS]
    assert "/s  p50" in run_on_terminal(argv)
    assert "/s  p50" not in run_on_terminal([*argv, "--quiet"])
