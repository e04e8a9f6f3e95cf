"""clang-tidy finds nothing in the programs' sources (see .clang-tidy)."""

import re

from tree import ROOT, compile_flags, problems_of_each

# The finding, and the steps that lead to it; not the macros in between.
TELLING = re.compile(r": (?:warning|error): |: note: (?!expanded from|Loop condition|Left side)")


def telling_lines(output):
    return "\n".join(line for line in output.splitlines() if TELLING.search(line)) or output


def check(tree):
    config = f"--config-file={ROOT / '.clang-tidy'}"
    flags = compile_flags()
    found = problems_of_each(
        lambda name: ["clang-tidy", "--quiet", config, name, "--", *flags],
        tree.program_sources(), tree.root)
    return [telling_lines(output) for output in found]


LONG = "".join(f"\tprintf(\"{i}\");\n" for i in range(90))
BAD = [
    ("core.NullDereference",
     {"common/a.c": "int a(void);\nint a(void)\n{\n\tint *p = 0;\n\treturn *p;\n}\n"}),
    ("bugprone-sizeof-expression",
     {"common/a.c": "int a(const int *);\nint a(const int *b)\n{\n"
                    "\treturn (int)sizeof(sizeof(b));\n}\n"}),
    ("readability-function-size",
     {"common/a.c": f"#include <stdio.h>\nvoid a(void);\nvoid a(void)\n{{\n{LONG}}}\n"}),
]
GOOD = {"common/a.c": "int a(int b);\nint\na(int b)\n{\n\treturn b + 1;\n}\n"}
