"""cmake --install: what an administrator gets, and what it needs to run."""

import re
import subprocess

import pytest
from support.daemons import BUILD_DIR, REPOSITORY, TOKEN
from support.process import clean_environment, run

PROGRAMS = ("sbin/userli-bridge-frontend", "sbin/userli-bridge-backend", "bin/userli-bridge")

# Of the compiler: no release needs them.
SANITIZERS = re.compile(r"lib(gcc_s|asan|ubsan|tsan)\.so")

# The C library, which every machine has, for one architecture or several.
EVERYWHERE = re.compile(r"libc6(-\w+)?$")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", BUILD_DIR, "--prefix", folder],
                   stdout=subprocess.DEVNULL, check=True)
    return folder


def dynamic(program, tag):
    text = subprocess.run(["readelf", "-d", program], capture_output=True, text=True,
                          check=True).stdout
    return re.findall(rf"\({tag}\).*\[(.*)\]", text)


def test_installs_what_the_readme_says_and_no_tests(prefix):
    files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    assert files >= set(PROGRAMS)
    others = {f for f in files - set(PROGRAMS)
              if "socketmap" not in f and "/doc/" not in f and "/man/" not in f}
    assert not others


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_installed_program_runs_on_its_own(prefix, program):
    status, text, _ = run([prefix / program, "--version"])
    assert status == 0 and re.search(r"\d+\.\d+\.\d+", text)
    for tag in ("RUNPATH", "RPATH"):
        assert not dynamic(prefix / program, tag), "finds libraries in the build folder"


def test_the_frontend_talks_no_http_and_reads_no_json(prefix):
    for program in PROGRAMS:
        libraries = " ".join(dynamic(prefix / program, "NEEDED"))
        assert ("libcurl" in libraries) == (program == PROGRAMS[1]), program
        # The tool reads what the daemons' admin sockets say.
        assert ("libjansson" in libraries) == (program != PROGRAMS[0]), program


def test_the_packages_for_running_are_all_that_it_loads(prefix):
    """install-dependencies --run, held against the programs' own headers."""
    needed = {library for program in PROGRAMS
              for library in dynamic(prefix / program, "NEEDED") if not SANITIZERS.match(library)}
    listed = subprocess.run([REPOSITORY / "deploy/install-dependencies", "--run", "--list"],
                            capture_output=True, text=True, check=True).stdout
    owners = set()
    for library in needed:
        owner = subprocess.run(["dpkg-query", "-S", f"*/{library}"], capture_output=True,
                               text=True, check=True).stdout
        owners.add(re.split(r"[:,]", owner)[0])
    owners = {owner for owner in owners if not EVERYWHERE.match(owner)}
    assert owners == {line.split()[0] for line in listed.splitlines()} - {"ca-certificates"}


def test_an_installed_program_checks_its_configuration(prefix):
    good = subprocess.run(
        [prefix / PROGRAMS[1], "--check-config"], capture_output=True, check=False,
        env=clean_environment({"USERLI_TOKEN": TOKEN}))
    assert good.returncode == 0, good.stderr
    bad = subprocess.run([prefix / PROGRAMS[1], "--check-config"], capture_output=True,
                         check=False, env=clean_environment())
    assert bad.returncode == 78
