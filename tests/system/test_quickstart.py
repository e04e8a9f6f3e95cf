"""deploy/quickstart: from a checkout to answers, and nothing left behind."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from support.daemons import BUILD_DIR, REPOSITORY, TOKEN
from support.process import clean_environment
from support.wait import PATIENCE, wait_until

QUICKSTART = REPOSITORY / "deploy" / "quickstart"
MAIN_CF = re.compile(r"^\w+ = socketmap:inet:127\.0\.0\.1:(\d+):(\w+)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def one_at_a_time():
    """They all want the usual ports."""
    with open(BUILD_DIR / ".quickstart-tests", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def command(*arguments):
    """In build/ all of it, as a user runs it; elsewhere with that build."""
    if BUILD_DIR != REPOSITORY / "build":
        arguments += ("--build-dir", str(BUILD_DIR))
    return [str(QUICKSTART), *arguments]


def check(tmp_path, *arguments, **env):
    """Run --check to its end, called from a directory of no significance."""
    return subprocess.run(
        command("--check", *arguments),
        env=clean_environment({"TMPDIR": str(tmp_path), **env}),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )


class Running:
    """The quickstart as an administrator has it on a terminal."""

    def __init__(self, tmp_path):
        self.log = tmp_path / "output"
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                command(),
                env=clean_environment({"TMPDIR": str(tmp_path)}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ignored where the tests themselves run in the background.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def text(self):
        return self.log.read_text(encoding="utf-8")

    def wait_running(self):
        def there():
            assert self.process.poll() is None, self.text()
            return "\nRunning." in self.text()

        wait_until(there, 4 * PATIENCE, "the quickstart runs")
        return self

    def children(self):
        """{program: pid} of what it started."""
        pid = self.process.pid
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {Path(f"/proc/{p}/exe").resolve().name: int(p) for p in pids}

    def wait(self):
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def running(tmp_path):
    program = Running(tmp_path)
    try:
        yield program.wait_running()
    finally:
        program.kill()


def gone(pid):
    """True once a process that is nobody's child here has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def test_check_answers_each_sample_and_leaves_nothing(tmp_path):
    result = check(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    for line in (
        r"alias +team@example\.org +alice@example\.org,bob@example\.org",
        r"domain +example\.org +1",
        r"mailbox +nobody@example\.org +not found",
        r"senders +info@example\.org +alice@example\.org",
    ):
        assert re.search(line, result.stdout), result.stdout
    maps = [name for _, name in MAIN_CF.findall(result.stdout)]
    assert maps == ["alias", "domain", "mailbox", "senders"]
    assert not list(tmp_path.iterdir()), "its folder of logs is gone"


def test_check_takes_free_ports_when_the_usual_are_taken(tmp_path):
    holders = []
    for port in (8000, 10001, 10002, 10010, 10012):
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holders.append(holder)
        try:
            holder.bind(("127.0.0.1", port))
            holder.listen()
        except OSError:
            pass  # somebody else holds it: as good
    try:
        result = check(tmp_path)
    finally:
        for holder in holders:
            holder.close()
    assert result.returncode == 0, result.stdout + result.stderr
    said = re.search(r"A usual port is in use.*: (.*)", result.stdout)[1]
    assert said == "sandbox backend frontend"
    assert all(port != "10001" for port, _ in MAIN_CF.findall(result.stdout))


def test_interrupt_stops_all_that_was_started(running):
    children = running.children()
    assert set(children) == {
        "userli-sandbox",
        "userli-bridge-backend",
        "userli-bridge-frontend",
    }
    for pid in children.values():
        assert TOKEN not in Path(f"/proc/{pid}/cmdline").read_text()
    frontend = Path(f"/proc/{children['userli-bridge-frontend']}/environ")
    assert TOKEN not in frontend.read_text(), "only the backend holds the token"
    running.process.send_signal(signal.SIGINT)
    assert running.wait() == 0, running.text()
    assert all(gone(pid) for pid in children.values()), running.text()


def test_a_program_that_ends_is_named(running):
    children = running.children()
    os.kill(children["userli-bridge-backend"], signal.SIGKILL)
    assert running.wait() == 1
    assert "the backend ended" in running.text()
    assert all(gone(pid) for pid in children.values()), running.text()


def test_children_end_even_when_it_is_killed(running):
    children = running.children()
    running.kill()
    for name, pid in children.items():
        wait_until(lambda p=pid: gone(p), PATIENCE, f"{name} ends")


def test_asks_another_userli_when_told(tmp_path, sandbox):
    userli = sandbox()
    result = check(tmp_path, USERLI_BASE_URL=userli.url, USERLI_TOKEN=TOKEN)
    assert result.returncode == 0, result.stdout + result.stderr
    assert any("/domain/example.org" in path for path in userli.targets())
    result = check(
        tmp_path, "--domain", "second.example",
        USERLI_BASE_URL=userli.url, USERLI_TOKEN=TOKEN,
    )
    assert re.search(r"domain +second\.example +1\n", result.stdout), result.stdout


def test_says_when_userli_refuses_the_token(tmp_path, sandbox):
    began = time.monotonic()
    result = check(tmp_path, USERLI_BASE_URL=sandbox().url, USERLI_TOKEN="wrong")
    assert result.returncode == 1
    assert "token" in result.stderr, result.stderr
    assert time.monotonic() - began < 2 * PATIENCE


def test_half_of_another_userli_is_a_usage_error(tmp_path):
    result = check(tmp_path, USERLI_TOKEN=TOKEN)
    assert result.returncode == 64
    assert "USERLI_BASE_URL" in result.stderr
    assert check(tmp_path, "--bogus").returncode == 64
