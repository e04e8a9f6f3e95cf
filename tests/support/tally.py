#!/usr/bin/python3
"""Count what every runner reports: TAP, and JUnit XML of ctest and of pytest.

usage: tally.py FOLDER

Lists what failed and what was skipped and why; the last line is
"N passed, N failed, N skipped".  Exit status: 0 when something passed and
nothing failed, otherwise 1.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

TAP = re.compile(r"^(not )?ok\b[ \d]*-? ?([^#]*)(?:# SKIP ?(.*))?", re.IGNORECASE)
CMOCKA = re.compile(r"\[\s*(RUN|OK|FAILED|SKIPPED)\s*\] (\w+)$")


def of_tap(path):
    for line in path.read_text().splitlines():
        got = TAP.match(line)
        if got and got[3] is not None:
            yield SKIPPED, got[2].strip(), got[3]
        elif got:
            yield FAILED if got[1] else PASSED, got[2].strip(), ""


def of_cmocka(program, status, output):
    """The cases of one program; one that crashes fails the case it was in."""
    cases = {}
    for line in output.splitlines():
        got = CMOCKA.search(line.rstrip())
        if got and got[1] == "RUN":
            cases[got[2]] = FAILED
        elif got and got[2] in cases:
            cases[got[2]] = {"OK": PASSED, "SKIPPED": SKIPPED}.get(got[1], FAILED)
    for name, result in cases.items():
        yield result, f"{program}: {name}", "skipped by the test"
    if status != PASSED and FAILED not in cases.values():
        yield status, program, output.strip()[-200:]
    elif not cases:
        yield PASSED, program, ""


def of_junit(path):
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}: {case.get('name')}"
        skipped = case.find("skipped")
        if case.get("status") is not None:  # ctest
            status = {"run": PASSED, "disabled": SKIPPED}.get(case.get("status"), FAILED)
            yield from of_cmocka(case.get("name"), status, case.findtext("system-out") or "")
        elif case.find("failure") is not None or case.find("error") is not None:
            yield FAILED, name, ""
        elif skipped is not None:
            yield SKIPPED, name, skipped.get("message", "")
        else:
            yield PASSED, name, ""


def of_report(path):
    try:
        cases = list(of_tap(path) if path.suffix == ".tap" else of_junit(path))
    except ElementTree.ParseError as error:
        return [(FAILED, path.stem, f"not readable: {error}")]
    return ([(result, f"{path.stem}: {name}", why) for result, name, why in cases]
            or [(FAILED, path.stem, "nothing ran")])


def main(folder):
    results = []
    for path in sorted(Path(folder).iterdir()):
        if path.suffix in (".tap", ".xml"):
            results += of_report(path)
    for wanted in (SKIPPED, FAILED):
        for result, name, why in results:
            if result == wanted:
                print(f"{wanted}: {name}{': ' if why else ''}{why.splitlines()[0] if why else ''}")
    counts = [sum(result == wanted for result, _, _ in results)
              for wanted in (PASSED, FAILED, SKIPPED)]
    print("{} passed, {} failed, {} skipped".format(*counts))
    return 0 if counts[0] and not counts[1] else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
