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

# Where the program stands in nng's way, against its faults (common/nngsock_*.c).
STANDS_IN = {"sendmsg", "nng_stream_send", "nng_stream_recv"}


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


def test_the_linker_writes_to_no_code(path):
    assert "TEXTREL" not in of_readelf("-d", path)


def test_its_libraries_come_from_the_system_only(path):
    assert not re.search(r"\(R(UN)?PATH\)", of_readelf("-d", path))


def test_a_program_lends_no_function_to_what_it_loads(path):
    """What is exported, a library could call or would call in place of its own."""
    if ".so" in path.name:
        pytest.skip("of a library, test_libsocketmap.py tells")
    exported = of_readelf("--dyn-syms", path).splitlines()
    ours = [s for s in exported if re.search(r"(GLOBAL|WEAK) +DEFAULT +\d+ ", s)]
    # But for the C library's own data, of which the program has the only copy.
    names = {s.split()[-1] for s in ours if "@GLIBC" not in s}
    assert names == STANDS_IN


def test_the_stack_is_guarded(path):
    assert "__stack_chk_fail" in of_readelf("--dyn-syms", path)


def test_the_c_library_checks_lengths(path):
    symbols = of_readelf("--dyn-syms", path)
    checked = set(re.findall(r"\b__(\w+)_chk\b", symbols))
    assert {"memcpy", "vsnprintf"} <= checked
    # Their size is always known here, so that none is left unchecked.
    assert not re.search(r" UND v\w*printf@", symbols)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="CET is of x86")
def test_indirect_jumps_land_where_they_may(path):
    code = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True
    ).stdout
    ours = re.findall(r"^\w+ <(?:main|socketmap_\w+)>:\n\s+\w+:\s+(\w+)", code, re.MULTILINE)
    assert ours and set(ours) == {"endbr64"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="CET is of x86")
def test_a_shadow_stack_may_keep_the_returns(path):
    assert re.search(r"x86 feature: .*SHSTK", of_readelf("-n", path))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="CET is of x86")
def test_every_object_of_ours_is_built_for_cet(path):
    """Where the whole file is not marked IBT, the C library's start files are why."""
    objects = [
        o
        for layer in ("common", "frontend", "backend")
        for o in (BUILD_DIR / layer).rglob("*.o")
        if o.name != "socketmap.o"  # joined of others
    ]
    assert objects
    for each in objects:
        assert "IBT, SHSTK" in of_readelf("-n", each), each
