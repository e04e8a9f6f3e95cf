"""What the release build's files have against an attacker who finds a fault."""

import platform
import re
import subprocess

import pytest
from support.daemons import BUILD_DIR

PROGRAMS = [
    "bin/userli-bridge-frontend",
    "bin/userli-bridge-backend",
    "bin/userli-bridge",
    "lib/libsocketmap.so",
]


def of_readelf(option, path):
    got = subprocess.run(
        ["readelf", option, "--wide", path], capture_output=True, text=True, check=True
    )
    return got.stdout


@pytest.fixture(params=PROGRAMS)
def path(request):
    cache = (BUILD_DIR / "CMakeCache.txt").read_text()
    if "CMAKE_BUILD_TYPE:STRING=Release" not in cache or re.search(
        "^SANITIZE:STRING=.+", cache, re.MULTILINE
    ):
        pytest.skip("only a release build is hardened")
    return BUILD_DIR / request.param


def test_its_addresses_are_chosen_at_random(path):
    assert "Type:                              DYN" in of_readelf("-h", path)


def test_what_the_linker_filled_in_is_read_only(path):
    assert "GNU_RELRO" in of_readelf("-l", path)
    assert "BIND_NOW" in of_readelf("-d", path)


def test_no_memory_is_both_writable_and_executable(path):
    segments = of_readelf("-l", path)
    stack = re.search(r"GNU_STACK .* (R[ W][ E]) ", segments)
    assert stack and stack[1] == "RW ", segments
    assert not re.search(r"LOAD .* RWE ", segments), segments


def test_the_stack_is_guarded(path):
    assert "__stack_chk_fail" in of_readelf("--dyn-syms", path)


def test_the_c_library_checks_lengths(path):
    assert re.search(r"__\w+_chk\b", of_readelf("--dyn-syms", path))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="CET is of x86")
def test_indirect_jumps_land_where_they_may(path):
    code = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True
    ).stdout
    ours = re.findall(r"^\w+ <(?:main|socketmap_\w+)>:\n\s+\w+:\s+(\w+)", code, re.MULTILINE)
    assert ours and set(ours) == {"endbr64"}
