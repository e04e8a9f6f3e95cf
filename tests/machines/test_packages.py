"""deploy/build-packages: built, judged, installed, started, upgraded, removed.

In a clean Debian root where systemd runs: units, credentials, sockets, the
watchdog and the sandboxing are the real ones.
"""

import re
import shutil
import subprocess

import pytest
from support import debian
from support.booted import Booted
from support.daemons import BUILD_DIR, REPOSITORY, TOKEN
from support.wait import PATIENCE, wait_until

PACKAGES = ("userli-bridge-frontend", "userli-bridge-backend", "userli-bridge-tools",
            "libsocketmap0", "libsocketmap-dev")
DAEMONS = ("userli-bridge-frontend", "userli-bridge-backend")
MAP = "/var/spool/postfix/userli/socketmap"


def _why_not():
    for program in ("dpkg-buildpackage", "dh", "lintian"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return debian.why_not()


reason = _why_not()
pytestmark = pytest.mark.skipif(reason is not None, reason=str(reason))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the packages."""
    folder = tmp_path_factory.mktemp("packages")
    result = subprocess.run([REPOSITORY / "deploy/build-packages", folder], timeout=1200,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, check=False)
    assert result.returncode == 0, result.stdout[-6000:]
    return folder


def package(folder, name):
    (path,) = folder.glob(f"{name}_*.deb")
    return path


# --- As files --------------------------------------------------------------------


def test_lintian_has_nothing_to_say(built):
    (changes,) = built.glob("*.changes")
    result = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", changes],
        capture_output=True, text=True, check=False, timeout=600)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_holds_what_it_should(built, name):
    listing = subprocess.run(["dpkg-deb", "-c", package(built, name)], capture_output=True,
                             text=True, check=True).stdout
    size = package(built, name).stat().st_size
    print(f"{name}: {size / 1024:.0f} KiB")
    for path in {
        "userli-bridge-frontend": (".service", ".socket", "frontend.conf", "man8/"),
        "userli-bridge-backend": (".service", "backend@.service", "backend.conf", "man8/"),
        "userli-bridge-tools": ("bin/userli-bridge", "man1/", "man5/", "bash-completion",
                                "zsh", "fish"),
        "libsocketmap0": ("libsocketmap.so.0",),
        "libsocketmap-dev": ("socketmap.h", "libsocketmap.a", "socketmap.pc", "man3/"),
    }[name]:
        assert path in listing
    for line in listing.splitlines():
        assert ".conf" not in line or "/etc/" not in line or line.startswith("-rw-r-----"), line


def test_no_package_holds_a_token(built, tmp_path):
    for name in PACKAGES:
        subprocess.run(["dpkg-deb", "-x", package(built, name), tmp_path / name], check=True)
    found = subprocess.run(["grep", "-rlF", TOKEN, tmp_path], capture_output=True, text=True,
                           check=False)
    assert found.stdout == ""


# --- On a machine ------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine(built):
    """A clean root that runs systemd; the packages lie in /packages."""
    with debian.unpacked_root() as root:
        root.run("apt-get update -qq && apt-get install -qq -y --no-install-recommends "
                 "systemd systemd-sysv dbus procps iproute2 libgnutls30 postfix bash-completion")
        # Only Postfix's tools and its chroot are wanted.
        root.run("systemctl disable postfix")
        folder = root.path / "packages"
        folder.mkdir()
        for name in PACKAGES:
            shutil.copy(package(built, name), folder)
        root.run("apt-get install -qq -y --no-install-recommends --download-only /packages/*.deb")
        shutil.copy(BUILD_DIR / "bin" / "userli-sandbox", root.path / "usr/local/bin")
        shutil.copy(REPOSITORY / "tests/sandbox/directory.json", root.path / "etc/directory.json")
        booted = Booted(root)
        try:
            yield booted
        finally:
            booted.stop()


@pytest.fixture(scope="module")
def installed(machine):
    """The packages, with a token: everything runs."""
    machine.run("dpkg -i /var/cache/apt/archives/*.deb /packages/*.deb", timeout=4 * PATIENCE)
    # Its libraries have come with the packages.
    machine.run("systemd-run --unit sandbox userli-sandbox --directory /etc/directory.json")
    status, text = machine.run("systemctl start userli-bridge-backend", check=False)
    assert status != 0 and "Assertion failed" in text, "no token yet"
    machine.run(f"install -m 0600 /dev/null /etc/userli-bridge/token && "
                f"echo {TOKEN} >/etc/userli-bridge/token")
    machine.run("systemctl start userli-bridge-backend")
    for daemon in DAEMONS:
        machine.wait_active(daemon)
    for port in (10002, 10012):
        wait_until(lambda p=port: ready(machine, p), what=f"{port} is ready", interval=0.2)
    return machine


def ready(machine, port=10002):
    command = f"userli-bridge healthcheck http://127.0.0.1:{port}/ready"
    return machine.run(command, check=False)[0] == 0


def lookup(machine, where, name="domain", key="example.org"):
    return machine.run(f"postmap -q {key} socketmap:{where}:{name}")[1].strip()


def test_postfix_asks_over_tcp_and_inside_its_chroot(installed):
    assert lookup(installed, "inet:127.0.0.1:10001") == "1"
    assert lookup(installed, f"unix:{MAP}") == "1"
    text = installed.run(f"stat -c '%U:%G %a' {MAP} {MAP.rpartition('/')[0]}")[1].split("\n")
    assert text[:2] == ["root:postfix 660", "root:root 755"]


def test_nobody_else_may_ask_at_the_socket(installed):
    command = f"userli-bridge query domain example.org --addr {MAP}"
    for user, group, want in (("postfix", "postfix", 0), ("nobody", "nogroup", 69)):
        status, text = installed.run(f"setpriv --reuid {user} --regid {group} --init-groups "
                                     f"{command}", check=False)
        assert status == want, text


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_daemon_is_nobody_and_may_do_nothing(installed, daemon):
    status = installed.run(f"cat /proc/{installed.pid(daemon)}/status")[1]
    uid = int(re.search(r"Uid:\s+(\d+)", status)[1])
    assert 61184 <= uid <= 65519, "DynamicUser="
    assert re.search(r"CapEff:\s+0+\n", status) and "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    exposure = installed.run(f"systemd-analyze security --no-pager {daemon}.service")[1]
    level = float(re.search(r"exposure level for .*: ([\d.]+)", exposure)[1])
    assert level <= 1.5, exposure


def test_only_the_backend_sees_the_token(installed):
    for daemon in DAEMONS:
        assert TOKEN not in installed.run(f"tr '\\0' '\\n' </proc/{installed.pid(daemon)}/environ; "
                                          f"tr '\\0' ' ' </proc/{installed.pid(daemon)}/cmdline")[1]
    mode = installed.run("stat -c %a /run/credentials/userli-bridge-backend.service/USERLI_TOKEN")
    assert mode[1].strip() == "400"
    assert TOKEN not in installed.journal("userli-bridge-backend")


def test_another_secret_is_given_as_the_readme_says(installed):
    """The webhook's: without it there is no such path."""
    readme = (REPOSITORY / "README.md").read_text()
    line = "LoadCredential=WEBHOOK_SECRET:/etc/userli-bridge/webhook-secret"
    assert line in readme
    post = ("exec 3<>/dev/tcp/127.0.0.1/10012; printf "
            "'POST /webhook HTTP/1.0\\r\\nContent-Length: 2\\r\\n\\r\\n{}' >&3; head -n1 <&3")
    assert " 404 " in installed.run(post)[1]
    installed.run("install -m 0600 /dev/null /etc/userli-bridge/webhook-secret && "
                  "echo 0123456789abcdef0123456789abcdef >/etc/userli-bridge/webhook-secret && "
                  "mkdir -p /run/systemd/system/userli-bridge-backend.service.d && "
                  f"printf '[Service]\\n{line}\\n' "
                  ">/run/systemd/system/userli-bridge-backend.service.d/webhook.conf && "
                  "systemctl daemon-reload && systemctl restart userli-bridge-backend")
    assert " 401 " in installed.run(post)[1]
    wait_until(lambda: ready(installed), what="the frontend is ready", interval=0.2)


def test_who_asks_while_the_frontend_restarts_waits(installed):
    before = installed.pid(DAEMONS[0])
    status, text = installed.run(
        "systemctl stop userli-bridge-frontend.service && "
        f"postmap -q example.org socketmap:unix:{MAP}:domain")  # which starts it
    assert (status, text.split()[-1]) == (0, "1")
    assert installed.pid(DAEMONS[0]) not in (0, before)


def test_reload_keeps_the_process(installed):
    for daemon in DAEMONS:
        before = installed.pid(daemon)
        installed.run(f"systemctl reload {daemon}.service")
        assert installed.pid(daemon) == before
        wait_until(lambda d=daemon: '"msg":"reloading"' in installed.journal(d), what="the reload")


def test_the_watchdog_replaces_a_daemon_that_hangs(installed):
    """Stopped, it is alive, but its loop gives no sign."""
    installed.run("mkdir -p /run/systemd/system/userli-bridge-frontend.service.d && "
                  "printf '[Service]\\nWatchdogSec=2s\\n' "
                  ">/run/systemd/system/userli-bridge-frontend.service.d/test.conf && "
                  "systemctl daemon-reload && systemctl restart userli-bridge-frontend.service")
    before = installed.pid(DAEMONS[0])
    installed.run(f"kill -STOP {before}")
    wait_until(lambda: installed.pid(DAEMONS[0]) not in (0, before), what="a new frontend",
               interval=0.2)
    assert installed.run("systemctl show -P NRestarts userli-bridge-frontend.service")[1] != "0\n"
    assert lookup(installed, f"unix:{MAP}") == "1"


def test_several_backends_run_on_one_host(installed):
    installed.run("systemctl start userli-bridge-backend@1 userli-bridge-backend@2 && "
                  "sed -i 's|^#BACKEND_URLS=.*|BACKEND_URLS="
                  "tcp://127.0.0.1:10101,tcp://127.0.0.1:10102|' /etc/userli-bridge/frontend.conf "
                  "&& systemctl restart userli-bridge-frontend.service && "
                  "systemctl stop userli-bridge-backend.service")
    wait_until(lambda: ready(installed), what="the frontend is ready", interval=0.2)
    assert lookup(installed, "inet:127.0.0.1:10001") == "1"
    metrics = installed.run(
        "exec 3<>/dev/tcp/127.0.0.1/10002; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    )[1]
    assert 'pool_members{state="up"} 2' in metrics


def test_a_wrong_setting_is_not_tried_again_and_again(installed):
    installed.run("echo LOG_LEVEL=loud >/etc/userli-bridge/backend-3.conf")
    installed.run("systemctl start userli-bridge-backend@3", check=False)
    wait_until(lambda: "failed" in installed.run(
        "systemctl is-failed userli-bridge-backend@3", check=False)[1], what="it is given up")
    text = installed.journal("userli-bridge-backend@3")
    assert "LOG_LEVEL" in text and "loud" in text
    code = installed.run("systemctl show -P ExecMainStatus userli-bridge-backend@3")[1]
    assert code.strip() == "78"


def test_completions_complete(installed):
    def completed(line):
        words = line.split(" ")
        script = (f". /usr/share/bash-completion/completions/{words[0]}.bash; "
                  f"COMP_WORDS=({' '.join(repr(w) for w in words)}); "
                  f"COMP_CWORD={len(words) - 1}; "
                  f"$(complete -p {words[0]} | sed -E 's/.*-F ([^ ]+).*/\\1/'); "
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        return installed.run(script)[1].split()

    assert {"query", "ping", "healthcheck", "--help"} <= set(completed("userli-bridge "))
    assert completed("userli-bridge query al") == ["alias"]
    assert "--via" in completed("userli-bridge query alias x --")
    assert "--backend-urls" in completed("userli-bridge-frontend --b")
    assert "--userli-base-url" in completed("userli-bridge-backend --userli")


def test_the_manual_is_there(installed):
    for page in ("man8/userli-bridge-frontend.8", "man8/userli-bridge-backend.8",
                 "man1/userli-bridge.1", "man5/userli-bridge.conf.5", "man3/socketmap.3"):
        installed.run(f"test -s /usr/share/man/{page}.gz")


# Last, in this order.


def test_an_upgrade_keeps_settings_and_sockets(installed):
    before = installed.pid(DAEMONS[0])
    instance = installed.pid("userli-bridge-backend@1")
    socket = installed.run(f"stat -c %i {MAP}")[1]
    installed.run("dpkg -i /packages/userli-bridge-*.deb", timeout=4 * PATIENCE)
    wait_until(lambda: ready(installed), what="the frontend is ready", interval=0.2)
    assert installed.pid(DAEMONS[0]) not in (0, before)
    assert installed.pid("userli-bridge-backend@1") not in (0, instance)
    assert installed.run(f"stat -c %i {MAP}")[1] == socket
    assert lookup(installed, f"unix:{MAP}") == "1"
    assert "10101" in installed.run("cat /etc/userli-bridge/frontend.conf")[1]


def test_removal_stops_all_and_purging_leaves_nothing(installed):
    installed.run(f"dpkg --remove {' '.join(PACKAGES)}", timeout=4 * PATIENCE)
    for unit in (*DAEMONS, f"{DAEMONS[0]}.socket", "userli-bridge-backend@1"):
        assert installed.run(f"systemctl is-active {unit}", check=False)[0] != 0
    assert installed.run(f"test -e {MAP}", check=False)[0] == 1
    assert "10101" in installed.run("cat /etc/userli-bridge/frontend.conf")[1]
    installed.run("rm -f /etc/userli-bridge/{token,webhook-secret,backend-3.conf} && "
                  "rm -rf /run/systemd/system/userli-bridge-*.service.d")
    installed.run(f"dpkg --purge {' '.join(PACKAGES)}", timeout=4 * PATIENCE)
    left = installed.run("find / -xdev -name '*userli-bridge*' -not -path '/packages/*' "
                         "-not -path '/var/lib/apt/*' -not -path '/var/cache/*' "
                         "-not -path '/var/log/*'")[1]
    assert left == ""
