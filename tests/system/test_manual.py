"""deploy/man and deploy/completions: what the programs are, and no more."""

import os
import re
import shutil
import subprocess

import pytest
from support.daemons import BUILD_DIR, REPOSITORY, program_path
from support.process import clean_environment, run

COMPLETIONS = REPOSITORY / "deploy" / "completions"
PAGES = ("userli-bridge-frontend.8", "userli-bridge-backend.8", "userli-bridge.1",
         "userli-bridge.conf.5", "socketmap.3")
DAEMONS = ("userli-bridge-frontend", "userli-bridge-backend")


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([REPOSITORY / "deploy/man/render", BUILD_DIR / "bin", folder], check=True,
                   env=clean_environment())
    return folder


def plain(path):
    text = subprocess.run(["mandoc", "-T", "ascii", path], capture_output=True, text=True,
                          check=True).stdout
    return re.sub(r".\x08", "", text)


def test_every_page_is_there(manual):
    assert {path.name for path in manual.iterdir()} == set(PAGES)


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
@pytest.mark.parametrize("page", PAGES)
def test_mandoc_finds_nothing(manual, page):
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", manual / page],
                            capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_setting_is_described_with_its_default(manual, daemon):
    _, text, _ = run([program_path(daemon), "--help"])
    settings = re.findall(r"^  ([A-Z][A-Z0-9_]+) +(\S+)", text, re.MULTILINE)
    section = plain(manual / "userli-bridge.conf.5").partition(
        f"SETTINGS OF THE {daemon.rpartition('-')[2].upper()}")[2].split("\nS", 1)[0]
    described = re.findall(r"^     ([A-Z][A-Z0-9_]+)\n +(?:Default: (\S+);|(Required))", section,
                           re.MULTILINE)
    got = [(name, default or "(required)") for name, default, _ in described]
    assert got == [(name, default.replace("(empty)", "empty")) for name, default in settings]


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_exit_code_is_in_the_page(manual, daemon):
    _, text, _ = run([program_path(daemon), "--help"])
    codes = re.findall(r"\b(\d+) [a-z]", re.search(r"Exit codes: (.*)", text, re.DOTALL)[1])
    page = (manual / f"{daemon}.8").read_text().partition(".Sh EXIT STATUS")[2].partition(".Sh")[0]
    assert re.findall(r"^\.It (\d+)$", page, re.MULTILINE) == codes


def commands():
    """Of the administrator's tool."""
    _, text, _ = run([program_path("userli-bridge"), "--help"])
    found = re.findall(r"^  ([a-z][a-z-]*)  ", text.partition("Options:")[0].partition("Commands:")[2], re.MULTILINE)
    assert {"query", "ping", "healthcheck"} <= set(found)
    return found


def test_every_command_is_in_the_page(manual):
    page = (manual / "userli-bridge.1").read_text()
    assert {line.split()[0] for line in re.findall(r"^\.It Cm (.*)$", page, re.MULTILINE)} == set(
        commands())
    synopsis = page.partition(".Sh SYNOPSIS")[2].partition(".Sh DESCRIPTION")[0]
    assert all(re.search(rf"^\.Cm .*\b{command}\b", synopsis, re.MULTILINE)
               for command in commands())


def completed(line):
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    script = (
        'set -u; . "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        'function=$(complete -p "$1"); function=${function#*-F }; "${function%% *}"; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{BUILD_DIR / 'bin'}:{os.environ['PATH']}"
    status, out, err = run(["bash", "-c", script, "bash", COMPLETIONS / "userli-bridge.bash", *words],
                           env={"PATH": path})
    assert (status, err) == (0, ""), err
    return out.split()


def test_bash_completes_every_command_and_its_options():
    assert set(completed("userli-bridge ")) == {*commands(), "--help", "--version"}
    assert completed("userli-bridge query a") == ["alias"]
    assert completed("userli-bridge query alias x --via b") == ["backend"]
    for option in ("--via", "--addr", "--timeout", "--help"):
        assert option in completed("userli-bridge query alias x --")


@pytest.mark.parametrize("daemon", DAEMONS)
def test_bash_completes_every_flag_of_a_daemon(daemon):
    _, text, _ = run([program_path(daemon), "--help"])
    settings = re.findall(r"^  ([A-Z][A-Z0-9_]+) ", text, re.MULTILINE)
    want = {"--" + name.lower().replace("_", "-") for name in settings}
    want |= {"--config", "--check-config", "--print-config", "--help", "--version"}
    assert set(completed(f"{daemon} --")) == want


@pytest.mark.parametrize("shell, name", [("bash", "userli-bridge.bash"), ("zsh", "_userli-bridge"),
                                         ("fish", "userli-bridge.fish")])
def test_the_shell_takes_its_file(shell, name):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n", COMPLETIONS / name], check=True)
