"""deploy/Dockerfile and compose.yml on a real engine: built, run, broken."""

import json
import os
import re
import shlex
import signal
import smtplib
import time
from pathlib import Path

import pytest
from support import engine
from support.daemons import REPOSITORY
from support.directory import TOKEN
from support.engine import Container, Project, docker, inspect
from support.load import Load
from support.pool import DELAY_MS, large_directory, write_expected
from support.socketmap import SocketmapClient
from support.wait import PATIENCE, wait_until
from support.web import fetch

reason = engine.why_not()
pytestmark = pytest.mark.skipif(reason is not None, reason=str(reason))

FRONTEND, BACKEND = "userli-bridge-frontend", "userli-bridge-backend"
OURS = ("frontend", "backend", "bridge", "sandbox")
ADDED_MAX = 20 << 20  # bytes that an image of ours adds to Debian
GRACE_S = 12  # stop_grace_period
LOAD_S = 3  # of load after a fault
BACKENDS = 3
CALLS = "userli_postfix_adapter_backend_calls_total"


@pytest.fixture(scope="module")
def images():
    """{target: image}, all of them built."""
    return {target: engine.build(target) for target in engine.TARGETS}


# --- Images ------------------------------------------------------------------


@pytest.mark.parametrize("target", OURS)
def test_an_image_runs_as_nobody_with_labels_and_a_check_of_its_own(images, target):
    config = inspect(images[target])["Config"]
    assert config["User"] == "65532:65532"
    assert config["Healthcheck"]["Test"][:3] == ["CMD", "userli-bridge", "healthcheck"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == engine.VERSION
    assert labels["org.opencontainers.image.revision"] == "0123456789ab"
    assert TOKEN not in json.dumps(config)


@pytest.mark.parametrize("target", OURS)
def test_an_image_is_little_more_than_debian(images, target):
    size = inspect(images[target])["Size"]
    added = size - inspect(engine.base_image())["Size"]
    print(f"{target}: {size / 1e6:.0f} MB, {added / 1e6:.1f} MB of it added to the base")
    assert added < ADDED_MAX
    for tool in ("curl", "wget", "gcc", "nc", "python3"):
        path = docker("run", "--rm", "--network", "none", "--entrypoint", "/bin/sh",
                      images[target], "-c", f"command -v {tool} || true")
        assert path == "", f"{target} has {path}"


def test_an_image_knows_its_revision(images):
    version = docker("run", "--rm", "--network", "none", images["backend"], "--version")
    assert "0.1.0" in version


# --- The replaced adapter's command --------------------------------------------


@pytest.fixture
def run_container(request):
    """run_container(option, …) of docker run -d, removed at the end."""

    def start(*arguments):
        container = Container(docker("run", "-d", *arguments))
        request.addfinalizer(lambda: docker("rm", "-f", "-v", container.id))
        return container

    return start


@pytest.fixture
def adapter(images, run_container):
    """The bridge image, asked for as the adapter's was, and a userli."""
    userli = run_container(images["sandbox"])
    where = f"http://{userli.address('bridge')}:8000"
    wait_until(lambda: _answers(f"{where}/_sandbox/stats"), what="the sandbox answers")

    def start(*options):
        return run_container(
            *options, "-e", f"USERLI_TOKEN={TOKEN}", "-e", f"USERLI_BASE_URL={where}",
            "-p", "127.0.0.1::10001", "-p", "127.0.0.1::10002", images["bridge"],
        )

    return start


def _answers(url):
    try:
        return fetch(url, timeout=5).status == 200
    except OSError:
        return False


def pid_of(container, program):
    """The process here: in the container nobody may look into another one."""
    lines = docker("top", container.id, "-eo", "pid,args").splitlines()[1:]
    (pid,) = [int(line.split()[0]) for line in lines if line.split()[1] == program]
    return pid


def published(container, port):
    return docker("port", container.id, port).splitlines()[0]


def serves(container):
    wait_until(lambda: _answers(f"http://{published(container, 10002)}/ready"), what="it is ready")
    with SocketmapClient(published(container, 10001)) as client:
        return str(client.lookup("domain", "example.org"))


def test_the_adapters_docker_run_works_as_it_stands(adapter):
    container = adapter()
    assert serves(container) == "OK 1"
    environment = Path(f"/proc/{pid_of(container, FRONTEND)}/environ").read_text()
    assert "BACKEND_URLS=" in environment and TOKEN not in environment
    docker("stop", container.id)
    assert container.state()["ExitCode"] == 0
    assert container.logs().count('"msg":"stopped"') == 2


def test_it_works_without_any_right(adapter):
    container = adapter("--read-only", "--cap-drop", "ALL",
                        "--security-opt", "no-new-privileges:true")
    assert serves(container) == "OK 1"


@pytest.mark.parametrize("program", [FRONTEND, BACKEND])
def test_when_either_process_ends_the_container_ends(adapter, program):
    container = adapter()
    assert serves(container) == "OK 1"
    os.kill(pid_of(container, program), signal.SIGKILL)
    assert container.wait_ended() == 128 + 9


# --- The demo --------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(images):
    """compose.yml --profile demo, several backends, a large directory."""
    project = Project("demo")
    try:
        project.compose("up", "-d", "--no-build", "--scale", f"backend={BACKENDS}")
        project.wait_healthy("frontend", "frontend2", "demo-postfix", "demo-postfix2")
        yield project
    finally:
        project.down()


def mail_hosts(demo):
    """(frontend, Postfix) of each."""
    return [(demo.one("frontend"), demo.one("demo-postfix")),
            (demo.one("frontend2"), demo.one("demo-postfix2"))]


def test_both_mail_hosts_look_up_through_their_own_frontend(demo):
    for name, (frontend, postfix) in zip(("mail", "mail2"), mail_hosts(demo)):
        before = demo.metrics(frontend, 10002).total("userli_postfix_adapter_requests_total")
        value = postfix.execute("postmap", "-q", "alice@example.org",
                                "socketmap:inet:frontend:10001:mailbox")
        assert value == "1"
        after = demo.metrics(frontend, 10002).total("userli_postfix_adapter_requests_total")
        assert after > before, name


def test_the_adapters_name_still_leads_to_the_frontend(demo):
    value = demo.compose("exec", "-T", "demo-postfix", "postmap", "-q", "example.org",
                         "socketmap:inet:adapter:10001:domain")
    assert value.strip() == "1"


def test_mail_is_taken_for_those_that_userli_knows(demo):
    for name, (_, postfix) in zip(("mail", "mail2"), mail_hosts(demo)):
        where = postfix.address(demo.network(name))
        with smtplib.SMTP(where, 25, timeout=PATIENCE) as smtp:
            smtp.ehlo("client.example")
            smtp.mail("stranger@elsewhere.example")
            assert smtp.rcpt("info@example.org")[0] == 250
            assert smtp.rcpt("nobody@example.org")[0] == 550
            assert smtp.data("Subject: x\r\n\r\nHello\r\n")[0] == 250
        wait_until(lambda p=postfix: "status=sent" in p.logs(), what="the mail is delivered")


def test_only_frontends_reach_backends_and_only_backends_userli(demo):
    def reaches(container, where, port):
        address = f"/dev/tcp/{where}/{port}"
        return container.execute(
            "timeout", "5", "bash", "-c", f"exec 3<>{address} && echo yes || true", check=False
        ) == "yes"

    frontend, postfix = mail_hosts(demo)[0]
    backend, sandbox = demo.containers("backend")[0], demo.one("sandbox")
    rpc = backend.address(demo.network("rpc"))
    userli = sandbox.address(demo.network("userli"))
    assert reaches(frontend, rpc, 10010) and reaches(backend, userli, 80)
    assert not reaches(frontend, userli, 80)
    assert not reaches(postfix, rpc, 10010) and not reaches(postfix, userli, 80)


def test_ours_may_do_nothing_and_write_nowhere(demo):
    for service in ("frontend", "frontend2", "backend", "sandbox"):
        for container in demo.containers(service):
            host = inspect(container.id)["HostConfig"]
            assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], service
            assert host["SecurityOpt"] == ["no-new-privileges:true"], service
            assert container.execute("sh", "-c", "echo x >/x || echo no", check=False) == "no"


def test_the_token_is_in_no_environment(demo):
    for service in ("frontend", "backend"):
        assert TOKEN not in json.dumps(inspect(demo.containers(service)[0].id)["Config"])
        assert TOKEN not in demo.containers(service)[0].logs()


# --- Faults under load -----------------------------------------------------------


@pytest.fixture(scope="module")
def large(demo):
    where = f"http://{demo.one('sandbox').address(demo.network('userli'))}:8000/_sandbox"
    assert fetch(f"{where}/directory", "PUT", large_directory()).status in (200, 204)
    rules = [{"match": "*", "delay_ms": DELAY_MS}]
    assert fetch(f"{where}/faults", "PUT", rules).status in (200, 204)


@pytest.fixture
def load(demo, large, keeper, tmp_path):
    """Clients of both frontends; at the end nothing may have failed."""
    demo.scale("backend", BACKENDS)
    wait_up(demo, BACKENDS)
    addresses = [f"{demo.one('frontend').address(demo.network('mail'))}:10001",
                 f"{demo.one('frontend2').address(demo.network('mail2'))}:10001"]
    load = keeper.add(Load(write_expected(tmp_path), addresses, clients=32, wait_ms=10))
    settle(load)
    yield load
    load.finish().check_answered()
    demo.scale("backend", BACKENDS)


def settle(load, seconds=LOAD_S):
    """So much load, and the figures of the phase that it ends."""
    time.sleep(seconds)
    return load.phase("next").check_answered()


def wait_up(demo, count):
    """Both frontends have so many backends, and no other."""
    def seen(frontend):
        states = demo.metrics(frontend, 10002)
        name = "userli_postfix_adapter_pool_members"
        return states.value(name, state="up") == count and states.total(name) == count

    for frontend in (demo.one("frontend"), demo.one("frontend2")):
        wait_until(lambda f=frontend: seen(f), 2 * PATIENCE, f"{count} backends are up", 0.2)


def test_four_backends_share_the_work_and_three_may_go(demo, load):
    demo.scale("backend", 1)
    wait_up(demo, 1)
    settle(load)
    began = time.monotonic()
    demo.compose("up", "-d", "--no-recreate", "--no-deps", "--no-build",
                 "--scale", "backend=4", "backend")
    running = demo.containers("backend")
    assert len(running) == 4

    def all_work():
        return all(demo.metrics(b, 10012).total(CALLS) > 0 for b in running)

    made = time.monotonic()
    wait_until(all_work, 10, "all four have work", 0.1)
    print(f"scaled by compose in {made - began:.1f} s, all four at work "
          f"{time.monotonic() - made:.1f} s later")
    settle(load)
    demo.scale("backend", 1)
    wait_up(demo, 1)
    settle(load)


def test_a_backend_that_is_killed_costs_nothing(demo, load):
    victim = demo.containers("backend")[0]
    docker("kill", victim.id)
    settle(load)
    docker("start", victim.id)
    wait_up(demo, BACKENDS)
    settle(load)


def test_a_backend_that_is_paused_costs_nothing(demo, load):
    victim = demo.containers("backend")[0]
    docker("pause", victim.id)
    try:
        settle(load, 2 * LOAD_S)
    finally:
        docker("unpause", victim.id)
    wait_up(demo, BACKENDS)
    settle(load)


def test_a_backend_without_network_costs_nothing(demo, load):
    victim, network = demo.containers("backend")[0], demo.network("rpc")
    docker("network", "disconnect", network, victim.id)
    settle(load, 2 * LOAD_S)
    docker("network", "connect", "--alias", "backend", network, victim.id)
    wait_up(demo, BACKENDS)
    settle(load)


def test_backends_are_upgraded_one_by_one_for_nothing(demo, load, images, monkeypatch):
    newer = "tests-newer"
    docker("build", "-t", f"userli-bridge/backend:{newer}", "-",
           stdin=f"FROM {images['backend']}\nLABEL newer=yes\n".encode())
    monkeypatch.setitem(demo.settings, "VERSION", newer)
    for old in demo.containers("backend"):
        docker("stop", old.id)
        assert old.state()["ExitCode"] == 0
        docker("rm", old.id)
        demo.scale("backend", BACKENDS)
        wait_up(demo, BACKENDS)
        settle(load, 1)
    assert all(inspect(c.id)["Config"]["Labels"].get("newer") for c in demo.containers("backend"))


# --- The end, last -----------------------------------------------------------------


def test_down_is_over_within_the_grace_period(demo):
    ours = [c for s in ("frontend", "frontend2", "backend") for c in demo.containers(s)]
    began = time.monotonic()
    demo.compose("stop")
    assert time.monotonic() - began < 3 * GRACE_S  # in the order of their dependencies
    for container in ours:
        state = container.state()
        assert state["ExitCode"] == 0, container.logs()[-2000:]
    assert demo.down() < GRACE_S


README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_readme_builds_targets_that_there_are():
    built = re.findall(r"^docker build -f deploy/Dockerfile --target (\w+) -t "
                       r"userli-bridge/(\w+):0\.1\.0 \.$", README, re.M)
    assert built and all(target == name and target in OURS for target, name in built)


def test_the_readmes_demo_runs_as_written(images):
    lines = re.findall(r"^docker compose --profile demo (.*)$", README, re.M)
    assert len(lines) == 4 and lines[0] == "up -d" and lines[-1] == "down"
    project = Project("demo")
    try:
        output = []
        for line in lines:
            words = shlex.split(line)
            # A terminal is what a test has not.
            words[1:1] = ["-T"] if words[0] == "exec" else []
            output.append(project.compose(*words))
            if words[0] == "up":
                project.wait_healthy("frontend", "demo-postfix")
        assert output[1].strip() == "1"
        assert not project.containers("frontend")
    finally:
        project.down()
