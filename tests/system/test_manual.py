"""deploy/man and deploy/completions: what the programs are, and no more."""

import os
import re
import shutil
import subprocess

import pytest
from support.daemons import BUILD_DIR, REPOSITORY, program_path
from support.process import run

COMPLETIONS = REPOSITORY / "deploy" / "completions"
FOLDER = BUILD_DIR / "deploy" / "man"
PAGES = {
    "socketmap.3",
    "userli-bridge.1",
    "userli-bridge.conf.5",
    "userli-bridge-backend.8",
    "userli-bridge-frontend.8",
}
PROGRAMS = ("userli-bridge-frontend", "userli-bridge-backend")
MANDOC = shutil.which("mandoc")
mandoc = pytest.mark.skipif(not MANDOC, reason="mandoc is not installed")


def page(name):
    return (FOLDER / name).read_text()


def shown(name):
    """The page as a reader has it."""
    result = subprocess.run(
        [MANDOC, "-T", "utf8", FOLDER / name], capture_output=True, check=True
    )
    return re.sub(r".\x08", "", result.stdout.decode())


def settings(program):
    status, out, _ = run([program_path(program), "--help"])
    assert status == 0
    return re.findall(r"^  ([A-Z][A-Z0-9_]+)  ", out, re.M)


def is_foreign(line):
    """Whether lint misses another project's page, or ours, not yet installed."""
    missing = re.search(r"referenced manual not found: Xr (\S+) (\d)", line)
    return "outdated mandoc.db" in line or (
        missing
        and (not missing[1].startswith("userli-bridge") or ".".join(missing.groups()) in PAGES)
    )


def test_there_are_all_pages():
    assert {path.name for path in FOLDER.glob("*.[0-9]")} == PAGES


@mandoc
@pytest.mark.parametrize("name", sorted(PAGES))
def test_lint_has_nothing_to_say(name):
    result = subprocess.run(
        [MANDOC, "-T", "lint", FOLDER / name], capture_output=True, check=False
    )
    lines = (result.stdout + result.stderr).decode().splitlines()
    assert not [line for line in lines if not is_foreign(line)]


@mandoc
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_page_of_settings_is_that_of_the_program(program):
    tier = program.rpartition("-")[2].upper()
    text = shown("userli-bridge.conf.5").partition(f"SETTINGS OF THE {tier}\n")[2]
    text = re.split(r"^\S", text, maxsplit=1, flags=re.M)[0]
    assert re.findall(r"^     ([A-Z][A-Z0-9_]+)$", text, re.M) == settings(program)
    # Also those whose name and words share a line.
    assert "Default: 127.0.0.1:" not in text and "Default: :100" in text


@mandoc
def test_each_command_of_the_tool_is_on_its_page():
    text = shown("userli-bridge.1")
    for command in commands():
        _, usage, _ = run([program_path("userli-bridge"), command, "--help"])
        for line in usage.splitlines():
            assert line.strip() in text, f"{command}: {line}"


def test_each_function_of_the_library_is_on_its_page():
    header = (REPOSITORY / "frontend/socketmap/socketmap.h").read_text()
    for name in re.findall(r"SOCKETMAP_API [^;]*?\b(socketmap_\w+)\(", header):
        assert f".Fo {name}\n" in page("socketmap.3"), name
    options = header.partition("struct socketmap_options {")[2].partition("};")[0]
    for name in re.findall(r"^\t(?:\w+_t|bool|int|void|struct \w+) \*?(\w+);", options, re.M):
        assert re.search(rf"\.It Va (\w+ , )?{name}\b", page("socketmap.3")), name


def test_they_are_installed(tmp_path):
    status, _, err = run(["cmake", "--install", BUILD_DIR, "--prefix", tmp_path])
    assert status == 0, err
    for name in PAGES:
        folder = tmp_path / "share" / "man" / f"man{name[-1]}"
        assert (folder / name).read_text() == page(name)


# --- Exit codes and completions ------------------------------------------------


@pytest.mark.parametrize("daemon", PROGRAMS)
def test_every_exit_code_is_in_the_page(daemon):
    _, text, _ = run([program_path(daemon), "--help"])
    codes = re.findall(r"\b(\d+) [a-z]", re.search(r"Exit codes: (.*)", text, re.DOTALL)[1])
    text = page(f"{daemon}.8").partition(".Sh EXIT STATUS")[2].partition(".Sh")[0]
    assert re.findall(r"^\.It (\d+)$", text, re.MULTILINE) == codes


def commands():
    """Of the administrator's tool."""
    _, text, _ = run([program_path("userli-bridge"), "--help"])
    found = re.findall(r"^  ([a-z][a-z-]*)  ", text.partition("Options:")[0].partition("Commands:")[2], re.MULTILINE)
    assert {"query", "ping", "healthcheck"} <= set(found)
    return found


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


@pytest.mark.parametrize("daemon", PROGRAMS)
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
