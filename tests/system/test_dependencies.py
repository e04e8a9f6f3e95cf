"""deploy/install-dependencies, with programs in front of it that pretend."""

import os
import subprocess

import pytest
from support.daemons import REPOSITORY

INSTALL = REPOSITORY / "deploy" / "install-dependencies"
EXIM = "installed exim4-daemon-light, default-mta, mail-transport-agent,"


@pytest.fixture
def pretend(tmp_path):
    """pretend(packages, uid=…) runs it on a machine with these packages."""

    def run(*arguments, packages=(), uid=1000):
        programs = {
            "dpkg-query": "\n".join(f"echo '{line}'" for line in packages),
            "id": f"echo {uid}",
            "sudo": "exit 1",
            "apt-get": f"echo called >>{tmp_path}/apt; exit 100",
        }
        for name, body in programs.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
            (tmp_path / name).chmod(0o755)
        result = subprocess.run(
            [INSTALL, *arguments],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True, text=True, check=False,
        )
        assert not (tmp_path / "apt").exists(), "apt-get was called"
        return result

    return run


def listed(kind):
    out = subprocess.run([INSTALL, kind, "--list"], capture_output=True, text=True, check=True)
    return [line.split(None, 1) for line in out.stdout.splitlines()]


def test_each_kind_holds_the_one_before_and_says_why():
    run, build, test = listed("--run"), listed("--build"), listed("--test")
    packages, machines = listed("--packages"), listed("--machines")
    assert run == build[: len(run)] and build == test[: len(build)] == packages[: len(build)]
    assert test == machines[: len(test)] and all(line in machines for line in packages)
    assert all(len(line) == 2 for line in machines), "each package has its reason"
    names = [name for name, _ in machines]
    assert len(names) == len(set(names))
    assert not any(name.endswith("-dev") for name, _ in run)


@pytest.mark.parametrize("kind", ["--run", "--build", "--packages", "--test", "--machines"])
def test_does_nothing_when_all_is_there(pretend, kind):
    packages = [f"installed {name}, ," for name, _ in listed(kind)]
    result = pretend(kind, packages=packages)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_package_that_was_removed_is_missing(pretend):
    packages = [f"installed {name}, ," for name, _ in listed("--run")]
    packages[0] = packages[0].replace("installed", "config-files")
    result = pretend("--run", packages=packages)
    assert f"missing: {listed('--run')[0][0]}\n" in result.stderr


def test_prints_the_one_command_without_the_right_to_install(pretend):
    result = pretend("--build")
    assert result.returncode == 69
    assert f"sudo {INSTALL} --build" in result.stderr


def test_never_replaces_another_mail_server(pretend):
    result = pretend("--test", packages=[EXIM])
    assert "exim4-daemon-light is this host's mail server" in result.stderr
    missing = next(l for l in result.stderr.splitlines() if " missing: " in l).split()
    assert "postfix" not in missing and "cmake" in missing


def test_needs_nothing_but_postfix_beside_another_mail_server(pretend):
    packages = [f"installed {name}, ," for name, _ in listed("--test") if name != "postfix"]
    result = pretend("--test", packages=[*packages, EXIM])
    assert result.returncode == 0
    assert "the tests that need Postfix are skipped" in result.stderr


def test_refuses_what_it_does_not_know(pretend):
    for arguments in ([], ["--all"], ["--run", "--test"]):
        assert pretend(*arguments).returncode == 64
