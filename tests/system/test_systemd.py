"""deploy/systemd: units that systemd takes, and daemons that do their part."""

import configparser
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from support.daemons import BUILD_DIR, REPOSITORY, TOKEN, program_path
from support.process import clean_environment, run
from support.socketmap import SocketmapClient
from support.wait import PATIENCE, wait_until

FOLDER = REPOSITORY / "deploy" / "systemd"
SERVICES = sorted(path.name for path in FOLDER.glob("*.service"))
UNITS = SERVICES + sorted(path.name for path in FOLDER.glob("*.socket"))
EXPOSURE_MAX = 15  # tenths, of systemd-analyze security

# dup2() to where systemd passes sockets, then the program.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


def settings_of(unit):
    """{section: {name: [value, …]}} of a unit."""
    found = {}
    for line in (FOLDER / unit).read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            section.setdefault(name, []).append(value)
    return found


# --- The units -------------------------------------------------------------


def analyze(*arguments):
    result = subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True,
        check=False, env={**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "cat"},
    )
    return result.returncode, result.stdout + result.stderr


@pytest.fixture
def units(tmp_path):
    """The units, with the programs that this build has made."""
    for path in FOLDER.glob("*.s*"):
        text = path.read_text().replace("ExecStart=", f"ExecStart={BUILD_DIR}/bin/")
        (tmp_path / path.name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_every_unit_without_a_word(units, unit):
    assert analyze("verify", "--man=no", units / unit) == (0, "")


def test_a_mistake_in_a_unit_would_be_seen(units):
    unit = units / SERVICES[0]
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchdogSeconds="))
    assert "WatchdogSeconds" in analyze("verify", "--man=no", unit)[1]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_hardly_do_anything(service):
    status, text = analyze(
        "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", FOLDER / service
    )
    assert status == 0, text


def test_the_services_are_hardened_alike():
    def hardening(unit):
        return (FOLDER / unit).read_text().partition("DynamicUser=")[2].partition("[")[0]

    assert len({hardening(service) for service in SERVICES}) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_given_time_to_drain(service):
    program = re.match(r"[a-z-]+[a-z]", service)[0]
    _, text, _ = run([program_path(program), "--help"])
    drain_s = int(re.search(r"SHUTDOWN_TIMEOUT +(\d+)s", text)[1])
    assert int(settings_of(service)["Service"]["TimeoutStopSec"][0].strip("s")) > drain_s + 2


@pytest.mark.parametrize("service", SERVICES)
def test_the_administrators_tool_finds_a_service(service):
    """By default where the units have it."""
    folder = settings_of(service)["Service"]["RuntimeDirectory"]
    if "@" in service:
        assert folder == ["userli-bridge-backend-%i"]
        return
    tier = service.removesuffix(".service").rpartition("-")[2]
    status, _, err = run([program_path("userli-bridge"), "log-level", tier])
    assert status == 69 and f"/run/{folder[0]}/admin.sock" in err


@pytest.mark.parametrize("tier", ["frontend", "backend"])
def test_the_settings_that_are_shipped_are_right(tier):
    program = program_path(f"userli-bridge-{tier}")
    env = clean_environment({"USERLI_TOKEN": TOKEN} if tier == "backend" else {})
    for path in FOLDER.glob(f"{tier}*.conf"):
        for text in (path.read_text(), re.sub(r"(?m)^#([A-Z_]+=)", r"\1", path.read_text())):
            config = configparser.ConfigParser(delimiters="=")
            config.optionxform = str
            config.read_string("[all]\n" + text)
            assert len(config["all"]) > 0
            result = subprocess.run(
                [program, "--check-config"], env={**env, **config["all"]},
                capture_output=True, text=True, check=False,
            )
            assert (result.returncode, result.stderr) == (0, ""), path
            assert TOKEN not in text


@pytest.mark.parametrize("instance", "0129")
def test_instances_have_ports_of_their_own(instance):
    given = settings_of("userli-bridge-backend@.service")["Service"]["Environment"]
    env = dict(value.split("=", 1) for value in given)
    env = {name: value.replace("%i", instance).replace("%l", "host") for name, value in env.items()}
    status, _, err = run(
        [program_path("userli-bridge-backend"), "--check-config"],
        env={**env, "USERLI_TOKEN": TOKEN},
    )
    assert status == 0, err
    assert env["BACKEND_LISTEN_URL"] == f"tcp://127.0.0.1:1010{instance}"


# --- Readiness and signs of life -------------------------------------------


class Manager:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def receive(self, timeout=PATIENCE):
        self.socket.settimeout(timeout)
        return self.socket.recv(4096).decode()

    def wait(self, text):
        """Everything that came until text did."""
        came = []
        while text not in came:
            came.append(self.receive())
        return came

    def environment(self, **more):
        return {"NOTIFY_SOCKET": self.path, **more}


@pytest.fixture
def manager(short_dir):
    manager = Manager(short_dir)
    yield manager
    manager.socket.close()


def start(tier, frontend, backend, **settings):
    if tier == "frontend":
        return frontend(["tcp://127.0.0.1:9"], **settings)
    return backend("http://127.0.0.1:9", **settings)


@pytest.mark.parametrize("tier", ["frontend", "backend"])
def test_systemd_hears_of_readiness_life_reload_and_end(manager, frontend, backend, tier):
    daemon = start(
        tier, frontend, backend, **manager.environment(WATCHDOG_USEC="400000")
    )
    assert manager.receive() == "READY=1"
    began = time.monotonic()
    assert [manager.receive() for _ in range(4)] == ["WATCHDOG=1"] * 4
    assert 0.4 < time.monotonic() - began < 30  # every 0.2 s
    daemon.signal(signal.SIGHUP)
    assert manager.wait("READY=1")[-2].startswith("RELOADING=1\nMONOTONIC_USEC=")
    daemon.signal(signal.SIGTERM)
    manager.wait("STOPPING=1")
    assert daemon.wait() == 0


def test_a_loop_that_hangs_gives_no_sign_of_life(manager, sandbox, backend, tmp_path):
    """Its process lives on: only systemd's watchdog would notice."""
    flag = tmp_path / "hang"
    daemon = backend(
        sandbox().url,
        LD_PRELOAD=BUILD_DIR / "tests" / "hang_nng_close.so",
        HANG_NNG_CLOSE=flag,
        ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0",
        **manager.environment(WATCHDOG_USEC="1000000"),
    ).wait_ready()
    daemon.exit_codes = (75,)
    manager.wait("WATCHDOG=1")
    flag.touch()

    def silent():
        try:
            manager.receive(timeout=2.5)
            return False
        except TimeoutError:
            return True

    wait_until(silent, what="the signs of life end")
    assert daemon.wait() == 75  # by the daemon's own watchdog, seconds later


# --- Sockets from systemd --------------------------------------------------


@pytest.fixture
def chroot_socket(short_dir):
    """A listening UNIX socket, as the .socket unit has it."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(short_dir / "socketmap"))
    listening.listen(64)
    yield listening
    listening.close()


def activated(frontend, urls, listening, **settings):
    return frontend(
        urls,
        launcher=["/usr/bin/python3", "-c", ACTIVATE, listening.fileno()],
        pass_fds=[listening.fileno()],
        # Not bound: this address is nobody's.
        SOCKETMAP_LISTEN_ADDR="192.0.2.1:10001",
        **settings,
    )


def test_who_asks_during_a_restart_waits_and_is_answered(stack, frontend, chroot_socket):
    path = chroot_socket.getsockname()
    first = activated(frontend, stack.backend.urls, chroot_socket).wait_ready()
    assert first.addresses("socketmap") == [path]
    assert first.lookup("domain", "example.org").status == "OK"
    assert first.stop() == 0
    assert os.path.exists(path), "the socket is systemd's"
    with SocketmapClient(path, PATIENCE, set()) as client:
        client.send("alias", "info@example.org")
        second = activated(frontend, stack.backend.urls, chroot_socket)
        assert client.receive().status == "OK"
    assert second.running


def test_a_drained_frontend_serves_the_passed_socket_again(stack, frontend, chroot_socket, short_dir):
    """Meanwhile who asks waits, as in a restart."""
    path = chroot_socket.getsockname()
    admin = short_dir / "admin"
    daemon = activated(frontend, stack.backend.urls, chroot_socket, ADMIN_SOCKET=admin).wait_ready()
    tool = program_path("userli-bridge")
    assert run([tool, "drain", admin])[0] == 0
    wait_until(lambda: daemon.ready().status == 503, what="it is drained")
    with SocketmapClient(path, PATIENCE, set()) as client:
        client.send("domain", "example.org")
        wait_until(lambda: run([tool, "resume", admin])[0] == 0, what="it is resumed")
        assert client.receive().status == "OK"


def test_a_passed_descriptor_that_does_not_listen_ends_the_start(short_dir):
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(short_dir / "socketmap"))
        result = subprocess.run(
            ["/usr/bin/python3", "-c", ACTIVATE, str(deaf.fileno()),
             program_path("userli-bridge-frontend")],
            env=clean_environment({"METRICS_LISTEN_ADDR": "127.0.0.1:0"}),
            pass_fds=[deaf.fileno()], capture_output=True, text=True, check=False,
            timeout=PATIENCE,
        )
    assert result.returncode == 69, result.stderr
    assert "ListenStream=" in result.stderr and str(short_dir) in result.stderr


@pytest.mark.skipif(
    not shutil.which("systemd-socket-activate"), reason="no systemd-socket-activate"
)
def test_systemds_own_launcher_starts_it_for_the_first_lookup(stack, keeper, short_dir):
    path = short_dir / "socketmap"
    settings = {"BACKEND_URLS": ",".join(stack.backend.urls), "METRICS_LISTEN_ADDR": "127.0.0.1:0"}
    env = clean_environment(settings)
    program = keeper.start(
        ["systemd-socket-activate", "--listen", path,
         *(f"--setenv={name}" for name in env), program_path("userli-bridge-frontend")],
        env=settings,
    )
    wait_until(path.exists, what="the socket")
    with SocketmapClient(str(path), PATIENCE, set()) as client:
        assert client.lookup("domain", "example.org").status == "OK"
    assert program.find_events("listening", service="socketmap", address=str(path))


def test_the_sockets_are_where_the_readme_has_postfix_ask():
    sockets = settings_of("userli-bridge-frontend.socket")["Socket"]["ListenStream"]
    readme = Path(REPOSITORY, "README.md").read_text()
    assert sockets == ["127.0.0.1:10001", "/var/spool/postfix/userli/socketmap"]
    assert all(where in readme for where in sockets)
    assert "socketmap:unix:userli/socketmap:" in readme
