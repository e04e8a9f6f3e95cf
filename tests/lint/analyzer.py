"""gcc's static analyzer finds nothing in the programs' sources."""

import re

from tree import compile_flags, problems_of_each

# What it finds and is not so, by file, function and finding; each of them has
# to be found, so that none outlives its cause.
MISTAKEN = {
    # exchange_add() is called by who holds the exchange, so that what is sent
    # in between is not its end; the count is out of sight by then.
    ("backend/exchange.c", "make_ready", "use-after-free"),
}
WHERE = re.compile(r"\bIn function ['‘](\w+)['’]")
FINDING = re.compile(r"^(\S+?):\d+:\d+: error: .*\[-Werror=analyzer-([\w-]+)\]$")


def findings(output):
    """(file, function, finding) and the line of each warning."""
    function = ""
    for line in output.splitlines():
        where = WHERE.search(line)
        if where:
            function = where[1]
        got = FINDING.match(line)
        if got:
            yield (got[1], function, got[2]), line


def check(tree):
    files = tree.program_sources()
    flags = [*compile_flags(), "-O2", "-fanalyzer", "-Werror", "-fdiagnostics-plain-output",
             "-fdiagnostics-path-format=none"]
    found = problems_of_each(
        lambda name: ["gcc", *flags, "-c", "-o", "/dev/null", name], files, tree.root)
    expected = {m for m in MISTAKEN if m[0] in files}
    problems, met = [], set()
    for output in found:
        each = list(findings(output))
        problems += [line for what, line in each if what not in expected]
        met |= {what for what, _ in each}
        if not each:  # it does not compile
            problems.append(output)
    return problems + [f"{' '.join(m)}: is no longer found" for m in sorted(expected - met)]


BAD = [
    ("analyzer-malloc-leak",
     {"common/a.c": "#include <stdlib.h>\nint a(int);\nint a(int b)\n{\n"
                    "\tint *p = malloc(sizeof *p);\n\tif (p == NULL || b == 0)\n"
                    "\t\treturn 0;\n\t*p = b;\n\tb = *p * *p;\n\tfree(p);\n\treturn b;\n}\n"}),
    ("analyzer-use-after-free",
     {"common/a.c": "#include <stdlib.h>\nint a(int *);\nstatic void b(int *p)\n{\n"
                    "\tif (*p != 0)\n\t\tfree(p);\n}\n"
                    "int a(int *p)\n{\n\tb(p);\n\treturn *p;\n}\n"}),
    ("is no longer found",
     {"backend/exchange.c": "int a(int b);\nint\na(int b)\n{\n\treturn b + 1;\n}\n"}),
]
GOOD = {"common/a.c": "int a(int b);\nint\na(int b)\n{\n\treturn b + 1;\n}\n"}
