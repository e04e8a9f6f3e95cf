"""shellcheck finds nothing, and every script fails on its first failure."""

from tree import problems_of_each


def check(tree):
    scripts = tree.scripts()
    problems = problems_of_each(lambda name: ["shellcheck", "-x", name], scripts, tree.root)
    for name in scripts:
        text = tree.text(name)
        # sh has no pipefail; Debian's scripts are for it.
        wanted = "set -e" if text.startswith("#!/bin/sh\n") else "set -euo pipefail"
        if f"\n{wanted}\n" not in text:
            problems.append(f"{name}: lacks '{wanted}'")
    return problems


BAD = [("SC2086", {"deploy/a": "#!/usr/bin/env bash\nset -euo pipefail\nrm $1\n"}),
       ("pipefail", {"deploy/a": "#!/bin/bash\ntrue\n"}),
       ("'set -e'", {"deploy/a": "#!/bin/sh\ntrue\n"})]
GOOD = {"deploy/a": '#!/usr/bin/env bash\nset -euo pipefail\nrm "$1"\n'}
