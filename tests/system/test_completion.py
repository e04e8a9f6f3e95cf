"""userli-bridge completion: scripts that the shells themselves understand."""

import shutil
import subprocess

import pytest
from support.daemons import program_path
from support.process import run

TOOL = program_path("userli-bridge")

# What bash would do with what has been typed so far.
ASK_BASH = """
source /dev/stdin
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_userli_bridge
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(shell):
    status, out, error = run([TOOL, "completion", shell])
    assert (status, error) == (0, "")
    return out


def completed(*typed):
    result = subprocess.run(
        ["bash", "-c", ASK_BASH, "bash", "userli-bridge", *typed],
        input=script("bash"),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert result.stderr == ""
    return set(result.stdout.split())


def commands():
    out = run([TOOL, "help"])[1]
    listed = out.partition("Commands:\n")[2].partition("\n\n")[0]
    return {line.split()[0] for line in listed.splitlines()}


def test_bash_completes_every_command():
    assert completed("") == commands() | {"--help", "--version"}
    assert completed("dr") == {"drain"}


@pytest.mark.parametrize("command", sorted(commands()))
def test_bash_completes_every_option_that_help_tells(command):
    text = run([TOOL, command, "--help"])[1]
    told = {
        line.split()[0].rstrip(",")
        for line in text.splitlines()
        if line.startswith("  --")
    }
    assert told <= completed(command, "--")


def test_bash_completes_words():
    assert completed("query", "ali") == {"alias"}
    assert completed("query", "--via", "") == {"socketmap", "backend", "userli"}
    assert completed("log-level", "frontend", "de") == {"debug"}
    assert completed("cache", "f") == {"flush"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_read_it(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    path = tmp_path / "script"
    path.write_text(script(shell))
    assert subprocess.run([shell, "-n", path], timeout=30, check=False).returncode == 0


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_every_command_is_in_the_others_too(shell):
    text = script(shell)
    assert all(command in text for command in commands())


def test_another_shell_is_refused():
    status, _, error = run([TOOL, "completion", "csh"])
    assert status == 64 and "none of bash, zsh and fish" in error
