"""tests/support/tally.py, which decides whether a run was green."""

import subprocess

import pytest
from support.daemons import REPOSITORY

TALLY = REPOSITORY / "tests" / "support" / "tally.py"


def ctest(status, output):
    return (f'<testsuite><testcase name="test_a" classname="test_a" status="{status}">'
            f"<system-out>{output}</system-out></testcase></testsuite>")


GOOD = "[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n[       OK ] b\n"
BAD = "[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\nwrong\n[  FAILED  ] b\n"
LISTED = BAD + "[  FAILED  ] tests: 1 test(s), listed below:\n[  FAILED  ] b\n"
CRASHED = "[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\nSegmentation fault"
SKIPS = "[ RUN      ] a\n[  SKIPPED ] a\n[ RUN      ] b\n[       OK ] b\n"

PYTEST = """<testsuites><testsuite><testcase classname="t" name="a"/>
<testcase classname="t" name="b"><skipped message="no Postfix"/></testcase>
<testcase classname="t" name="c"><failure message="x">y</failure></testcase>
<testcase classname="t" name="d"><error message="x">y</error></testcase>
</testsuite></testsuites>"""

CASES = {
    "tap": ({"a.tap": "ok 1 - x\nok 2 - y\n# not ok\n1..2\n"}, "2 passed, 0 failed, 0 skipped"),
    "tap_fails": ({"a.tap": "ok 1 - x\nnot ok 2 - y\n"}, "1 passed, 1 failed, 0 skipped"),
    "tap_skips": ({"a.tap": "ok 1 - x\nok 2 - y # SKIP why\n"}, "1 passed, 0 failed, 1 skipped"),
    "cmocka": ({"a.xml": ctest("run", GOOD)}, "2 passed, 0 failed, 0 skipped"),
    "cmocka_fails": ({"a.xml": ctest("fail", LISTED)}, "1 passed, 1 failed, 0 skipped"),
    "cmocka_crashes": ({"a.xml": ctest("fail", CRASHED)}, "1 passed, 1 failed, 0 skipped"),
    "cmocka_skips": ({"a.xml": ctest("run", SKIPS)}, "1 passed, 0 failed, 1 skipped"),
    "leaks_at_exit": ({"a.xml": ctest("fail", GOOD)}, "2 passed, 1 failed, 0 skipped"),
    "not_built": ({"a.xml": ctest("notrun", "")}, "0 passed, 1 failed, 0 skipped"),
    "pytest": ({"a.xml": PYTEST}, "1 passed, 2 failed, 1 skipped"),
    "several": ({"a.xml": ctest("run", GOOD), "b.tap": "ok 1 - x\n"},
                "3 passed, 0 failed, 0 skipped"),
    "nothing": ({}, "0 passed, 0 failed, 0 skipped"),
    "empty": ({"a.tap": "1..0\n", "b.tap": "ok 1 - x\n"}, "1 passed, 1 failed, 0 skipped"),
    "cut_off": ({"a.xml": "<testsuite><testc"}, "0 passed, 1 failed, 0 skipped"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_last_line_counts_every_result(tmp_path, name):
    files, want = CASES[name]
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    got = subprocess.run([TALLY, tmp_path], capture_output=True, text=True, check=False)
    assert got.stdout.splitlines()[-1] == want, got.stdout + got.stderr
    green = ", 0 failed," in want and not want.startswith("0 passed")
    assert got.returncode == (0 if green else 1)


def test_a_skipped_test_is_listed_with_its_reason(tmp_path):
    (tmp_path / "a.xml").write_text(PYTEST)
    got = subprocess.run([TALLY, tmp_path], capture_output=True, text=True, check=False)
    assert "skipped: a: t: b: no Postfix" in got.stdout.splitlines()
    assert "failed: a: t: c" in got.stdout.splitlines()
