"""The sandbox userli's process: listeners, options, signals, its directory."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.raw_sandbox import (  # noqa: E402
    API,
    PATIENCE,
    PROGRAM,
    SAMPLE,
    RawSandbox,
    request_bytes,
    sample_directory,
    wait_for,
    write,
)


@pytest.fixture
def start():
    """start(directory, *options, listen=…) starts one that ends with the test."""
    programs = []

    def start_one(*arguments, **options):
        programs.append(RawSandbox(*arguments, **options))
        return programs[-1]

    yield start_one
    for program in programs:
        program.stop()


def users(*emails):
    return {"users": [{"email": email} for email in emails]}


# --- Listeners, options


def test_it_listens_on_everything_that_it_is_told(start, tmp_path):
    path = str(tmp_path / "s")
    listen = ["127.0.0.1:0", "127.0.0.1:0"]
    userli = start(SAMPLE, "--listen-unix", path, listen=listen)
    assert len(set(userli.urls)) == 3 and userli.urls[2] == f"unix:{path}"
    for url in userli.urls:
        with userli.connect(url) as client:
            assert client.ask(API + "domain/example.org").json() is True


def test_a_stale_socket_is_replaced_and_a_served_one_is_not(start, tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    userli = start(SAMPLE, "--listen-unix", path, listen=())
    status, _, stderr = run("--directory", SAMPLE, "--listen-unix", path)
    assert status == 69 and str(path) in stderr
    assert userli.ask(API + "domain/example.org").status == 200


def run(*options):
    done = subprocess.run(
        [PROGRAM, *map(str, options)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
def test_a_signal_ends_it_at_once_whatever_is_in_flight(number):
    userli = RawSandbox()
    userli.faults({"match": "*/domain/*", "hang": True}, {"delay_ms": 3600000})
    with userli.connect() as hung, userli.connect() as slow, userli.connect():
        hung.send(request_bytes(API + "domain/example.org"))
        slow.send(request_bytes(API + "alias/example.org"))
        wait_for(lambda: userli.stats()["active"] == 2)
        userli.stop(number)
        assert hung.rest() == slow.rest() == b""


@pytest.mark.parametrize(
    "options, status, text",
    [
        ((), 64, "--directory"),
        (("--directory",), 64, "option"),
        (("--directory", SAMPLE, "x"), 64, "options only"),
        (("--directory", SAMPLE, "--prefix", "x"), 64, "--prefix"),
        (("--directory", SAMPLE, "--prefix", "/x/"), 64, "--prefix"),
        (("--directory", SAMPLE, "--tls-cert", "x"), 64, "--tls-key"),
        (("--directory", "/nonexistent"), 78, "/nonexistent"),
        (("--directory", SAMPLE, "--listen", "localhost"), 69, "localhost"),
        (("--directory", SAMPLE, "--listen", "127.0.0.1:x"), 69, "127.0.0.1:x"),
        (("--directory", SAMPLE, "--listen", "example.org:1"), 69, "numeric"),
        (("--directory", SAMPLE, "--listen", "192.0.2.1:0"), 69, "192.0.2.1"),
        (("--directory", SAMPLE, "--listen", "https://127.0.0.1:0"), 69, "--tls"),
        (("--directory", SAMPLE, "--listen-unix", "x" * 108), 69, "107"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(options, status, text):
    got, stdout, stderr = run(*options)
    assert (got, stdout) == (status, "")
    assert text in stderr


def test_help_and_version_are_answered():
    assert run("--help")[0] == 0 and "--directory" in run("--help")[1]
    assert run("--version")[1].startswith("userli-sandbox ")


def test_a_port_in_use_is_named(start):
    userli = start()
    address = userli.url.removeprefix("http://")
    status, _, stderr = run("--directory", SAMPLE, "--listen", address)
    assert status == 69 and address in stderr


def test_stderr_has_endpoints_but_no_keys(start):
    loud, quiet = start(SAMPLE), start(SAMPLE, "--quiet")
    for userli in (loud, quiet):
        userli.api("mailbox/alice@example.org")
    assert loud.stderr() == "userli-sandbox: mailbox: 200\n"
    assert quiet.stderr() == ""


# --- The directory


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("{", ":1:"),
        ("[]", "must be an object"),
        ('{"user":[]}', 'unknown member "user"'),
        ('{"users":{}}', "users: must be a list"),
        ('{"users":[1]}', "users[0]: must be an object"),
        ('{"users":[{}]}', "users[0].email: is missing"),
        ('{"users":[{"email":"x"}]}', "users[0]: email must be an address"),
        ('{"users":[{"email":"a@b@c"}]}', "users[0]: email must be an address"),
        ('{"users":[{"email":"a@b","spam":1}]}', "users[0].spam: must be true"),
        ('{"users":[{"email":"a@b","x":1}]}', 'users[0]: unknown member "x"'),
        ('{"users":[{"email":"a@b"},{"email":"A@B"}]}', "users[1]: email is a dup"),
        (
            '{"users":[{"email":"a@b","quota":{"per_day":-1}}]}',
            "users[0].quota.per_day: must be a whole number from 0",
        ),
        ('{"domains":["a","A"]}', "domains[1]: is a duplicate"),
        ('{"domains":[""]}', "domains[0]: must be a domain"),
        ('{"aliases":[{"source":"a@b"}]}', "aliases[0].destinations: is missing"),
        (
            '{"aliases":[{"source":"a@b","destinations":[1]}]}',
            "aliases[0].destinations[0]: must be a string",
        ),
        ('{"tokens":[{"token":"","scopes":[]}]}', "tokens[0]: token must not be"),
        ('{"tokens":[{"token":"x","scopes":[1]}]}', "tokens[0]: scopes must be"),
        ('{"settings":{"abuse":1}}', "settings.abuse: must be a string"),
        ('{"domains":[],"domains":[]}', "duplicate"),
    ],
)
def test_a_wrong_directory_is_refused_by_file_and_member(tmp_path, text, complaint):
    path = tmp_path / "d.json"
    path.write_text(text)
    status, _, stderr = run("--directory", path, "--listen", "127.0.0.1:0")
    assert status == 78
    assert str(path) in stderr and complaint in stderr


def test_a_hangup_reads_the_directory_again_and_keeps_it_if_broken(start, tmp_path):
    path = write(tmp_path / "d.json", sample_directory())
    userli = start(path)
    assert userli.api("mailbox/new@example.org") is False
    new = {**sample_directory(), **users("new@example.org")}
    # Into place at once: a reload must not see half of it.
    write(tmp_path / "new.json", new).rename(path)
    userli.child.send_signal(signal.SIGHUP)
    wait_for(lambda: userli.api("mailbox/new@example.org"))
    (tmp_path / "d.json").write_text('{"users":[{}]}')
    userli.child.send_signal(signal.SIGHUP)
    wait_for(lambda: "users[0].email: is missing" in userli.stderr())
    assert userli.api("mailbox/new@example.org") is True


def test_a_directory_can_be_put_while_it_runs(start):
    userli = start()
    got = userli.control("directory", "PUT", {**sample_directory(), **users("new@example.org")})
    want = {"domains": 4, "users": 1, "aliases": 6, "tokens": 2}
    assert (got.status, got.json()) == (200, want)
    assert userli.api("mailbox/new@example.org") is True
    assert userli.api("mailbox/alice@example.org") is False
    got = userli.control("directory", "PUT", {"users": [{"email": 1}]})
    assert got.status == 400 and "users[0].email" in got.json()["error"]
    assert userli.control("directory").json() == want


def test_generated_users_by_the_hundred_thousand_are_served(start):
    userli = start()
    emails = [f"user{n}@example.org" for n in range(100000)]
    directory = {**sample_directory(), **users(*emails)}
    assert userli.control("directory", "PUT", directory).status == 200
    asked = emails[::100]
    with userli.connect() as client:
        client.send(b"".join(request_bytes(f"{API}mailbox/{e}") for e in asked))
        assert all(client.response().json() is True for _ in asked)
    assert userli.api("mailbox/user100000@example.org") is False
