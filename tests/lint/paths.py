"""No tracked file names a folder of the machine it was written on."""

import re

# Folders that exist on a developer's machine, never on an administrator's.
FOREIGN = re.compile(r"(?<![\w.~$}/-])/(?:home/\w|Users/\w|root/)")


def check(tree):
    problems = []
    for name in tree.files:
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            if name != "tests/lint/paths.py" and FOREIGN.search(line):
                problems.append(f"{name}:{number}: {line.strip()[:100]}")
    return problems


BAD = [("README.md:1", {"README.md": "See /root/plan.md.\n"}),
       ("a.c:2", {"common/a.c": '\n#include "/home/me/a.h"\n'})]
GOOD = {"README.md": "See https://example.org/home/me and $HOME/plan.md.\n"}
