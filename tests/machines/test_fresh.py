"""A fresh machine: a minimal Debian, a clone, and the README's own commands."""

import re
import subprocess

import pytest
from support import debian
from support.daemons import REPOSITORY

reason = debian.why_not()
pytestmark = pytest.mark.skipif(reason is not None, reason=str(reason))

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
# What somebody has who has just cloned a repository.
PRESENT = "git ca-certificates"
PACKAGE_OF = {"userli-bridge": "userli-bridge-tools"}
CHECKOUT = "/srv/userli-bridge"


def commands(heading, block=0):
    """The lines of a code block below a heading."""
    section = re.search(rf"^##+ {heading}\n(.*?)^##", README, re.M | re.S)[1]
    return re.findall(r"^```\n(.*?)^```", section, re.M | re.S)[block].splitlines()


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A root with this repository's last commit cloned into it."""
    with debian.unpacked_root() as root:
        root.run(f"apt-get update -qq && apt-get install -qq -y --no-install-recommends {PRESENT}")
        bundle = root.path / "tmp" / "repository.bundle"
        subprocess.run(["git", "-C", REPOSITORY, "bundle", "create", bundle, "HEAD"],
                       check=True, capture_output=True)
        root.run(f"git clone -q /tmp/repository.bundle {CHECKOUT}")
        yield root


def in_checkout(machine, command, timeout=1200):
    status, text = machine.run(f"cd {CHECKOUT} && {command}", check=False, timeout=timeout)
    assert status == 0, f"{command}\n{text[-6000:]}"
    return text


def test_the_quickstart_answers(machine):
    """As it stands but for --check, since it would run until ^C."""
    assert commands("Try it") == ["./deploy/quickstart"]
    text = in_checkout(machine, "./deploy/quickstart --check")
    assert re.search(r"domain +example\.org +1\n", text), text
    assert "virtual_alias_maps = socketmap:inet:127.0.0.1:" in text


def test_installing_from_source_installs_programs_that_run(machine):
    lines = commands("Install")
    assert "cmake --install build --prefix /usr/local" in lines
    for line in lines:
        in_checkout(machine, line)
    for program in ("userli-bridge-frontend", "userli-bridge-backend", "userli-bridge"):
        assert re.search(r"\d+\.\d+\.\d+", machine.run(f"{program} --version")[1])


def test_what_was_installed_runs_where_only_its_libraries_are(machine):
    """On a second machine, with what install-dependencies --run brings."""
    with debian.unpacked_root() as other:
        subprocess.run(["cp", "-a", f"{machine.path}/usr/local/.", other.path / "usr/local/"],
                       check=True)
        subprocess.run(["cp", machine.path / CHECKOUT.lstrip("/") / "deploy/install-dependencies",
                        other.path / "tmp/"], check=True)
        status, text = other.run("userli-bridge-backend --version", check=False)
        assert status != 0 and "shared libraries" in text
        other.run("/tmp/install-dependencies --run && ldconfig")
        for program in ("userli-bridge-frontend", "userli-bridge-backend", "userli-bridge"):
            other.run(f"{program} --version")


def test_units_of_the_checkout_are_taken_as_the_readme_says(machine):
    for line in commands("systemd"):
        if line.startswith(("install ", "cp ")):
            in_checkout(machine, line)
    machine.run("test -f /etc/systemd/system/userli-bridge-backend.service && "
                "test -f /etc/userli-bridge/backend.conf")


def test_packages_are_built_and_installed_as_the_readme_says(machine):
    """systemctl is for tests/run packages; the editor is for people."""
    for line in commands("Debian packages"):
        in_checkout(machine, line)
    install, token, *_ = commands("Debian packages", 1)
    # Without Postfix, which would be started here.
    assert install.startswith("apt install ")
    in_checkout(machine, install.replace(
        "apt install", "apt-get install -qq -y --no-install-recommends"))
    in_checkout(machine, token)
    for program in ("userli-bridge-frontend", "userli-bridge-backend", "userli-bridge"):
        machine.run(f"$(dpkg-query -L {PACKAGE_OF.get(program, program)} | "
                    f"grep bin/{program}$) --version")


def test_the_tests_themselves_run(machine):
    """Units only: the rest would test that machine, not this one's install steps."""
    text = in_checkout(machine, "./tests/run unit", timeout=1800)
    assert re.search(r"^[1-9]\d* passed, 0 failed, 0 skipped", text.splitlines()[-1]), text[-3000:]
