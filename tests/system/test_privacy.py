"""With LOG_PII off, nothing that anyone can read names a person."""

import os
import random
import re
import resource
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from support.daemons import TOKEN, program_path
from support.directory import alias, sample_directory, write_directory
from support.load import Load, sanitizers
from support.process import clean_environment
from support.wait import wait_until
from support.web import fetch

# In every address below; in nothing that a daemon may say of its own accord.
USER, DOMAIN = "zq7person", "zq7secret"
MARK = re.compile("zq7", re.I)
PATHS = ("/", "/status.json", "/metrics", "/health", "/ready", "/nothing")


def address(number):
    return f"{USER}{number}@{DOMAIN}{number % 5}.example"


def directory():
    people = [address(n) for n in range(50)]
    lists = [alias(f"{USER}list{n}@{DOMAIN}0.example", *people[n : n + 3]) for n in range(20)]
    return sample_directory(
        domains=[f"{DOMAIN}{n}.example" for n in range(5)],
        users=[{"email": person, "password": "x"} for person in people],
        aliases=lists,
        settings={},
    )


def lookups():
    """What is found, what is not, what is asked oddly."""
    for n in range(50):
        yield f"mailbox {address(n)}\tOK 1"
        yield f"mailbox {address(n).upper()}\tOK 1"
        yield f"senders {address(n)}\tOK {address(n)}"
        yield f"alias {USER}nobody{n}@{DOMAIN}0.example\tNOTFOUND "
        yield f"domain {DOMAIN}{n % 5}.example\tOK 1"
        yield f"domain {DOMAIN}absent{n}.example\tNOTFOUND "
        yield f'mailbox "{USER} {n}"@{DOMAIN}0.example\tNOTFOUND '
        yield f"mailbox {USER}@{USER}@{DOMAIN}.example\tNOTFOUND "
    for n in range(20):
        members = ",".join(address(m) for m in range(n, n + 3))
        yield f"alias {USER}list{n}@{DOMAIN}0.example\tOK {members}"


def faults():
    """What makes daemons complain, each in another way, of those not asked yet."""
    wrong = [
        {"status": 500},
        {"reset": True},
        {"body": "<html>zq7person</html>"},
        {"body": '["zq7person,@x"]'},
        {"delay_ms": 250},
        {"hang": True},
    ]
    for number, what in enumerate(wrong, 90):
        yield {"match": f"*/{quote(address(number), safe='')}", **what}


def everything_said(daemon):
    """Each line of its log and of what it serves."""
    lines = list(daemon.lines) + list(daemon.output)
    for path in PATHS:
        response = fetch(daemon.metrics_url + path)
        lines += response.body.splitlines() + [f"{k}: {v}" for k, v in response.headers.items()]
    return lines


@pytest.mark.parametrize("more", [{}, {"LOOKUP_CACHE_TTL": "0"}], ids=["cache", "none"])
def test_no_address_is_shown_anywhere(
    keeper, sandbox, backend, frontend, tmp_path, more
):
    settings = {"LOG_LEVEL": "debug", **more}
    userli = sandbox("--quiet", directory=write_directory(tmp_path, directory()))
    back = backend(userli.url, **settings, USERLI_TIMEOUT="300ms").wait_ready()
    front = frontend(back.urls, **settings).wait_ready()
    # The load knows only right answers: it comes before the faults.
    lines = list(lookups())
    random.Random(1).shuffle(lines)
    expected = tmp_path / "expected"
    expected.write_text("".join(line + "\n" for line in lines))
    load = keeper.add(Load(expected, [front.address], 8, 1))
    wait_until(
        lambda: front.metrics().total("userli_postfix_adapter_requests_total") > 2000,
        what="load",
    )
    load.finish().check_answered()

    userli.set_faults(*faults())
    with front.client() as client:
        for n in range(90, 96):
            client.lookup("mailbox", f"{USER}+{n}x{n}@{DOMAIN}0.example")
            assert client.lookup("mailbox", address(n)).status != "OK"
            assert client.lookup("senders", address(n)).status != "OK"
        client.lookup(f"{USER}map", address(1))
    noise = front.client()
    noise.send_raw(f"{USER}@{DOMAIN}.example is no netstring".encode())
    assert noise.at_end()
    noise.close()

    for daemon in (front, back):
        said = everything_said(daemon)
        assert len(daemon.lines) > 100, "the log is worth a search"
        assert not [line for line in said if MARK.search(line) or TOKEN in line][:5]
        argv = Path(f"/proc/{daemon.pid}/cmdline").read_bytes()
        assert TOKEN.encode() not in argv


def test_personal_logs_do_show_them(sandbox, backend, frontend, tmp_path):
    """So that the search above would find one."""
    userli = sandbox("--quiet", directory=write_directory(tmp_path, directory()))
    settings = {"LOG_LEVEL": "debug", "LOG_PII": "1"}
    back = backend(userli.url, **settings).wait_ready()
    front = frontend(back.urls, **settings).wait_ready()
    front.lookup("mailbox", address(1))
    front.wait_event("lookup")
    assert any(MARK.search(line) for line in everything_said(front))


def crash(tmp_path, program, **settings):
    """Whether the kernel dumped core when the program aborted."""
    env = clean_environment(
        {
            "USERLI_TOKEN": TOKEN,
            "USERLI_BASE_URL": "http://127.0.0.1:9",
            "METRICS_LISTEN_ADDR": "127.0.0.1:0",
            "BACKEND_LISTEN_URL": "tcp://127.0.0.1:0",
            "SOCKETMAP_LISTEN_ADDR": "127.0.0.1:0",
            **settings,
        }
    )
    unlimited = resource.getrlimit(resource.RLIMIT_CORE)[1]
    with (tmp_path / "log").open("w+b") as log:
        child = subprocess.Popen(
            [program_path(program)],
            env=env,
            cwd=tmp_path,
            stderr=log,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_CORE, (unlimited, unlimited)
            ),
        )
        wait_until(lambda: b'"ready"' in (tmp_path / "log").read_bytes(), what="ready")
        limits = Path(f"/proc/{child.pid}/limits").read_text()
        os.kill(child.pid, signal.SIGSEGV)
        _, status = os.waitpid(child.pid, 0)
        child.returncode = -signal.SIGSEGV
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 99  # a sanitizer's
    return os.WCOREDUMP(status), limits


@pytest.mark.parametrize("program", ["userli-bridge-frontend", "userli-bridge-backend"])
def test_a_crash_leaves_no_core(tmp_path, program):
    dumped, limits = crash(tmp_path, program)
    assert not dumped
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
    assert not list(tmp_path.glob("core*"))


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, reason="core dumps are off here"
)
@pytest.mark.skipif(bool(sanitizers()), reason="a sanitizer turns core dumps off itself")
def test_a_crash_leaves_a_core_where_it_was_allowed(tmp_path):
    _, limits = crash(tmp_path, "userli-bridge-backend", CORE_DUMPS="1")
    assert not re.search(r"^Max core file size +0 ", limits, re.M)
    for core in tmp_path.glob("core*"):
        core.unlink()
