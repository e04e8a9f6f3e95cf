"""userli-bridge, the administrator's tool, against small servers of its own."""

import contextlib
import http.server
import os
import pathlib
import socket
import struct
import subprocess
import threading
import time

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("BUILD_DIR", REPOSITORY / "build")) / "bin" / "userli-bridge"


def run(*arguments, stdin=b"", program=TOOL):
    """Status, standard output, standard error."""
    result = subprocess.run([program, *arguments], input=stdin, capture_output=True, timeout=30,
                            check=False)
    return result.returncode, result.stdout, result.stderr.decode()


@contextlib.contextmanager
def serving(talk, family=socket.AF_INET, address=("127.0.0.1", 0)):
    """A listening socket; talk(connection) serves each connection in its own thread."""
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()
        connections, threads = [], []

        def serve(connection):
            with contextlib.suppress(OSError), connection:
                talk(connection)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connections.append(listener.accept()[0])
                    threads.append(threading.Thread(target=serve, args=[connections[-1]]))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()
        finally:
            for s in [listener, *connections]:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def closed_port():
    """One that nobody listens on, for a moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# --- A socketmap server ------------------------------------------------------

ANSWERS = {
    b"alias a@x.org": b"OK b@x.org,c@x.org",
    b"alias with space@x.org": b"OK sp@x.org",
    "alias jürgen@exämple.org".encode(): "OK größe@exämple.org".encode(),
    b"alias -a@x.org": b"OK dash@x.org",
    b"alias ": b"OK empty-key@x.org",
    b"alias temp@x.org": b"TEMP userli does not answer",
    b"alias timeout@x.org": b"TIMEOUT 10 s are over",
    b"alias perm@x.org": b"PERM userli is misconfigured",
    b"alias nothing@x.org": b"OK ",
    b"alias rude@x.org": b"TEMP red\x1b[31m\n",
    b"alias long@x.org": b"OK " + b"x" * 99_997,
    b"domain x.org": b"OK 1",
}


def socketmap(connection):
    file = connection.makefile("rwb")
    while True:
        length = b""
        while (byte := file.read(1)) not in (b":", b""):
            length += byte
        if not byte:
            return
        query = file.read(int(length))
        assert file.read(1) == b","
        reply = ANSWERS.get(query, b"NOTFOUND ")
        file.write(b"%d:%s," % (len(reply), reply))
        file.flush()


@pytest.fixture(name="frontend", scope="module")
def fixture_frontend():
    with serving(socketmap) as (_, port):
        yield f"127.0.0.1:{port}"


def query(address, *arguments, stdin=b""):
    return run("query", *arguments, "--addr", address, stdin=stdin)


@pytest.mark.parametrize("map_name, key, value", [
    ("alias", "a@x.org", b"b@x.org,c@x.org"),
    ("alias", "with space@x.org", b"sp@x.org"),
    ("alias", "jürgen@exämple.org", "größe@exämple.org".encode()),
    ("alias", "", b"empty-key@x.org"),
    ("alias", "long@x.org", b"x" * 99_997),
    ("domain", "x.org", b"1"),
])
def test_a_found_value_is_printed(frontend, map_name, key, value):
    assert query(frontend, map_name, key) == (0, value + b"\n", "")


def test_a_key_with_a_dash_goes_after_two(frontend):
    assert run("query", "--addr", frontend, "alias", "--", "-a@x.org") == (0, b"dash@x.org\n", "")


def test_a_key_that_is_not_found_is_1_in_silence(frontend):
    assert query(frontend, "alias", "other@x.org") == (1, b"", "")


@pytest.mark.parametrize("key, status, line", [
    ("temp@x.org", 75, "alias: TEMP userli does not answer"),
    ("timeout@x.org", 75, "alias: TIMEOUT 10 s are over"),
    ("perm@x.org", 69, "alias: PERM userli is misconfigured"),
    ("rude@x.org", 75, "alias: TEMP red?[31m?"),
    ("nothing@x.org", 69,
     "alias: OK with nothing after it, which Postfix takes for a configuration error"),
    ("x" * 100_000, 69, "alias: PERM the key is too long to be asked for"),
])
def test_a_failure_is_told_with_its_reason(frontend, key, status, line):
    assert query(frontend, "alias", key) == (status, b"", f"userli-bridge: {line}\n")


@pytest.mark.parametrize("stdin, status, stdout", [
    (b"", 1, b""),
    (b"other@x.org\n", 1, b""),
    (b"other@x.org\na@x.org\n", 0, b"a@x.org\tb@x.org,c@x.org\n"),
    (b"a@x.org\nwith space@x.org", 0,
     b"a@x.org\tb@x.org,c@x.org\nwith space@x.org\tsp@x.org\n"),
    ("jürgen@exämple.org\n".encode(), 0,
     "jürgen@exämple.org\tgröße@exämple.org\n".encode()),
    (b"a\xff\x00b@x.org\na@x.org\n", 0, b"a@x.org\tb@x.org,c@x.org\n"),
    (b"\n", 0, b"\tempty-key@x.org\n"),
])
def test_keys_are_read_one_a_line(frontend, stdin, status, stdout):
    assert query(frontend, "alias", "-", stdin=stdin) == (status, stdout, "")


def test_one_failure_of_many_wins_but_stops_none(frontend):
    status, stdout, stderr = query(
        frontend, "alias", "-", stdin=b"a@x.org\ntemp@x.org\nother@x.org\na@x.org\n")
    assert (status, stdout) == (75, 2 * b"a@x.org\tb@x.org,c@x.org\n")
    assert stderr == 'userli-bridge: alias: "temp@x.org": TEMP userli does not answer\n'
    assert query(frontend, "alias", "-", stdin=b"perm@x.org\ntemp@x.org\n")[0] == 69


def test_a_unix_socket_is_asked_by_its_path(tmp_path):
    path = str(tmp_path / "socketmap")
    with serving(socketmap, socket.AF_UNIX, path):
        for address in path, f"unix:{path}":
            assert query(address, "domain", "x.org") == (0, b"1\n", "")


def test_a_frontend_that_is_not_there_is_69():
    port = closed_port()
    for keys, stdin in ("a@x.org", b""), ("-", b"a@x.org\nb@x.org\n"):
        status, stdout, stderr = query(f"127.0.0.1:{port}", "alias", keys, stdin=stdin)
        assert (status, stdout) == (69, b"")
        assert stderr.startswith(f"userli-bridge: alias: cannot reach 127.0.0.1:{port}: ")
        assert "SOCKETMAP_LISTEN_ADDR" in stderr and stderr.count("\n") == 1


def hold(connection):
    while connection.recv(4096):
        pass


def test_silence_is_75_within_the_time_given():
    with serving(hold) as (_, port):
        start = time.monotonic()
        status, _, stderr = query(f"127.0.0.1:{port}", "alias", "a@x.org", "--timeout", "200ms")
        took = time.monotonic() - start
    assert (status, stderr) == (
        75, f"userli-bridge: alias: TIMEOUT 127.0.0.1:{port} does not answer within 200ms\n")
    assert 0.2 <= took < 5


def test_another_kind_of_server_is_69():
    def http_like(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(http_like) as (_, port):
        status, _, stderr = query(f"127.0.0.1:{port}", "alias", "a@x.org")
    assert status == 69
    assert "answers, but not as a socketmap server" in stderr


# --- A backend: SP over TCP, with frames that are written by hand ------------

SP_HELLO_REP = b"\x00SP\x00\x00\x31\x00\x00"
SP_HELLO_REQ = b"\x00SP\x00\x00\x30\x00\x00"


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise ConnectionError
        data += chunk
    return data


def backend(answer):
    """answer(frame, id) gives the whole frame that comes back, or None for silence."""
    def talk(connection):
        connection.sendall(SP_HELLO_REP)
        assert read_exactly(connection, 8) == SP_HELLO_REQ
        for number in range(1, 100):
            (size,) = struct.unpack(">Q", read_exactly(connection, 8))
            message = read_exactly(connection, size)
            frame = answer(message[4:], number)
            if frame is not None:
                connection.sendall(struct.pack(">Q", 4 + len(frame)) + message[:4] + frame)
    return talk


def result(number, outcome, data=b""):
    return (b"\x83\x00\x01\x03\xa2b1\x02\x91\x83\x01" + bytes([number]) + b"\x02" +
            bytes([outcome]) + b"\x03\xc4" + bytes([len(data)]) + data)


def test_a_backend_is_asked_with_a_frame_of_one_call():
    frames = []

    def answer(frame, number):
        frames.append(frame)
        return result(number, 0, b"b@x.org,c@x.org")

    with serving(backend(answer)) as (_, port):
        address = f"tcp://127.0.0.1:{port}"
        assert run("query", "alias", "a@x.org", "--via", "backend", "--addr", address) == (
            0, b"b@x.org,c@x.org\n", "")
        # An address of that kind says enough.
        assert query(address, "alias", "-", stdin=b"a@x.org\nd@x.org\n") == (
            0, b"a@x.org\tb@x.org,c@x.org\nd@x.org\tb@x.org,c@x.org\n", "")
    assert len(frames) == 3
    assert frames[0].startswith(b"\x83\x00\x01\x04\x01\x01\x91\x84\x01\x01\x02\x01\x03")
    assert frames[0].endswith(b"\x04\x82\x01\xa5alias\x02\xc4\x07a@x.org")


@pytest.mark.parametrize("outcome, status, line", [
    (1, 1, ""),
    (2, 75, "alias: TEMP why\n"),
    (3, 75, "alias: TIMEOUT why\n"),
    (4, 69, "alias: PERM why\n"),
    (5, 75, "alias: BUSY why\n"),
    (6, 75, "alias: DRAINING why\n"),
    (7, 69, "alias: UNIMPLEMENTED why\n"),
    (99, 69, "alias: UNIMPLEMENTED\n"),
])
def test_a_backends_outcomes_have_their_status(outcome, status, line):
    with serving(backend(lambda frame, number: result(number, outcome, b"why"))) as (_, port):
        got, stdout, stderr = query(f"tcp://127.0.0.1:{port}", "alias", "a@x.org")
    assert (got, stdout) == (status, b"")
    assert stderr.removeprefix("userli-bridge: ") == line


@pytest.mark.parametrize("frame, said", [
    (b"\xc1", "answers, but not as userli-bridge-backend does"),
    (b"\x82\x00\x01\x02\x90", "answers, but not as userli-bridge-backend does"),
    (b"\x82\x00\x02\x02\x90", "speaks a newer version"),
])
def test_a_backends_odd_frames_are_told_apart(frame, said):
    with serving(backend(lambda *_: frame)) as (_, port):
        status, _, stderr = query(f"tcp://127.0.0.1:{port}", "alias", "a@x.org")
    assert status == 69
    assert said in stderr


def test_a_backends_silence_is_75_within_the_time_given():
    with serving(backend(lambda *_: None)) as (_, port):
        status, _, stderr = query(
            f"tcp://127.0.0.1:{port}", "alias", "a@x.org", "--timeout", "300ms")
    assert (status, stderr) == (75, "userli-bridge: alias: TIMEOUT "
                                f"tcp://127.0.0.1:{port} does not answer within 300ms\n")


def test_a_backend_that_goes_away_is_69():
    def leave(connection):
        connection.sendall(SP_HELLO_REP)
        read_exactly(connection, 20)

    with serving(leave) as (_, port):
        status, _, stderr = query(f"tcp://127.0.0.1:{port}", "alias", "a@x.org")
    assert status == 69
    assert "closed the connection without an answer" in stderr


def test_a_backend_that_is_not_there_is_69_at_once():
    url = f"tcp://127.0.0.1:{closed_port()}"
    start = time.monotonic()
    for command in ["query", "alias", "a@x.org"], ["ping"]:
        status, _, stderr = run(*command, "--addr", url)
        assert status == 69
        assert f"cannot reach {url}: Connection refused" in stderr
        assert "BACKEND_LISTEN_URL" in stderr
    assert time.monotonic() - start < 5


def test_ping_shows_a_backends_state():
    with serving(backend(lambda frame, number: result(number, 0))) as (_, port):
        url = f"tcp://127.0.0.1:{port}"
        status, stdout, stderr = run("ping", "--addr", url)
    assert (status, stderr) == (0, "")
    assert stdout.decode().startswith(f"{url} b1: OK (")
    with serving(backend(lambda frame, number: result(number, 6))) as (_, port):
        assert run("ping", "--addr", f"tcp://127.0.0.1:{port}")[0] == 75


# --- healthcheck -------------------------------------------------------------

class Probe(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        status, body = {
            "/health": (200, b'{"status":"ok"}'),
            "/none": (204, b""),
            "/large": (200, b"x" * 1_000_000),
            "/ready?deep=1": (200, b""),
            "/ready": (503, b'{"status":"unready","reason":"no backend is up"}\nmore'),
            "/moved": (302, b""),
        }.get(self.path, (404, b""))
        self.send_response(status)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


@pytest.fixture(name="probe", scope="module")
def fixture_probe():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Probe)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["/health", "/none", "/large", "/ready?deep=1"])
def test_healthcheck_is_silent_when_all_is_well(probe, path):
    assert run("healthcheck", probe + path) == (0, b"", "")


@pytest.mark.parametrize("path, said", [
    ("/ready", '503 Service Unavailable: {"status":"unready","reason":"no backend is up"}'),
    ("/moved", "302 Found"),
    ("/other", "404 Not Found"),
    ("", "404 Not Found"),
])
def test_healthcheck_says_in_a_line_why_not(probe, path, said):
    assert run("healthcheck", probe + path) == (
        69, b"", f"userli-bridge: {probe}{path}: {said}\n")


def test_healthcheck_asks_an_ipv6_address_for_the_path_and_the_host():
    requests = []

    def answer(connection):
        requests.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

    with serving(answer, socket.AF_INET6, ("::1", 0)) as (_, port, *_):
        assert run("healthcheck", f"http://[::1]:{port}") == (0, b"", "")
        assert requests[0].startswith(f"GET / HTTP/1.0\r\nHost: [::1]:{port}\r\n".encode())


def test_healthcheck_tells_apart_who_does_not_answer():
    url = f"http://127.0.0.1:{closed_port()}/health"
    status, _, stderr = run("healthcheck", url)
    assert (status, stderr.startswith(f"userli-bridge: {url}: cannot reach ")) == (69, True)
    for reply, said in [(b"", "closed the connection without an answer"),
                        (b"SSH-2.0-x\r\n", "the answer is not HTTP"),
                        (b"HTTP/1.\r 503", "the answer is not HTTP"),
                        (b"HTTP/1.1 5", "the answer is not HTTP")]:
        def answer(connection, reply=reply):
            connection.recv(4096)
            connection.sendall(reply)

        with serving(answer) as (_, port):
            url = f"http://127.0.0.1:{port}/health"
            assert run("healthcheck", url) == (69, b"", f"userli-bridge: {url}: {said}\n")


def test_healthcheck_takes_five_seconds_at_the_most():
    def drip(connection):
        while True:
            connection.sendall(b"H")
            time.sleep(0.2)

    with serving(drip) as (_, port):
        start = time.monotonic()
        status, _, stderr = run("healthcheck", f"http://127.0.0.1:{port}/health")
        took = time.monotonic() - start
    assert (status, stderr) == (69, "userli-bridge: healthcheck: no answer within 5 s\n")
    assert 4 < took < 8


# --- The command line --------------------------------------------------------

@pytest.mark.parametrize("arguments, said", [
    ([], "which command?"),
    (["frob"], 'there is no command "frob"'),
    (["query"], "a map and a key are needed"),
    (["query", "alias"], "a map and a key are needed"),
    (["query", "alias", "a", "b"], "one key at a time; more with '-'"),
    (["query", "", "a"], '"" cannot be a map\'s name'),
    (["query", "my map", "a"], '"my map" cannot be a map\'s name'),
    (["query", "alias", "a", "--via", "mail"], '--via "mail" is none of socketmap, backend and userli'),
    (["query", "alias", "a", "--addr", "here"], '--addr: "here"'),
    (["query", "alias", "a", "--via", "backend", "--addr", "h:1"], '--addr: "h:1"'),
    (["query", "alias", "a", "--addr"], "--addr needs a value"),
    (["query", "alias", "a", "--timeout", "0"], '--timeout "0" is no duration above zero'),
    (["query", "alias", "a", "--timeout", "soon"], '--timeout "soon" is no duration'),
    (["query", "alias", "--bogus"], 'unknown option "--bogus"'),
    (["query", "alias", "-xyz"], 'unknown option "-x"'),
    (["ping", "tcp://h:1"], "no operand is expected"),
    (["ping", "--via", "backend"], 'unknown option "--via"'),
    (["healthcheck"], "one URL is needed"),
    (["healthcheck", "https://h/"], "does not start with http://"),
    (["healthcheck", "http:///path"], "has no host and port"),
    (["healthcheck", "http://u@h/"], "has no host and port"),
    (["healthcheck", "http://h:0/"], "has no host and port"),
    (["healthcheck", "http://h:65536/"], "has no host and port"),
    (["healthcheck", "http://h:1x/"], "has no host and port"),
    (["healthcheck", "http://[::1/"], "has no host and port"),
    (["healthcheck", "http://[::1]1/"], "has no host and port"),
    (["healthcheck", "http://h/a b"], "has a character no URL has"),
    (["healthcheck", "http://h/a\r\nHost: x"], "has a character no URL has"),
])
def test_a_wrong_command_line_is_64_and_says_why(arguments, said):
    status, stdout, stderr = run(*arguments)
    assert (status, stdout) == (64, b"")
    assert said in stderr
    if arguments and arguments[0] in ("query", "ping", "healthcheck"):
        assert stderr.count("\n") == 1
        assert f"userli-bridge {arguments[0]} --help" in stderr
    else:
        assert all(name in stderr for name in ("query", "ping", "healthcheck"))


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_lists_every_command_and_each_has_its_own(arguments):
    status, stdout, stderr = run(*arguments)
    assert (status, stderr) == (0, "")
    for name in "query", "ping", "healthcheck":
        assert f"\n  {name} ".encode() in stdout
        own = run(name, "--help")
        assert own == run("help", name)
        assert own[0] == 0 and own[1].startswith(f"Usage: userli-bridge {name}".encode())
        assert max(len(line) for line in own[1].splitlines()) <= 79


def test_version_is_the_projects():
    status, stdout, _ = run("--version")
    text = (REPOSITORY / "CMakeLists.txt").read_text()
    version = text.split("VERSION", 2)[2].split()[0]
    assert (status, stdout.decode()) == (0, f"userli-bridge {version}\n")


def test_a_value_that_cannot_be_written_is_no_success(frontend):
    with open("/dev/full", "wb") as full:
        result_ = subprocess.run([TOOL, "query", "domain", "x.org", "--addr", frontend],
                                 stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert result_.returncode == 75
    assert result_.stderr == b"userli-bridge: cannot write to standard output\n"
