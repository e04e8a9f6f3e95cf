"""README.md against the programs that it describes."""

import re
import subprocess

import pytest
from support.daemons import REPOSITORY, program_path
from support.process import run

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PROGRAMS = ("frontend", "backend")
PREFIX = "userli_postfix_adapter_"
MAIN_CF = re.compile(r"^\w+ = socketmap:inet:127\.0\.0\.1:10001:\w+$", re.MULTILINE)


def table(first_column):
    """The rows of the table whose head begins so, cells without backquotes."""
    head = README.index(f"\n| {first_column} |") + 1
    lines = README[head:].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in lines]


def documented(rows, program):
    return [row for row in rows if program in row[2] or row[2] == "both"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_setting_is_there_with_its_default(program):
    status, text, _ = run([program_path(f"userli-bridge-{program}"), "--help"])
    assert status == 0
    settings = re.findall(r"^  ([A-Z][A-Z0-9_]+) +(\S+)", text, re.MULTILINE)
    assert len(settings) > 5, text
    got = [(row[0], row[1]) for row in documented(table("variable"), program)]
    want = [(name, {"(empty)": "", "(required)": "required"}.get(default, default))
            for name, default in settings]
    assert sorted(got) == sorted(want)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_exit_code_is_there(program):
    _, text, _ = run([program_path(f"userli-bridge-{program}"), "--help"])
    codes = re.search(r"Exit codes: (.*)", text, re.DOTALL)[1]
    assert [row[0] for row in table("code")] == re.findall(r"\b(\d+) [a-z]", codes)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_metric_is_there_with_its_labels(shared, program):
    shared.lookup("alias", "info@example.org")
    families = getattr(shared, program).metrics().families.values()
    got = {row[0]: set(row[1].replace(",", " ").split())
           for row in documented(table("metric"), program)}
    want = {f.name.removeprefix(PREFIX): f.label_names() for f in families}
    assert got == want


def test_replies_are_those_of_the_library():
    names = [row[0].split()[0] for row in table("reply")]
    assert names == ["OK", "NOTFOUND", "TEMP", "TIMEOUT", "PERM"]


def test_main_cf_is_what_the_quickstart_shows():
    script = (REPOSITORY / "deploy" / "quickstart").read_text()
    lines = MAIN_CF.findall(script.replace("$port", "10001").replace("\t", ""))
    assert len(lines) == 4
    assert MAIN_CF.findall(README) == lines


def test_every_command_in_the_checkout_is_there():
    for command in ("./deploy/quickstart", "./tests/run", "./deploy/install-dependencies"):
        assert command in README
        result = subprocess.run([REPOSITORY / command, "--help"], capture_output=True,
                                check=False)
        assert result.returncode == 0, command
    presets = subprocess.run(["cmake", "--list-presets"], cwd=REPOSITORY, text=True,
                             capture_output=True, check=True).stdout
    assert re.findall(r'"(\w+)"', presets) == ["release", "debug", "asan", "tsan", "clang", "fuzz"]


PARTS = ["lint", "unit", "system", "asan", "clang", "seam", "fuzz", "soak", "tsan", "docker",
         "packages", "fresh"]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_tests_run_is_there(part):
    text = subprocess.run([REPOSITORY / "tests/run", "--help"], capture_output=True,
                          text=True, check=True).stdout
    assert f"  {part} " in text and f"`{part}`" in README


def test_every_claim_of_security_names_tests_that_are_there():
    rows = table("who")
    assert len(rows) > 10
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (*REPOSITORY.glob("tests/system/*.py"), *REPOSITORY.glob("tests/unit/*.c"))
    )
    there = set(re.findall(r"^(?:def )?(\w+)\(", sources, re.MULTILINE))
    for who, _, _, tests in rows:
        assert tests.split(), who
        assert not set(tests.split()) - there, who
