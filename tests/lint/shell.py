"""shellcheck finds nothing, and every script fails on its first failure."""

from tree import problems_of_each


def check(tree):
    scripts = tree.scripts()
    problems = problems_of_each(lambda name: ["shellcheck", "-x", name], scripts, tree.root)
    for name in scripts:
        if "\nset -euo pipefail\n" not in tree.text(name):
            problems.append(f"{name}: lacks 'set -euo pipefail'")
    return problems


BAD = [("SC2086", {"deploy/a": "#!/usr/bin/env bash\nset -euo pipefail\nrm $1\n"}),
       ("pipefail", {"deploy/a": "#!/bin/bash\ntrue\n"})]
GOOD = {"deploy/a": '#!/usr/bin/env bash\nset -euo pipefail\nrm "$1"\n'}
